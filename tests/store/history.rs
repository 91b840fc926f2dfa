//! History: what runs are found by, and what those that have ended add up to.

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use workroom::{
    model::{
        export::PastRun,
        file::FileArea,
        history::{Audit, DurationStats, Past, days, zone},
        id::RunId,
        run::{Run, RunFilter, RunOrder, RunStatus, TokenUsage},
        uint53::UInt53,
    },
    store::{
        Location, Store,
        export::{self, Upcoming},
        history::{self, Common},
        lease::{self, Ending},
        run::{self, RunListing, RunsOf},
    },
};

use super::fixture::{Desk, change, claim, ending, first, reading, run_in, unit, viewer};
use crate::support::{on_both, postgres, sqlite_in};

/// A run that took this long and ended like this, with whatever else `change` says of it.
async fn ended(store: &Store, desk: &Desk, number: i64, (status, millis): (RunStatus, i64), run: Run) -> Run {
    let run = Run { number: UInt53::from(number.unsigned_abs()), ..run };
    unit!(store, [run] tx => run::insert(tx, &run).await).expect("a run");
    let lease = claim(store, "worker").await.expect("the run can be claimed");
    assert_eq!(lease.run_id(), run.id);
    let usage = TokenUsage {
        input_tokens: UInt53::from(100_u64),
        output_tokens: UInt53::from(number.unsigned_abs()),
        ..TokenUsage::default()
    };
    let started = get(store, desk, run.id).await.started_at.expect("it is started");
    let answer = run.answer.clone();
    let ending = Ending { answer, failure: None, at: started + TimeDelta::milliseconds(millis), ..ending(status) };
    unit!(store, [ending] tx => {
        lease::add_usage(tx, &lease, "m", &usage).await?;
        lease::end(tx, &lease, &ending).await
    })
    .expect("an end is answered")
    .expect("the run ends");
    get(store, desk, run.id).await
}

async fn get(store: &Store, desk: &Desk, run: RunId) -> Run {
    run::get(&mut reading(store).await, &desk.viewer, run).await.expect("a read").expect("the run")
}

fn draft(desk: &Desk, prompt: &str) -> Run {
    Run { prompt: prompt.to_owned(), ..run_in(&desk.scope, desk.session.id, 0) }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

fn past(desk: &Desk, filter: RunFilter) -> Past {
    Past { project_id: Some(desk.project.id), filter }
}

/// The numbers of the runs that pass, as the list and as its count tell them.
async fn passing(store: &Store, desk: &Desk, filter: RunFilter) -> Vec<i64> {
    let mut conn = reading(store).await;
    let of = [RunsOf::Project(desk.project.id)];
    let listing = RunListing { filter: filter.clone(), order: RunOrder::default(), request: first(100) };
    let page = run::pages(&mut conn, &desk.viewer, &of, &listing).await.expect("a page").remove(0);
    let mut numbers: Vec<i64> = page.items.iter().map(|run| run.number.get()).collect();
    numbers.sort_unstable();
    let counts = run::counts(&mut conn, &desk.viewer, &of, &filter).await.expect("a count");
    assert_eq!(counts, [numbers.len() as u64]);
    numbers
}

async fn found(store: &Store, desk: &Desk, text: &str) -> Vec<i64> {
    passing(store, desk, RunFilter { text: Some(text.into()), ..RunFilter::default() }).await
}

/// Texts, and needles that a reader of the script would expect to find them by.
const SCRIPTS: &[(&str, &[&str])] = &[
    ("Straße nach Gießen", &["STRASSE", "strasse", "STRAẞE", "straße", "GIESSEN"]),
    ("ΟΔΥΣΣΕΥΣ", &["οδυσσευς", "Οδυσσευσ", "ΟΔΥΣΣΕΥΣ"]),
    ("Москва, ЁЛКА", &["МОСКВА", "москва", "ёлка", "Е\u{308}лка"]),
    ("ｆｕｌｌ ＷＩＤＴＨ １２３", &["full", "width 123", "ＦＵＬＬ"]),
    ("العَرَبِيَّة", &["العَرَبِيَّة", "عَرَب"]),
    ("kırmızı", &["KıRMıZı", "kırmızı"]),
    ("İstanbul", &["i\u{307}stanbul", "İSTANBUL"]),
    ("Ĳssel ﬁord Å", &["ijssel", "FIORD", "a\u{30a}", "\u{212b}"]),
    ("rocket \u{1F680}\u{1F469}\u{200D}\u{1F52C} up", &["\u{1F680}", "\u{1F469}\u{200D}\u{1F52C}", "ROCKET \u{1F680}"]),
    ("50%_off\\now", &["50%_", "%_OFF", "\\n", "f\\N"]),
];

on_both! {
    async fn a_run_is_found_in_every_script_whatever_the_case(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let mut number = 0;
        for (text, _) in SCRIPTS {
            // In the prompt of one, in the answer of the other.
            number += 1;
            ended(&store, &desk, number, (RunStatus::Completed, 1), draft(&desk, &format!("say {text} now"))).await;
            number += 1;
            let answering = Run { answer: Some(format!("Well, {text}.")), ..draft(&desk, "what?") };
            ended(&store, &desk, number, (RunStatus::Completed, 1), answering).await;
        }
        for ((text, needles), first) in SCRIPTS.iter().zip((1..).step_by(2)) {
            for needle in *needles {
                assert_eq!(found(&store, &desk, needle).await, [first, first + 1], "{needle:?} in {text:?}");
            }
        }
        // A wildcard is what it looks like, dotless is not dotted, a NUL is nowhere, and nothing is everywhere.
        for (needle, expected) in [("5%off", 0), ("_ _", 0), ("kirmizi", 0), ("a\0b", 0), ("", number), ("what?\nwell", 10)] {
            assert_eq!(found(&store, &desk, needle).await.len(), usize::try_from(expected).expect("few"), "{needle:?}");
        }
        let longest = "\u{fdfa}".repeat(1_000);
        assert!(found(&store, &desk, &longest).await.is_empty(), "the longest pattern that there can be");
    }

    async fn a_run_is_found_by_its_prompt_before_it_has_ended(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        desk.start(&store).await;
        desk.queue(&store).await;
        assert_eq!(found(&store, &desk, "QUESTION").await, [1, 2]);
        assert_eq!(found(&store, &desk, "question 2").await, [2]);
    }

    async fn filters_of_runs_hold_together(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let noon = at("2026-05-05T12:00:00Z");
        let original = ended(&store, &desk, 1, (RunStatus::Completed, 1), Run { created_at: noon, ..draft(&desk, "a") }).await;
        let drafts = [
            Run { created_at: noon + TimeDelta::microseconds(1), model: "m2".into(), ..draft(&desk, "b") },
            Run { created_at: noon + TimeDelta::hours(1), agent: "other".into(), rerun_of: Some(original.id), ..draft(&desk, "b") },
            Run { created_at: noon + TimeDelta::hours(2), rerun_of: Some(original.id), ..draft(&desk, "a") },
        ];
        for (number, run) in (2..).zip(drafts) {
            let status = if number == 4 { RunStatus::Failed } else { RunStatus::Completed };
            ended(&store, &desk, number, (status, 1), run).await;
        }
        let all = RunFilter::default;
        let end = Some(noon + TimeDelta::hours(2));
        for (filter, expected) in [
            (all(), vec![1, 2, 3, 4]),
            (RunFilter { model: Some("m2".into()), ..all() }, vec![2]),
            (RunFilter { model: Some("M2".into()), ..all() }, vec![]),
            (RunFilter { model: Some("m2\0".into()), ..all() }, vec![]),
            (RunFilter { agent: Some("other".into()), ..all() }, vec![3]),
            (RunFilter { agent: Some("\0".into()), ..all() }, vec![]),
            (RunFilter { rerun_of: Some(original.id), ..all() }, vec![3, 4]),
            (RunFilter { rerun_of: Some(RunId::new()), ..all() }, vec![]),
            (RunFilter { created_from: Some(noon), created_before: end, ..all() }, vec![1, 2, 3]),
            (RunFilter { created_from: Some(noon + TimeDelta::microseconds(1)), ..all() }, vec![2, 3, 4]),
            (RunFilter { created_before: Some(noon), ..all() }, vec![]),
            // Years that do not sort as text.
            (RunFilter { created_from: Some(DateTime::<Utc>::MIN_UTC), created_before: Some(DateTime::<Utc>::MAX_UTC), ..all() },
                vec![1, 2, 3, 4]),
            (RunFilter { text: Some("B".into()), rerun_of: Some(original.id), ..all() }, vec![3]),
            (RunFilter { status: Some(vec![RunStatus::Failed]), created_from: Some(noon), ..all() }, vec![4]),
        ] {
            assert_eq!(passing(&store, &desk, filter.clone()).await, expected, "{filter:?}");
            let mut conn = reading(&store).await;
            let audit = history::audit(&mut conn, &desk.viewer, &past(&desk, filter.clone())).await.expect("an audit");
            assert_eq!(audit.run_count, UInt53::from(expected.len()), "{filter:?}");
        }
    }

    async fn sums_are_those_of_the_runs(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let ways = [(RunStatus::Completed, 30), (RunStatus::Completed, 10), (RunStatus::Failed, 20), (RunStatus::Cancelled, 1_000)];
        for (number, way) in (1..).zip(ways) {
            let model = if number == 2 { "b" } else { "a" };
            ended(&store, &desk, number, way, Run { model: model.into(), ..draft(&desk, "sum") }).await;
        }
        // One that never started and one that has not ended.
        let queued = Run { number: UInt53::from(5_u64), ..draft(&desk, "never") };
        unit!(store, [queued] tx => run::insert(tx, &queued).await).expect("a run");
        let owner = desk.viewer.user_id();
        let stop = ending(RunStatus::Cancelled);
        let id = queued.id;
        unit!(store, [stop] tx => lease::end_queued(tx, owner, id, &stop).await).expect("an answer").expect("it is stopped");
        let lease = {
            let next = Run { number: UInt53::from(6_u64), ..draft(&desk, "running") };
            unit!(store, [next] tx => run::insert(tx, &next).await).expect("a run");
            claim(&store, "worker").await.expect("a lease")
        };
        desk.deliver(&store, &lease, "a.md").await;
        desk.deliver(&store, &lease, "b.md").await;

        let mut conn = reading(&store).await;
        let n = |number: u64| UInt53::from(number);
        let all = past(&desk, RunFilter::default());
        let expected = Audit {
            run_count: n(5), completed: n(2), failed: n(1), cancelled: n(2), input_tokens: n(400), output_tokens: n(10),
            artifact_count: n(0), duration: DurationStats::of(vec![10, 20, 30, 1_000]),
        };
        let audit = history::audit(&mut conn, &desk.viewer, &all).await.expect("an audit");
        assert_eq!(audit, expected);
        assert_eq!(audit.duration.mean, Some(n(265)));
        drop(conn);

        // Its end makes it part of the past, with what it saved.
        let now = ending(RunStatus::Failed);
        unit!(store, [now] tx => lease::end(tx, &lease, &now).await).expect("an answer").expect("it ends");
        let mut conn = reading(&store).await;
        let audit = history::audit(&mut conn, &desk.viewer, &all).await.expect("an audit");
        assert_eq!((audit.run_count, audit.failed, audit.artifact_count), (n(6), n(2), n(2)));

        let by_model = history::audit_by(&mut conn, &desk.viewer, &all, Common::Model).await.expect("groups");
        let counts: Vec<_> = by_model.iter().map(|(key, audit)| (key.as_str(), audit.run_count.get())).collect();
        assert_eq!(counts, [("a", 3), ("b", 1), ("extractive", 2)]);
        let by_status = history::audit_by(&mut conn, &desk.viewer, &all, Common::Status).await.expect("groups");
        let counts: Vec<_> = by_status.iter().map(|(key, audit)| (key.as_str(), audit.run_count.get())).collect();
        assert_eq!(counts, [("CANCELLED", 2), ("COMPLETED", 2), ("FAILED", 2)]);
        for groups in [by_model, by_status] {
            let sum = |of: fn(&Audit) -> UInt53| groups.iter().map(|(_, audit)| of(audit).get()).sum::<i64>();
            assert_eq!(sum(|audit| audit.output_tokens), audit.output_tokens.get());
            assert_eq!(sum(|audit| audit.artifact_count), audit.artifact_count.get());
        }
        let none = Past { filter: RunFilter { status: Some(vec![RunStatus::Running]), ..RunFilter::default() }, ..all };
        assert_eq!(history::audit(&mut conn, &desk.viewer, &none).await.expect("an audit"), Audit::default());
        assert!(history::audit_by(&mut conn, &desk.viewer, &none, Common::Model).await.expect("groups").is_empty());
    }

    async fn days_are_those_of_the_time_zone(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        // Berlin's clocks are put forward on the 29th of March 2026: that day is over at 22:00 in UTC, the one before at 23:00.
        let times = ["2026-03-28T22:59:59.999999Z", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", "2026-03-29T22:00:00Z",
            "2026-03-31T12:00:00Z"];
        for (number, time) in (1..).zip(times) {
            ended(&store, &desk, number, (RunStatus::Completed, number), Run { created_at: at(time), ..draft(&desk, "d") }).await;
        }
        let mut conn = reading(&store).await;
        let all = past(&desk, RunFilter::default());
        let span = history::span(&mut conn, &desk.viewer, &all).await.expect("a read").expect("a span");
        assert_eq!(span, (at(times[0]), at(times[4])));
        for (name, expected) in [
            ("Europe/Berlin", vec![("2026-03-28", 1), ("2026-03-29", 2), ("2026-03-30", 1), ("2026-03-31", 1)]),
            ("UTC", vec![("2026-03-28", 2), ("2026-03-29", 2), ("2026-03-30", 0), ("2026-03-31", 1)]),
            ("Asia/Kathmandu", vec![("2026-03-29", 2), ("2026-03-30", 2), ("2026-03-31", 1)]),
        ] {
            let days = days(zone(name).expect("a zone"), span.0, span.1).expect("days");
            let audits = history::audit_by_day(&mut conn, &desk.viewer, &all, &days).await.expect("groups");
            let counts: Vec<_> = days.iter().zip(&audits).map(|(day, audit)| (day.date.to_string(), audit.run_count.get())).collect();
            let expected: Vec<_> = expected.into_iter().map(|(day, count)| (day.to_owned(), count)).collect();
            assert_eq!(counts, expected, "{name}");
            assert!(audits.iter().all(|audit| (audit.run_count.get() == 0) == (audit.duration.max.is_none())));
        }
        let many = days(zone("UTC").expect("a zone"), span.0 - TimeDelta::days(390), span.1).expect("days");
        let audits = history::audit_by_day(&mut conn, &desk.viewer, &all, &many).await.expect("groups");
        assert_eq!((audits.len(), audits.iter().map(|audit| audit.run_count.get()).sum::<i64>()), (394, 5));
        assert!(history::audit_by_day(&mut conn, &desk.viewer, &all, &[]).await.expect("groups").is_empty());
        let none = past(&desk, RunFilter { model: Some("none".into()), ..RunFilter::default() });
        assert_eq!(history::span(&mut conn, &desk.viewer, &none).await.expect("a read"), None);
    }

    async fn runs_are_exported_newest_first_each_once_and_measured(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let mut kept = Vec::new();
        for (number, prompt) in (11..).zip(["one", "zwölf 🧾", "three", "four", "five"]) {
            let status = if number == 13 { RunStatus::Failed } else { RunStatus::Completed };
            let answer = Some("An answer that is not exported".to_owned());
            kept.push(ended(&store, &desk, number, (status, number), Run { answer, ..draft(&desk, prompt) }).await);
        }
        let lease = desk.start(&store).await;
        desk.deliver(&store, &lease, "a.md").await;
        desk.deliver(&store, &lease, "b.md").await;
        let filter = RunFilter::default().ended();
        let mut conn = reading(&store).await;
        let mut found = Vec::new();
        loop {
            let after = found.last().map(|run: &Upcoming| run.id);
            let next = export::upcoming(&mut conn, &desk.viewer, (desk.project.id, &filter), after, 2).await.expect("a read");
            if next.is_empty() {
                break;
            }
            assert!(next.len() <= 2);
            found.extend(next);
        }
        kept.reverse();
        let expected = kept.iter().map(|run| Upcoming { id: run.id, bytes: i64::try_from(run.prompt.len()).expect("short") });
        assert_eq!(found, expected.collect::<Vec<_>>(), "the running one is not of the past");
        let ids: Vec<_> = found.iter().map(|run| run.id).rev().collect();
        let runs = export::runs(&mut conn, &desk.viewer, desk.project.id, &ids).await.expect("a read");
        let without = |run: &Run| PastRun { run: Run { answer: None, ..run.clone() }, artifact_count: UInt53::default() };
        assert_eq!(runs, kept.iter().map(without).collect::<Vec<_>>());
        let running = export::runs(&mut conn, &desk.viewer, desk.project.id, &[lease.run_id()]).await.expect("a read");
        assert_eq!(running[0].artifact_count, UInt53::from(2_u64));
        let failed = RunFilter { status: Some(vec![RunStatus::Failed]), ..RunFilter::default() };
        let failed = export::upcoming(&mut conn, &desk.viewer, (desk.project.id, &failed), None, 10).await.expect("a read");
        assert_eq!(failed.iter().map(|run| run.id).collect::<Vec<_>>(), [kept[2].id]);
    }

    async fn usage_is_over_all_of_ones_own_projects(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        let eve = Desk::of(&store, "eve").await;
        for (number, desk) in [(1, &desk), (2, &desk), (9, &other), (70, &eve)] {
            ended(&store, desk, number, (RunStatus::Completed, 1), draft(desk, "use")).await;
        }
        desk.put(&store, FileArea::Drive, "a.md").await;
        other.put(&store, FileArea::Drive, "a.md").await;
        eve.put(&store, FileArea::Drive, "a.md").await;
        let mut conn = reading(&store).await;
        let all = Past::default();
        let total = history::audit(&mut conn, &desk.viewer, &all).await.expect("an audit");
        assert_eq!((total.run_count.get(), total.output_tokens.get()), (3, 12));
        let projects = history::audit_by_project(&mut conn, &desk.viewer, &all, 10).await.expect("groups");
        let tokens: Vec<_> = projects.iter().map(|(project, audit)| (*project, audit.output_tokens.get())).collect();
        assert_eq!(tokens, [(desk.project.id, 3), (other.project.id, 9)], "the first read more");
        let top = history::audit_by_project(&mut conn, &desk.viewer, &all, 1).await.expect("groups");
        assert_eq!(top, projects[..1]);
        assert_eq!(history::stored_bytes(&mut conn, &desk.viewer).await.expect("bytes"), 14);
        // A project that is being deleted is not there any more.
        drop(conn);
        let mark = "update project set deleting_at = updated_at where id = $1";
        change(&store, mark, vec![other.project.id.0]).await.expect("the project is being deleted");
        let mut conn = reading(&store).await;
        assert_eq!(history::audit(&mut conn, &desk.viewer, &all).await.expect("an audit").run_count.get(), 2);
        assert_eq!(history::stored_bytes(&mut conn, &desk.viewer).await.expect("bytes"), 7);
    }

    async fn the_past_of_others_adds_up_to_nothing(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let run = ended(&store, &desk, 1, (RunStatus::Completed, 1), draft(&desk, "mine")).await;
        desk.put(&store, FileArea::Drive, "a.md").await;
        let eve = viewer(&store, "eve").await;
        let mut conn = reading(&store).await;
        let days = days(zone("UTC").expect("a zone"), run.created_at, run.created_at).expect("a day");
        for past in [past(&desk, RunFilter::default()), Past::default()] {
            assert_eq!(history::audit(&mut conn, &eve, &past).await.expect("an audit"), Audit::default());
            assert!(history::audit_by(&mut conn, &eve, &past, Common::Status).await.expect("groups").is_empty());
            assert_eq!(history::audit_by_day(&mut conn, &eve, &past, &days).await.expect("groups"), [Audit::default()]);
            assert_eq!(history::span(&mut conn, &eve, &past).await.expect("a read"), None);
            assert!(history::audit_by_project(&mut conn, &eve, &past, 10).await.expect("groups").is_empty());
        }
        assert_eq!(history::stored_bytes(&mut conn, &eve).await.expect("bytes"), 0);
    }

    async fn the_record_of_a_run_does_not_change_and_goes_with_the_run(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let run = ended(&store, &desk, 1, (RunStatus::Completed, 1), draft(&desk, "kept")).await;
        let forged = "update ended_run set input_tokens = 0 where id = $1";
        assert!(change(&store, forged, vec![run.id.0]).await.is_err(), "it does not change");
        let mark = "update project set deleting_at = updated_at where id = $1";
        change(&store, mark, vec![desk.project.id.0]).await.expect("the project is being deleted");
        change(&store, "delete from run_model where run_id = $1", vec![run.id.0]).await.expect("its usage goes");
        change(&store, "delete from run_event where run_id = $1", vec![run.id.0]).await.expect("its events go");
        change(&store, "delete from run where id = $1", vec![run.id.0]).await.expect("it goes");
        for gone in ["delete from ended_run where id = $1", "delete from run_search where run_id = $1"] {
            assert_eq!(change(&store, gone, vec![run.id.0]).await.expect("an answer"), 0, "nothing was left: {gone}");
        }
    }
}

/// Takes a database back to the time before its runs were recorded, and opens it again.
async fn runs_of_before_are_recorded_when_the_database_is_opened(location: Location) {
    let store = Store::open(&location).await.expect("a new database");
    let desk = Desk::of(&store, "ada").await;
    for number in 1..=450 {
        let answering = Run { answer: Some(format!("ANTWORT Nr. {number}")), ..draft(&desk, "Straße") };
        ended(&store, &desk, number, (RunStatus::Completed, number), answering).await;
    }
    let lease = {
        let running = Run { number: UInt53::from(451_u64), ..draft(&desk, "STRASSE") };
        unit!(store, [running] tx => run::insert(tx, &running).await).expect("a run");
        claim(&store, "worker").await.expect("a lease")
    };
    let all = past(&desk, RunFilter::default());
    let before = history::audit(&mut reading(&store).await, &desk.viewer, &all).await.expect("an audit");
    for undo in [
        "drop table run_search",
        "drop table ended_run",
        "drop table unrecorded_run",
        "drop index run_list",
        "create index run_by_project on run (user_id, project_id, id)",
        "delete from _sqlx_migrations where version = 4",
    ] {
        change(&store, undo, vec![]).await.expect(undo);
    }
    store.close().await;

    // Several processes share PostgreSQL, and may come up at once.
    let processes = if matches!(location, Location::Postgres(_)) { 3 } else { 1 };
    let mut opened = join_all((0..processes).map(|_| Store::open(&location))).await;
    let store = opened.remove(0).expect("it opens");
    for other in opened {
        other.expect("it opens at the same time").close().await;
    }
    let after = history::audit(&mut reading(&store).await, &desk.viewer, &all).await.expect("an audit");
    assert_eq!((after.clone(), after.run_count.get()), (before, 450));
    assert_eq!(found(&store, &desk, "strasse\nantwort nr. 449").await, [449]);
    let (of, text) = ([RunsOf::Project(desk.project.id)], Some("straße".to_owned()));
    let counts =
        run::counts(&mut reading(&store).await, &desk.viewer, &of, &RunFilter { text, ..RunFilter::default() }).await;
    assert_eq!(counts.expect("counts"), [451], "the running one too");
    assert_eq!(change(&store, "delete from unrecorded_run", vec![]).await.expect("an answer"), 0);
    super::fixture::end(&store, &lease, RunStatus::Failed).await.expect("the run that went on ends");
    let ended = history::audit(&mut reading(&store).await, &desk.viewer, &all).await.expect("an audit");
    assert_eq!(ended.run_count.get(), 451);
    store.close().await;
}

#[tokio::test]
async fn runs_of_before_are_recorded_on_sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    runs_of_before_are_recorded_when_the_database_is_opened(sqlite_in(&folder)).await;
}

#[tokio::test]
async fn runs_of_before_are_recorded_on_postgres() {
    let Some(database) = postgres::database().await else { return };
    runs_of_before_are_recorded_when_the_database_is_opened(Location::Postgres(database.url.clone())).await;
    database.remove().await;
}
