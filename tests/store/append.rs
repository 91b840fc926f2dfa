//! Appending to timelines: each append as if it were alone, whichever others it shares a transaction with.

use std::{
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all, poll};
use sqlx::AssertSqlSafe;
use tokio::sync::oneshot;
use workroom::{
    clock,
    error::{Kind, Result},
    model::{
        event::{AgentMessage, EventBody, RunCompleted, UsageRecorded},
        run::TokenUsage,
        scope::{RunLease, Sweep, Viewer},
    },
    store::{
        Conn, Location, Store,
        event::{self, Append},
        lease, run,
        turn::{self, Turn},
    },
    timeline,
};

use super::fixture::{Desk, first, raw, reading, unit, viewer};
use crate::support::{
    on_both, on_postgres,
    postgres::database,
    proxy::{Cut, Proxy},
};

/// So many messages.
fn says(lease: RunLease, texts: &[&str]) -> Append {
    let say = |text: &&str| AgentMessage { text: (*text).to_owned(), is_final: false }.into();
    Append { lease, after: None, at: clock::now(), bodies: texts.iter().map(say).collect(), turn: None }
}

/// The same, and a model consumed tokens first.
fn consuming(mut append: Append) -> Append {
    append.bodies.insert(0, UsageRecorded { model: "m".into(), usage: tokens() }.into());
    append
}

/// A turn with all that belongs to it.
fn takes_a_turn(lease: RunLease, index: i64) -> Append {
    let turn = Some(Turn { index, version: 1, record: format!("{{\"turn\":{index}}}") });
    Append { turn, ..consuming(says(lease, &["a", "b"])) }
}

fn tokens() -> TokenUsage {
    TokenUsage {
        input_tokens: 7_u64.into(),
        cached_input_tokens: 5_u64.into(),
        output_tokens: 3_u64.into(),
        reasoning_tokens: 1_u64.into(),
    }
}

/// Runs that a worker holds, each in a project of its own.
async fn running(store: &Store, viewer: &Viewer, count: usize) -> Vec<RunLease> {
    let mut leases = Vec::new();
    for _ in 0..count {
        leases.push(Desk::another(store, viewer).await.start(store).await);
    }
    leases
}

/// Gives the run of a lease to another worker.
async fn taken_over(store: &Store, lease: &RunLease) -> RunLease {
    let all = lease::watch(&mut reading(store).await, &Sweep::new()).await.expect("a read");
    let seen = all.into_iter().find(|seen| seen.id == lease.run_id()).expect("it is running");
    unit!(store, [seen] tx => lease::take_over(tx, &seen, "second").await).expect("an answer").expect("free")
}

/// The sequences and texts of a run's messages.
async fn told(store: &Store, viewer: &Viewer, lease: &RunLease) -> Vec<(i64, String)> {
    let page =
        event::page(&mut reading(store).await, viewer, lease.run_id(), None, &first(5_000)).await.expect("a page");
    let text = |body: &EventBody| match body {
        EventBody::AgentMessage(message) => message.text.clone(),
        EventBody::UsageRecorded(usage) => usage.model.clone(),
        other => panic!("{other:?}"),
    };
    page.items.iter().map(|event| (event.sequence.get(), text(&event.body))).collect()
}

/// A number that PostgreSQL is asked for.
async fn number(store: &Store, statement: &str) -> i64 {
    let Conn::Postgres(connection) = &mut reading(store).await else { panic!("only PostgreSQL is asked") };
    let statement = AssertSqlSafe(statement.to_owned());
    sqlx::query_scalar(statement).fetch_one(&mut **connection).await.expect("a number")
}

/// A transaction that runs a statement and then stays open until it is told to end, or until what it is told with is dropped.
async fn held(store: &Store, statement: String) -> (oneshot::Sender<()>, tokio::task::JoinHandle<Result<()>>) {
    let (release, gate) = oneshot::channel::<()>();
    let (begun, begins) = oneshot::channel();
    let hands = Arc::new(Mutex::new(Some((gate, begun))));
    let store = store.clone();
    let holder = tokio::spawn(async move {
        unit!(store, [hands, statement] tx => {
            raw(tx, &statement, &[]).await?;
            let taken = hands.lock().expect("nobody panics with it").take();
            if let Some((gate, begun)) = taken {
                let _ = begun.send(());
                let _ = gate.await;
            }
            Ok(())
        })
    });
    begins.await.expect("the transaction holds what it locked");
    (release, holder)
}

on_both! {
    async fn a_lost_and_a_refused_append_harm_no_other(store: Store) {
        let ada = viewer(&store, "ada").await;
        let leases = running(&store, &ada, 50).await;
        let later = taken_over(&store, &leases[7]).await;
        let earlier = Turn { index: 0, version: 1, record: "{}".into() };
        let refused = leases[8];
        unit!(store, [earlier] tx => turn::insert(tx, &refused, &earlier).await).expect("a turn");

        let appends = leases.iter().map(|lease| timeline::append::commit(&store, takes_a_turn(*lease, 0)));
        let outcomes = join_all(appends).await;
        for (number, (lease, outcome)) in leases.iter().zip(outcomes).enumerate() {
            let told = told(&store, &ada, lease).await;
            let mut conn = reading(&store).await;
            let turns = turn::all(&mut conn, lease).await.expect("a read");
            let models = run::models(&mut conn, &ada, &[lease.run_id()]).await.expect("a read");
            let run = run::get(&mut conn, &ada, lease.run_id()).await.expect("a read").expect("the run");
            if let 7 | 8 = number {
                let kind = if number == 7 { Kind::Expired } else { Kind::Internal };
                assert_eq!(outcome.expect_err("lost or refused").kind(), kind, "{number}");
                assert_eq!((told, run.last_sequence.get(), run.usage), (vec![], 0, TokenUsage::default()), "{number}");
                assert!(models.is_empty(), "{number}: {models:?}");
                assert_eq!(turns.len(), usize::from(number == 8));
            } else {
                assert_eq!(outcome.expect("appended"), 3);
                let all = vec![(1, "m".into()), (2, "a".into()), (3, "b".into())];
                assert_eq!((told, run.last_sequence.get()), (all, 3), "{number}");
                assert_eq!((run.usage, turns), (tokens(), vec![(1, "{\"turn\":0}".into())]));
                assert_eq!(models.into_iter().map(|usage| (usage.model, usage.usage)).collect::<Vec<_>>(), [("m".into(), tokens())]);
            }
        }
        let after = timeline::append::commit(&store, says(later, &["c"])).await;
        assert_eq!(after.expect("the later holder's"), 1);
    }

    async fn appends_of_one_run_are_dense_and_whole(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        // More than one batch takes, by number and by size.
        let long = "x".repeat(10_000);
        let texts = |index: i64| -> Vec<String> {
            ["a", "b", &long].iter().take(usize::try_from(index).expect("few") % 4).map(|text| format!("{index} {text}")).collect()
        };
        let turns = join_all((0..300).map(|index| {
            let texts = texts(index);
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            store.append(Append { turn: takes_a_turn(lease, index).turn, ..consuming(says(lease, &texts)) })
        }));
        let lasts: Vec<i64> = turns.await.into_iter().map(|last| last.expect("kept").expect("the lease is held")).collect();
        // Each where it was told that it is, whichever was queued first.
        let told = told(&store, &desk.viewer, &lease).await;
        for (index, last) in (0..).zip(lasts) {
            let texts = texts(index);
            let end = usize::try_from(last).expect("small");
            assert!(told[end - texts.len()..end].iter().map(|(_, text)| text).eq(&texts), "{index}");
        }
        assert!(told.iter().map(|(sequence, _)| *sequence).eq(1..=750));
        let mut conn = reading(&store).await;
        assert_eq!(turn::all(&mut conn, &lease).await.expect("a read").len(), 300);
        let sum = (1..300).fold(tokens(), |sum, _| sum.plus(&tokens()));
        assert_eq!(lease::run_of(&mut conn, &lease).await.expect("a read").expect("the run").usage, sum);
        let models = run::models(&mut conn, &desk.viewer, &[lease.run_id()]).await.expect("a read");
        assert_eq!(models.into_iter().map(|usage| usage.usage).collect::<Vec<_>>(), [sum]);
    }

    async fn of_two_holders_at_once_one_appends(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let earlier = desk.start(&store).await;
        let later = taken_over(&store, &earlier).await;
        let appends = (0..40).map(|number| store.append(says(if number % 2 == 0 { earlier } else { later }, &["a", "b"])));
        let outcomes: Vec<_> = join_all(appends).await.into_iter().map(|outcome| outcome.expect("an answer")).collect();
        assert!(outcomes.iter().step_by(2).all(Option::is_none), "{outcomes:?}");
        let mut lasts: Vec<i64> = outcomes.into_iter().flatten().collect();
        lasts.sort_unstable();
        assert!(lasts.into_iter().eq((1..=20).map(|number| number * 2)));
        assert_eq!(told(&store, &desk.viewer, &later).await.len(), 40);
    }

    async fn an_append_of_nothing_is_a_fence(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let earlier = desk.start(&store).await;
        assert_eq!(store.append(says(earlier, &["a"])).await.expect("an answer"), Some(1));
        assert_eq!(store.append(says(earlier, &[])).await.expect("an answer"), Some(1));
        taken_over(&store, &earlier).await;
        assert_eq!(store.append(says(earlier, &[])).await.expect("an answer"), None);
    }

    async fn the_end_of_a_run_does_not_come_by_an_append(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let end = Append { bodies: vec![RunCompleted { answer: "42".into() }.into()], ..says(lease, &[]) };
        let refused = timeline::append::commit(&store, end).await;
        assert_eq!(refused.expect_err("refused").kind(), Kind::Internal);
        assert_eq!(told(&store, &desk.viewer, &lease).await, []);
    }

    async fn what_is_queued_is_appended_before_the_store_closes(store: Store) {
        let ada = viewer(&store, "ada").await;
        let leases = running(&store, &ada, 20).await;
        let appends = join_all(leases.iter().map(|lease| store.append(says(*lease, &["a"]))));
        // The first poll of each append queues it; only then is the close asked for.
        let (outcomes, ()) = tokio::join!(appends, store.close());
        for outcome in outcomes {
            assert_eq!(outcome.expect("done"), Some(1));
        }
        let late = store.append(says(leases[0], &["b"])).await;
        assert_eq!(late.expect_err("the store is closed").kind(), Kind::Unavailable);
    }
}

#[tokio::test]
async fn a_run_that_somebody_holds_delays_no_other() {
    on_postgres(|store| async move {
        let ada = viewer(&store, "ada").await;
        let leases = running(&store, &ada, 20).await;
        let touch = format!("update run set prompt = prompt where id = '{}'", leases[3].run_id().0);
        let (release, holder) = held(&store, touch).await;
        let mut waiting = Vec::new();
        for text in ["a", "b"] {
            let append = says(leases[3], &[text]);
            let store = store.clone();
            waiting.push(tokio::spawn(async move { store.append(append).await }));
        }
        for round in 1..=3 {
            let others = leases.iter().filter(|lease| **lease != leases[3]);
            for outcome in join_all(others.map(|lease| store.append(says(*lease, &["c"])))).await {
                assert_eq!(outcome.expect("kept"), Some(round));
            }
        }
        assert!(waiting.iter().all(|append| !append.is_finished()), "its run is held");
        assert_eq!(told(&store, &ada, &leases[3]).await, []);
        release.send(()).expect("the holder waits");
        holder.await.expect("no panic").expect("the holder's own change");
        let mut lasts = Vec::new();
        for append in waiting {
            lasts.push(append.await.expect("no panic").expect("kept").expect("the lease is held"));
        }
        lasts.sort_unstable();
        assert_eq!(lasts, [1, 2]);
        assert_eq!(told(&store, &ada, &leases[3]).await.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn runs_that_somebody_holds_leave_connections_to_others() {
    on_postgres(|store| async move {
        let ada = viewer(&store, "ada").await;
        let leases = running(&store, &ada, 30).await;
        let (release, holder) = held(&store, "update run set prompt = prompt".into()).await;
        let waiting: Vec<_> = leases
            .iter()
            .map(|lease| {
                let (store, append) = (store.clone(), says(*lease, &["a"]));
                tokio::spawn(async move { store.append(append).await })
            })
            .collect();
        while number(
            &store,
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock' \
            and datname = current_database()",
        )
        .await
            < 4
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(join_all((0..15).map(|_| reading(&store))).await.len(), 15);
        release.send(()).expect("the holder waits");
        holder.await.expect("no panic").expect("the holder's own change");
        for append in waiting {
            assert_eq!(append.await.expect("no panic").expect("kept"), Some(1));
        }
    })
    .await;
}

#[tokio::test]
async fn appends_that_wait_for_a_batch_are_one_transaction() {
    on_postgres(|store| async move {
        let ada = viewer(&store, "ada").await;
        let leases = running(&store, &ada, 52).await;
        // The first batch is about a turn, and waits for the table of the turns.
        let (release, holder) = held(&store, "lock table run_turn in access exclusive mode".into()).await;
        let mut first = pin!(store.append(takes_a_turn(leases[0], 0)));
        assert!(poll!(&mut first).is_pending());
        let waits = "select count(*) from pg_locks join pg_database on pg_database.oid = database
            where datname = current_database() and not granted";
        while number(&store, waits).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // The first poll of an append queues it. The last caller does not wait for the answer.
        let mut others: Vec<_> =
            leases[1..].iter().map(|lease| store.append(says(*lease, &["a", "b"])).boxed()).collect();
        for append in &mut others {
            assert!(poll!(append).is_pending());
        }
        others.pop();
        release.send(()).expect("the holder waits");
        holder.await.expect("no panic").expect("the holder's own change");
        for outcome in join_all(others).await {
            assert_eq!(outcome.expect("kept"), Some(2));
        }
        assert_eq!(first.await.expect("kept"), Some(3));
        assert_eq!(number(&store, "select count(distinct run_id) from run_event").await, 52);
        assert_eq!(number(&store, "select count(distinct xmin::text) from run_event").await, 2, "two transactions");
    })
    .await;
}

#[tokio::test]
async fn an_append_is_not_made_twice_when_the_connection_breaks() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url).await;
    let store = Store::open(&Location::Postgres(proxy.url.clone())).await.expect("the database opens");
    let desk = Desk::of(&store, "ada").await;
    let lease = desk.start(&store).await;
    let texts = async || -> Vec<String> {
        told(&store, &desk.viewer, &lease).await.into_iter().map(|(_, text)| text).collect()
    };

    proxy.cut(Cut::Unheard("insert into run_event"));
    assert_eq!(store.append(says(lease, &["a"])).await.expect("it was undone, and is tried again"), Some(1));
    assert!(!proxy.is_whole());

    proxy.cut(Cut::Unanswered("; commit", "COMMIT"));
    let unknown = store.append(says(lease, &["b"])).await;
    assert_eq!(unknown.expect_err("nobody can know").kind(), Kind::Unavailable);
    assert_eq!(texts().await, ["a", "b"]);

    proxy.cut(Cut::Unheard("; commit"));
    let unknown = store.append(says(lease, &["c"])).await;
    assert_eq!(unknown.expect_err("nobody can know").kind(), Kind::Unavailable);
    assert_eq!(texts().await, ["a", "b"]);

    assert_eq!(store.append(says(lease, &["d"])).await.expect("the next one is as good as ever"), Some(3));
    assert_eq!(texts().await, ["a", "b", "d"]);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_given_up() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url).await;
    let limit = Duration::from_secs(1);
    let store = Store::open_impatient(&proxy.url, limit).await.expect("the database opens");
    let ada = viewer(&store, "ada").await;
    let leases = running(&store, &ada, 2).await;
    let (lease, other) = (leases[0], leases[1]);
    let told = async {
        proxy.cut(Cut::Silent("insert into run_event"));
        let (first, behind) = tokio::join!(store.append(says(lease, &["a"])), async {
            while proxy.is_whole() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            store.append(says(other, &["a"])).await
        });
        assert_eq!(first.expect("it was undone, and is tried again"), Some(1));
        assert_eq!(behind.expect("it only waited"), Some(1));

        proxy.cut(Cut::Silent("; commit"));
        let unknown = store.append(says(lease, &["b"])).await;
        assert_eq!(unknown.expect_err("nobody can know").kind(), Kind::Unavailable);
        // The server believes in the connection that fell silent, but not for long in its locks.
        assert_eq!(store.append(says(lease, &["c"])).await.expect("kept"), Some(2));

        proxy.cut(Cut::Silent("lease_counter + 1"));
        let renewed = unit!(store, [] tx => lease::renew(tx, &lease).await);
        assert_eq!(renewed.expect_err("given up").kind(), Kind::Unavailable);
        proxy.cut(Cut::Silent("begin"));
        let append = store.append(says(other, &["b"]));
        let (outcome, ()) = tokio::join!(append, store.close());
        assert_eq!(outcome.expect("it was queued, and is tried again"), Some(2));
    };
    tokio::time::timeout(limit * 20, told).await.expect("nobody waits for ever");
    database.remove().await;
}

#[tokio::test]
async fn whoever_waits_behind_a_batch_without_a_connection_is_told_with_it() {
    let Some(database) = database().await else { return };
    let limit = Duration::from_secs(1);
    let store = Store::open_impatient(&database.url, limit).await.expect("the database opens");
    let ada = viewer(&store, "ada").await;
    let leases = running(&store, &ada, 2).await;
    let all = join_all((0..20).map(|_| reading(&store))).await;
    let mut first = pin!(store.append(says(leases[0], &["a"])));
    assert!(poll!(&mut first).is_pending());
    tokio::time::sleep(limit / 10).await;
    let mut behind = pin!(store.append(says(leases[1], &["a"])));
    assert!(poll!(&mut behind).is_pending());
    assert_eq!(first.await.expect_err("no connection").kind(), Kind::Unavailable);
    let told = tokio::time::timeout(limit / 2, behind).await.expect("it waits no second time");
    assert_eq!(told.expect_err("no connection").kind(), Kind::Unavailable);
    drop(all);
    assert_eq!(store.append(says(leases[0], &["a"])).await.expect("as good as ever"), Some(1));
    store.close().await;
    database.remove().await;
}
