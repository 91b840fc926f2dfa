//! Units of writing, and opening and closing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use workroom::{
    clock,
    error::{Error, Kind, Result},
    model::user::UserRole,
    store::{Conn, Location, Store, secret, user},
};

use super::fixture::{raw, reading, unit};
use crate::support::on_both;

/// How many rows `secret` has.
async fn secrets(store: &Store) -> i64 {
    let count = "select count(*) from secret";
    match &mut reading(store).await {
        Conn::Sqlite(connection) => sqlx::query_scalar(count).fetch_one(&mut **connection).await,
        Conn::Postgres(connection) => sqlx::query_scalar(count).fetch_one(&mut **connection).await,
    }
    .expect("a count")
}

async fn keep(store: &Store, name: String) -> Result<Vec<u8>> {
    unit!(store, [name] tx => secret::ensure(tx, &name, b"x").await)
}

const ORPHAN: &str =
    "insert into token (id, user_id, hash, created_at) values ($1, $2, $3, '2026-01-01T00:00:00+00:00')";

on_both! {
    async fn a_failing_unit_harms_no_other(store: Store) {
        let units = (0..50).map(|number| {
            let store = store.clone();
            async move {
                unit!(store, [] tx => {
                    secret::ensure(tx, &format!("secret {number}"), b"x").await?;
                    match number {
                        7 => Err(Error::conflict("refused")),
                        8 => panic!("a bug in a unit"),
                        // A statement that fails in the database.
                        9 => raw(tx, "insert into secret (name, value) values (null, null)", &[]).await.map(|_| ()),
                        _ => Ok(()),
                    }
                })
            }
        });
        let outcomes = futures_util::future::join_all(units).await;
        let failed: Vec<_> = (0..).zip(&outcomes).filter(|(_, outcome)| outcome.is_err()).map(|(number, _)| number).collect();
        assert_eq!(failed, [7, 8, 9]);
        assert_eq!(outcomes[7].as_ref().expect_err("refused").kind(), Kind::Conflict);
        assert_eq!(outcomes[8].as_ref().expect_err("a bug").kind(), Kind::Internal);
        assert_eq!(secrets(&store).await, 47, "the failed ones left nothing");
    }

    async fn a_unit_that_breaks_the_commit_fails_alone(store: Store) {
        let units = (0..30).map(|number| {
            let store = store.clone();
            async move {
                unit!(store, [] tx => {
                    if number == 11 {
                        // The row has no user, and on SQLite that is looked at only when all is committed.
                        if matches!(**tx, Conn::Sqlite(_)) {
                            raw(tx, "pragma defer_foreign_keys = on", &[]).await?;
                        }
                        raw(tx, ORPHAN, &[clock::new_id(), clock::new_id(), clock::new_id()]).await?;
                    }
                    secret::ensure(tx, &format!("secret {number}"), b"x").await
                })
            }
        });
        let outcomes = futures_util::future::join_all(units).await;
        let failed: Vec<_> = (0..).zip(&outcomes).filter(|(_, outcome)| outcome.is_err()).map(|(number, _)| number).collect();
        assert_eq!(failed, [11]);
        assert_eq!(secrets(&store).await, 29);
    }

    /// PostgreSQL answers the COMMIT of a failed transaction with a quiet ROLLBACK. Nobody may take that for a success.
    async fn an_acknowledged_unit_is_there(store: Store) {
        let outcome = unit!(store, [] tx => {
            secret::ensure(tx, "kept?", b"x").await?;
            // A careless unit: it does not look at this failure.
            let _ = raw(tx, "insert into secret (name, value) values (null, null)", &[]).await;
            Ok(())
        });
        assert_eq!(secrets(&store).await, i64::from(outcome.is_ok()));
    }

    async fn a_unit_runs_to_its_end_when_its_caller_goes_away(store: Store) {
        let begun = Arc::new(tokio::sync::Notify::new());
        let caller = {
            let (store, begun) = (store.clone(), Arc::clone(&begun));
            tokio::spawn(async move {
                unit!(store, [begun] tx => {
                    begun.notify_one();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    secret::ensure(tx, "left behind", b"x").await
                })
            })
        };
        begun.notified().await;
        caller.abort();
        assert!(caller.await.is_err(), "the caller has gone");
        for _ in 0..200 {
            if secrets(&store).await == 1 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the unit did not run to its end");
    }

    async fn units_that_read_and_then_write_lose_nothing(store: Store) {
        unit!(store, [] tx => secret::ensure(tx, "counter", &[0]).await).expect("a secret");
        let counters = (0..64).map(|_| {
            let store = store.clone();
            async move {
                unit!(store, [] tx => {
                    // Whoever changes the row first holds it; what is read after that stays true.
                    raw(tx, "update secret set value = value where name = 'counter'", &[]).await?;
                    let count = secret::ensure(tx, "counter", &[]).await?[0];
                    tokio::task::yield_now().await;
                    let next = format!("x'{:02x}'", count + 1);
                    let value = if matches!(**tx, Conn::Sqlite(_)) { next } else { format!("'\\x{:02x}'", count + 1) };
                    raw(tx, &format!("update secret set value = {value} where name = 'counter'"), &[]).await
                })
            }
        });
        assert!(futures_util::future::join_all(counters).await.into_iter().all(|outcome| outcome.is_ok()));
        let counted = unit!(store, [] tx => secret::ensure(tx, "counter", &[]).await).expect("a secret");
        assert_eq!(counted, [64]);
    }

    async fn a_unit_sees_its_own_writes_and_nobody_sees_an_open_one(store: Store) {
        let outside = store.clone();
        unit!(store, [outside] tx => {
            secret::ensure(tx, "mine", b"x").await?;
            assert_eq!(secret::ensure(tx, "mine", b"y").await?, b"x");
            assert_eq!(secrets(&outside).await, 0);
            Ok(())
        })
        .expect("the unit");
        assert_eq!(secrets(&store).await, 1);
    }

    async fn a_lost_race_is_run_again(store: Store) {
        let attempts = Arc::new(AtomicUsize::new(0));
        let outcome: Result<()> = unit!(store, [attempts] tx => {
            secret::ensure(tx, "once", b"x").await?;
            if attempts.fetch_add(1, Ordering::Relaxed) == 0 && matches!(**tx, Conn::Postgres(_)) {
                return Err(Error::new(Kind::Busy, "another was quicker"));
            }
            Ok(())
        });
        outcome.expect("the second attempt succeeds");
        assert_eq!(secrets(&store).await, 1);
    }

    async fn a_closed_store_says_so(store: Store) {
        store.ping().await.expect("an open store answers");
        let late = store.clone();
        let ((), written) = tokio::join!(store.close(), async { keep(&late, "during".into()).await });
        if let Err(error) = written {
            assert_eq!(error.kind(), Kind::Unavailable);
        }
        for error in [keep(&store, "after".into()).await.map(|_| ()), store.ping().await] {
            assert_eq!(error.expect_err("the store is closed").kind(), Kind::Unavailable);
        }
        store.close().await;
    }

    async fn what_is_queued_is_done_before_the_store_closes(store: Store) {
        let engine = store.engine();
        let writes = futures_util::future::join_all((0..20).map(|number| keep(&store, format!("secret {number}"))));
        // The first poll of each write queues it; only then is the close asked for.
        let (outcomes, ()) = tokio::join!(writes, store.close());
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert!(engine != "SQLite" || done == 20, "{done} of 20 were done");
        let refused = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        // PostgreSQL has no queue of ours: a unit that has no connection yet is refused.
        assert!(refused.into_iter().all(|error| error.kind() == Kind::Unavailable));
    }
}

#[tokio::test]
async fn units_are_group_committed() {
    let (store, folder) = crate::support::sqlite().await;
    // While the first unit is held, the others queue; they share one commit, which is one frame of each page they touch.
    let (release, gate) = tokio::sync::oneshot::channel::<()>();
    let gate = Arc::new(tokio::sync::Mutex::new(Some(gate)));
    let first = {
        let (store, gate) = (store.clone(), Arc::clone(&gate));
        tokio::spawn(async move {
            unit!(store, [gate] tx => {
                if let Some(gate) = gate.lock().await.take() {
                    let _ = gate.await;
                }
                secret::ensure(tx, "first", b"x").await
            })
        })
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let log = folder.path().join("workroom.db-wal");
    let before = std::fs::metadata(&log).expect("a log").len();
    let others = futures_util::future::join_all((0..200).map(|number| keep(&store, format!("s{number}"))));
    let (outcomes, ()) = tokio::join!(others, async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        release.send(()).expect("the first unit waits");
    });
    assert!(outcomes.iter().all(Result::is_ok));
    first.await.expect("no panic").expect("the first unit");
    let grown = (std::fs::metadata(&log).expect("a log").len() - before) / 4096;
    assert!(grown < 40, "201 units took {grown} pages of log");
    store.close().await;
}

#[tokio::test]
async fn a_closed_sqlite_database_leaves_one_whole_file() {
    let (store, folder) = crate::support::sqlite().await;
    unit!(store, [] tx => user::ensure(tx, "ada", UserRole::User, clock::now()).await).expect("a user");
    store.ping().await.expect("a reader");
    store.close().await;
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).expect("the folder").flatten().map(|file| file.file_name()).collect();
    assert_eq!(files, ["workroom.db"], "nothing is left in a log");
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("a file");
    let nowhere = Location::Sqlite(folder.path().join("file/workroom.db"));
    assert_eq!(Store::open(&nowhere).await.err().map(|error| error.kind()), Some(Kind::Unavailable));
    let nobody = "postgres://postgres@127.0.0.1:1/workroom".parse().expect("a location");
    assert_eq!(Store::open(&nobody).await.err().map(|error| error.kind()), Some(Kind::Unavailable));
}
