//! SQLite's one writer, with group commit.
//!
//! Units queue here. The writer takes what is queued into one `BEGIN IMMEDIATE` transaction, each unit in a savepoint of its
//! own, and acknowledges them after the COMMIT. A unit that fails is rolled back to its savepoint and harms no other. If the
//! transaction itself fails, its units are tried again one by one, so that only the culprit fails.

use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, Sqlite, pool::PoolConnection};

use super::{
    Conn, LOCKED, Tx,
    queue::{Inbox, Queue},
    unit::{Job, Pending, execute},
};
use crate::error::{Error, Kind, Result};

/// The most units in one transaction: bounds how long the first of them waits for the last.
const BATCH: usize = 512;

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(Queue<Box<dyn Pending>>);

impl Writer {
    /// Starts the writer on the only connection that writes.
    pub(super) fn start(connection: PoolConnection<Sqlite>) -> Self {
        let (queue, inbox) = Queue::new();
        tokio::spawn(drain(Tx::over(Conn::Sqlite(connection)), inbox));
        Self(queue)
    }

    pub(super) async fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        let (job, answer) = Job::new(unit);
        self.0.ask(Box::new(job), answer).await
    }

    /// Finishes what is queued, then stops.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

async fn drain(mut tx: Tx, mut inbox: Inbox<Box<dyn Pending>>) {
    let mut cramped = false;
    while let Some(units) = inbox.next(BATCH).await {
        if cramped && !units.is_empty() {
            make_room(&mut tx).await;
        }
        let was_cramped = std::mem::replace(&mut cramped, commit(&mut tx, units).await);
        if cramped && !was_cramped {
            tracing::warn!("there is no space for the database");
        }
    }
    let _closing = inbox.shut();
    if let Conn::Sqlite(connection) = tx.conn
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the database was not closed cleanly");
    }
}

/// How a transaction failed.
enum Failure {
    /// It never began, which is no unit's fault: somebody else holds the database's lock, or the disk is away.
    NotBegun(Error),
    /// Nothing of it is there.
    Undone(Error),
}

/// Commits the units, or tells each what came of it; says whether there is no space for more.
async fn commit(tx: &mut Tx, mut units: Vec<Box<dyn Pending>>) -> bool {
    if units.is_empty() {
        return false;
    }
    let error = match transaction(tx, &mut units).await {
        Ok(()) => {
            units.into_iter().for_each(Pending::acknowledge);
            return false;
        }
        // Not one by one: each would wait for the lock as long as all of them have, and so would all that queue behind.
        Err(Failure::NotBegun(error)) => {
            for unit in units {
                unit.fail(error.clone());
            }
            return false;
        }
        Err(Failure::Undone(error)) => error,
    };
    let cramped = error.lacks_space() && !make_room(tx).await;
    if units.len() == 1 && (cramped || !error.lacks_space()) {
        for unit in units {
            unit.fail(error.clone());
        }
        return cramped;
    }
    let mut units = units.into_iter();
    while let Some(mut unit) = units.next() {
        match transaction(tx, std::slice::from_mut(&mut unit)).await {
            Ok(()) => unit.acknowledge(),
            Err(Failure::Undone(error)) => unit.fail(error),
            // Nor does each of the rest wait for a lock that is there now.
            Err(Failure::NotBegun(error)) => {
                for unit in std::iter::once(unit).chain(units.by_ref()) {
                    unit.fail(error.clone());
                }
            }
        }
    }
    cramped
}

/// Writes the log into the file and gives its space back; says whether that could be done. The log becomes long before SQLite does
/// that by itself, and says most things many times, so there is room in it. When the disk is all full the file cannot grow
/// either; then it is tried again before each transaction, and a little that is freed elsewhere is enough.
async fn make_room(tx: &mut Tx) -> bool {
    let Conn::Sqlite(connection) = &mut **tx else { return false };
    let connection = &mut **connection;
    let made = async {
        // Who reads or locks just now is not waited for.
        sqlx::query("pragma busy_timeout = 0").execute(&mut *connection).await?;
        let made = sqlx::query("pragma wal_checkpoint(truncate)").execute(&mut *connection).await;
        let wait = format!("pragma busy_timeout = {}", LOCKED.as_millis());
        sqlx::query(AssertSqlSafe(wait)).execute(&mut *connection).await?;
        made
    };
    match made.await {
        // Somebody who reads an old state holds the log back: that is no want of space.
        Ok(_) => true,
        Err(error) => {
            tracing::debug!(%error, "the database's log cannot be written into its file");
            false
        }
    }
}

/// One transaction over all the units; an error is the transaction's, not a unit's.
async fn transaction(tx: &mut Tx, units: &mut [Box<dyn Pending>]) -> Result<(), Failure> {
    execute(tx, "begin immediate").await.map_err(|error| Failure::NotBegun(locked(error)))?;
    let outcome = async {
        for unit in &mut *units {
            execute(tx, "savepoint unit").await?;
            if let Err(error) = unit.run(tx).await {
                // When the disk is full or away, SQLite rolls all of it back by itself, and there is no savepoint any more.
                execute(tx, "rollback to unit").await.map_err(|_| error)?;
            }
            execute(tx, "release unit").await?;
        }
        execute(tx, "commit").await
    }
    .await;
    if outcome.is_err() {
        // SQLite may have rolled back by itself, and then there is nothing to roll back.
        let _ = execute(tx, "rollback").await;
    }
    outcome.map_err(Failure::Undone)
}

/// This is the only writer here, so what it waited for in vain is another program's lock, not the callers' haste.
fn locked(error: Error) -> Error {
    if error.kind() != Kind::Busy {
        return error;
    }
    Error::new(Kind::Unavailable, "Another program has locked the database. Try again when it is done.").because(error)
}
