//! Sweeping up after projects that are being deleted.

use workroom::{
    clock,
    model::{
        event::{EventBody, RunStarted},
        file::{FileArea, PinnedFile},
        run::RunStatus,
        scope::{RunLease, Sweep},
        uint53::UInt53,
    },
    store::{
        Store,
        deletion::{self, Deleting},
        event,
        idempotency::{self, Keyed},
        lease, project, run, turn,
    },
};

use super::fixture::{Desk, change, ending, raw, reading, unit};
use crate::support::on_both;

async fn mark(store: &Store, desk: &Desk) -> bool {
    let scope = desk.scope;
    unit!(store, [] tx => project::mark_deleting(tx, &scope, clock::now()).await).expect("an answer")
}

async fn rows(store: &Store, desk: &Desk, most: i64) -> i64 {
    let id = desk.project.id;
    unit!(store, [] tx => deletion::rows(tx, &Sweep::new(), id, most).await).expect("rows can go")
}

/// Runs with everything that can hang on one, each a repetition of the one before.
async fn fill(store: &Store, desk: &Desk) {
    let (_, version) = desk.put(store, FileArea::Drive, "a.md").await;
    let mut before = None;
    for number in 0..4 {
        let lease = desk.start(store).await;
        desk.deliver(store, &lease, "brief.md").await;
        let (id, owner) = (lease.run_id(), desk.viewer.user_id());
        unit!(store, [version] tx => {
            let events: Vec<EventBody> = (0..7).map(|_| RunStarted { worker: "w".into() }.into()).collect();
            let append = event::Append { lease, after: None, at: clock::now(), bodies: events, turn: None };
            event::append(tx, &append).await?;
            turn::insert(tx, &lease, &turn::Turn { index: 0, version: 1, record: "{}".into() }).await?;
            lease::add_usage(tx, &lease, "m", &workroom::model::run::TokenUsage::default()).await?;
            let input = PinnedFile { run_id: id, path: "a.md".into(), version_id: version.version_id,
                sha256: String::new(), size: UInt53::default() };
            run::insert_inputs(tx, &[input]).await?;
            let keyed = Keyed { user_id: owner, operation: "startRun", key: format!("key {number}"), fingerprint: vec![] };
            idempotency::claim(tx, &keyed, id.0, clock::now()).await?;
            if let Some(before) = before {
                raw(tx, "update run set rerun_of = $1 where id = $2", &[before, id.0]).await?;
            }
            lease::end(tx, &lease, &ending(RunStatus::Completed)).await
        })
        .expect("a run with all that hangs on it");
        before = Some(id.0);
    }
}

on_both! {
    async fn rows_go_a_few_at_a_time_and_the_projects_own_last(store: Store) {
        let (desk, other) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        fill(&store, &desk).await;
        fill(&store, &other).await;
        assert_eq!(rows(&store, &desk, 5).await, 0, "a project that is not being deleted keeps its rows");
        assert!(deletion::due(&mut reading(&store).await, &Sweep::new(), Deleting::BEFORE_ALL, 10).await.expect("a look").is_empty());
        assert!(mark(&store, &desk).await);
        assert!(!mark(&store, &desk).await, "once");
        let due = deletion::due(&mut reading(&store).await, &Sweep::new(), Deleting::BEFORE_ALL, 10).await.expect("a look");
        assert_eq!(due.iter().map(|due| due.id).collect::<Vec<_>>(), [desk.project.id]);
        let none = deletion::due(&mut reading(&store).await, &Sweep::new(), due[0], 10).await.expect("a look");
        assert!(none.is_empty(), "none comes after the last one");
        let mut all = 0;
        loop {
            let gone = rows(&store, &desk, 3).await;
            assert!(gone <= 3);
            all += gone;
            if gone == 0 {
                break;
            }
        }
        // 4 runs, on each 8 events and 5 other rows with its content; a file with its content, a session.
        assert_eq!(all, 4 * (1 + 8 + 5) + 4 + 2 + 1);
        let id = desk.project.id;
        let mut rounds = 0;
        while !unit!(store, [] tx => deletion::last_rows(tx, &Sweep::new(), id, 5).await).expect("the last rows go") {
            rounds += 1;
        }
        assert!(rounds > 1, "what watchers are told of goes a few at a time, too");
        assert!(deletion::due(&mut reading(&store).await, &Sweep::new(), Deleting::BEFORE_ALL, 10).await.expect("a look").is_empty());
        let left = change(&store, "update project set name = name where id = $1", vec![id.0]).await.expect("an answer");
        assert_eq!(left, 0);
        let spared = other.project.id;
        let done = unit!(store, [] tx => deletion::last_rows(tx, &Sweep::new(), spared, 5).await);
        assert!(done.expect("an answer"), "there is nothing to do");
        let kept = change(&store, "update run set lease_counter = 0 where project_id = $1", vec![spared.0]).await;
        assert_eq!(kept.expect("an answer"), 4, "the other project is whole");
    }

    async fn sweepers_at_once_do_not_trip_over_each_other(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        fill(&store, &desk).await;
        mark(&store, &desk).await;
        let sweeps = futures_util::future::join_all((0..4).map(|_| async {
            let mut all = 0;
            loop {
                match rows(&store, &desk, 4).await {
                    0 => return all,
                    gone => all += gone,
                }
            }
        }));
        assert_eq!(sweeps.await.iter().sum::<i64>(), 4 * (1 + 8 + 5) + 4 + 2 + 1, "each row is counted once");
    }

    async fn a_lease_is_lost_with_its_run(store: Store) {
        let (desk, other) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        let leases = [desk.start(&store).await, other.start(&store).await];
        let lost = async || lease::lost_among(&mut reading(&store).await, &leases).await.expect("a look");
        assert!(lost().await.is_empty());
        let (stranger, run): (_, RunLease) = (other.viewer.user_id(), leases[0]);
        for (owner, last) in [(stranger, None), (desk.viewer.user_id(), Some(1)), (desk.viewer.user_id(), None)] {
            let ending = ending(RunStatus::Cancelled);
            let ended = unit!(store, [ending] tx => lease::end_running(tx, owner, run.run_id(), &ending).await);
            assert_eq!(ended.expect("an answer"), last);
        }
        assert_eq!(lost().await, [run]);
        let renewed = unit!(store, [] tx => lease::renew(tx, &run).await);
        assert!(!renewed.expect("an answer"), "its holder can do nothing with it");
        let append = event::Append { lease: run, after: None, at: clock::now(), bodies: Vec::new(), turn: None };
        assert_eq!(store.append(append).await.expect("an answer"), None);
    }

    async fn the_key_of_what_is_being_deleted_is_free(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let run = desk.finish(&store).await;
        let user_id = desk.viewer.user_id();
        for (operation, subject) in [("createProject", desk.project.id.0), ("startRun", run.id.0)] {
            let keyed = Keyed { user_id, operation, key: "key".into(), fingerprint: vec![1] };
            for (claimed, expected) in [(subject, None), (clock::new_id(), Some(subject))] {
                let before = unit!(store, [keyed] tx => idempotency::claim(tx, &keyed, claimed, clock::now()).await);
                assert_eq!(before.expect("an answer"), expected);
            }
        }
        mark(&store, &desk).await;
        for operation in ["createProject", "startRun"] {
            let keyed = Keyed { user_id, operation, key: "key".into(), fingerprint: vec![2] };
            let next = clock::new_id();
            for (claimed, expected) in [(next, None), (clock::new_id(), Some(next))] {
                let before = unit!(store, [keyed] tx => idempotency::claim(tx, &keyed, claimed, clock::now()).await);
                assert_eq!(before.expect("an answer"), expected, "{operation}");
            }
        }
    }
}
