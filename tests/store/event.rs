//! The event table.

use serde_json::json;
use workroom::{
    clock,
    model::{
        event::{AgentMessage, Event, EventBody, Notice, NoticeLevel, RunCompleted, RunEventType, ToolReturned},
        page::sequence,
        run::RunStatus,
        scope::RunLease,
        uint53::UInt53,
    },
    store::{
        Store,
        event::{self, Append, Span},
        lease,
    },
};

use super::fixture::{Desk, change, ending, first, last, reading, unit, viewer, walk};
use crate::support::on_both;

fn say(text: impl Into<String>) -> EventBody {
    AgentMessage { text: text.into(), is_final: false }.into()
}

fn note(text: &str) -> EventBody {
    Notice { level: NoticeLevel::Info, text: text.into() }.into()
}

/// The events of a run once more.
const COPY: &str =
    "insert into run_event (run_id, sequence, at, kind, body) select run_id, sequence, at, kind, body from run_event
    where run_id = $1";

async fn append(store: &Store, lease: RunLease, bodies: Vec<EventBody>) -> i64 {
    let append = Append { lease, after: None, at: clock::now(), bodies, turn: None };
    let appended = unit!(store, [append] tx => event::append(tx, &append).await);
    appended.expect("events are kept").expect("the lease is held")
}

async fn all(store: &Store, desk: &Desk, lease: &RunLease) -> Vec<Event> {
    let page = event::page(&mut reading(store).await, &desk.viewer, lease.run_id(), None, &first(5_000)).await;
    page.expect("a page").items
}

on_both! {
    async fn events_round_trip_with_hostile_text(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let bodies = vec![
            say("nul \0, escaped \\u0000, emoji 🚀, rtl \u{202e}, \u{feff}bom, \u{10ffff}"),
            say("x".repeat(100_000)),
            say("'; drop table run_event; -- $1 ?1 {{}}"),
            say(""),
            ToolReturned {
                call_id: "c\0".into(),
                tool: "search".into(),
                output: json!({ "z": 1, "a": [null, 1.5e300, -0.0, "\u{0}", { "ключ": "日本" }], "\u{0}": u64::MAX }),
                is_error: true,
                duration_ms: UInt53::from(UInt53::MAX),
            }
            .into(),
        ];
        append(&store, lease, bodies.clone()).await;
        let events = all(&store, &desk, &lease).await;
        assert_eq!(events.iter().map(|event| event.body.clone()).collect::<Vec<_>>(), bodies);
        assert!(events.iter().all(|event| event.run_id == lease.run_id()));
        let encoded = |bodies: &[EventBody]| bodies.iter().map(|body| body.encode().expect("JSON")).collect::<Vec<_>>();
        let read: Vec<EventBody> = events.into_iter().map(|event| event.body).collect();
        assert_eq!(encoded(&read), encoded(&bodies), "to the letter, and with keys in their order");
    }

    async fn batches_of_every_size_are_dense_and_in_order(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let mut expected = 0;
        for size in [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 85, 500] {
            let bodies = (1..=size).map(|number| say(format!("{}", expected + number))).collect();
            expected += size;
            assert_eq!(append(&store, lease, bodies).await, expected);
        }
        append(&store, lease, vec![]).await;
        let events = all(&store, &desk, &lease).await;
        assert_eq!(i64::try_from(events.len()), Ok(expected));
        for (number, event) in (1_i64..).zip(&events) {
            assert_eq!(event.sequence.get(), number);
            assert_eq!(event.body, say(number.to_string()));
        }
    }

    async fn a_span_bounds_what_is_read_at_once(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        append(&store, lease, (0..10).map(|_| say("x".repeat(1000))).collect()).await;
        let (run, mut conn) = (lease.run_id(), reading(&store).await);
        for (after, rows, bytes, expected) in
            [(0, 3, 1 << 20, vec![1, 2, 3]), (3, 10, 2500, vec![4, 5, 6]), (8, 10, 1, vec![9]), (10, 10, 1 << 20, vec![])]
        {
            let events = event::after(&mut conn, &desk.viewer, run, after, Span { rows, bytes }).await.expect("a read");
            assert_eq!(events.iter().map(|event| event.sequence.get()).collect::<Vec<_>>(), expected, "after {after}");
        }
        let stranger = viewer(&store, "bob").await;
        let span = Span { rows: 10, bytes: 1 << 20 };
        assert!(event::after(&mut conn, &stranger, run, 0, span).await.expect("a read").is_empty());
    }

    async fn two_runs_append_side_by_side(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        let (one, two) = (desk.start(&store).await, other.start(&store).await);
        let appends = (0..40).map(|number| append(&store, if number % 2 == 0 { one } else { two }, vec![say("a"), say("b")]));
        futures_util::future::join_all(appends).await;
        for lease in [one, two] {
            let events = all(&store, &desk, &lease).await;
            assert_eq!(events.iter().map(|event| event.sequence.get()).collect::<Vec<_>>(), (1..=40).collect::<Vec<_>>());
        }
    }

    async fn a_sequence_is_taken_once(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        append(&store, lease, vec![say("a")]).await;
        let run = lease.run_id();
        assert!(change(&store, COPY, vec![run.0]).await.is_err());
        assert_eq!(all(&store, &desk, &lease).await.len(), 1);
    }

    async fn pages_of_events_meet_end_to_end_in_both_directions(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        append(&store, lease, (0..23).map(|number| if number % 3 == 0 { note("n") } else { say("s") }).collect()).await;
        let mut conn = reading(&store).await;
        for types in [None, Some(&[RunEventType::Notice][..]), Some(&[RunEventType::Notice, RunEventType::AgentMessage])] {
            for size in [1, 2, 7, 23, 500] {
                let rows = walk!(size,
                    request => event::page(&mut conn, &desk.viewer, lease.run_id(), types, &request).await.expect("a page"),
                    row => sequence(&row.sequence.get().to_string()).expect("a cursor"));
                let count = event::count(&mut conn, &desk.viewer, lease.run_id(), types).await.expect("a count");
                assert_eq!((rows.len() as u64, rows.len()), (count, if types.is_some_and(|types| types.len() == 1) { 8 } else { 23 }));
            }
        }
        let mut beyond = first(10);
        beyond.after = Some(i64::MAX);
        let none = event::page(&mut conn, &desk.viewer, lease.run_id(), None, &beyond).await.expect("a page");
        assert!(none.items.is_empty() && !none.has_next_page);
        let end = event::page(&mut conn, &desk.viewer, lease.run_id(), None, &last(2)).await.expect("a page");
        assert_eq!(end.items.iter().map(|event| event.sequence.get()).collect::<Vec<_>>(), [22, 23]);
    }

    async fn a_filter_never_hides_the_end(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        append(&store, lease, vec![say("a"), note("b"), RunCompleted { answer: "42".into() }.into()]).await;
        let mut conn = reading(&store).await;
        for (types, expected) in [
            (&[][..], vec![3]),
            (&[RunEventType::Notice], vec![2, 3]),
            (&[RunEventType::RunCompleted], vec![3]),
            (&[RunEventType::AgentMessage; 300], vec![1, 3]),
        ] {
            let page = event::page(&mut conn, &desk.viewer, lease.run_id(), Some(types), &first(10)).await.expect("a page");
            assert_eq!(page.items.iter().map(|event| event.sequence.get()).collect::<Vec<_>>(), expected);
            let count = event::count(&mut conn, &desk.viewer, lease.run_id(), Some(types)).await.expect("a count");
            assert_eq!(count, expected.len() as u64);
        }
    }

    async fn an_ended_run_gets_no_more_events(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        append(&store, lease, vec![say("a")]).await;
        let (run, ending) = (lease.run_id(), ending(RunStatus::Completed));
        let last = unit!(store, [ending] tx => lease::end(tx, &lease, &ending).await);
        assert_eq!(last.expect("the end and its event are one"), Some(2));
        // A caller that goes past the timeline's one door.
        let late = COPY.replace("select run_id, sequence", "select run_id, sequence + 2").leak();
        assert!(change(&store, late, vec![run.0]).await.is_err());
        let events = all(&store, &desk, &lease).await;
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].body, ending.event);
    }

    async fn events_stay_as_they_were_written(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        append(&store, lease, vec![say("a")]).await;
        let run = lease.run_id().0;
        for statement in [
            "update run_event set body = body where run_id = $1",
            "update run_event set at = 0 where run_id = $1",
            "update run_event set sequence = 7 where run_id = $1",
            "delete from run_event where run_id = $1",
        ] {
            assert!(change(&store, statement, vec![run]).await.is_err(), "{statement}");
        }
        assert_eq!(all(&store, &desk, &lease).await.len(), 1);
        let mark = "update project set deleting_at = updated_at where id = $1";
        change(&store, mark, vec![desk.project.id.0]).await.expect("the project is being deleted");
        let gone = change(&store, "delete from run_event where run_id = $1", vec![run]).await;
        assert_eq!(gone.expect("they may go now"), 1);
    }
}
