//! SQLite's one writer, with group commit.
//!
//! Units queue here. The writer takes what is queued into one `BEGIN IMMEDIATE` transaction, each unit in a savepoint of its
//! own, and acknowledges them after the COMMIT. A unit that fails is rolled back to its savepoint and harms no other. If the
//! transaction itself fails, its units are tried again one by one, so that only the culprit fails.

use futures_util::future::BoxFuture;
use sqlx::{Sqlite, pool::PoolConnection};

use super::{
    Conn, Tx,
    queue::{Inbox, Queue},
    unit::{Job, Pending, execute},
};
use crate::error::Result;

/// The most units in one transaction: bounds how long the first of them waits for the last.
const BATCH: usize = 512;

/// The way to the writer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Writer(Queue<Box<dyn Pending>>);

impl Writer {
    /// Starts the writer on the only connection that writes.
    pub(super) fn start(connection: PoolConnection<Sqlite>) -> Self {
        let (queue, inbox) = Queue::new();
        tokio::spawn(drain(Tx(Conn::Sqlite(connection)), inbox));
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
    while let Some(units) = inbox.next(BATCH).await {
        commit(&mut tx, units).await;
    }
    let _closing = inbox.shut();
    if let Conn::Sqlite(connection) = tx.0
        && let Err(error) = connection.close().await
    {
        tracing::warn!(%error, "the database was not closed cleanly");
    }
}

async fn commit(tx: &mut Tx, mut units: Vec<Box<dyn Pending>>) {
    if units.is_empty() {
        return;
    }
    let Err(error) = transaction(tx, &mut units).await else {
        units.into_iter().for_each(Pending::acknowledge);
        return;
    };
    let alone = units.len() == 1;
    for mut unit in units {
        if alone {
            unit.fail(error.clone());
        } else {
            match transaction(tx, std::slice::from_mut(&mut unit)).await {
                Ok(()) => unit.acknowledge(),
                Err(error) => unit.fail(error),
            }
        }
    }
}

/// One transaction over all the units; an error is the transaction's, not a unit's.
async fn transaction(tx: &mut Tx, units: &mut [Box<dyn Pending>]) -> Result<()> {
    execute(tx, "begin immediate").await?;
    let outcome = async {
        for unit in &mut *units {
            execute(tx, "savepoint unit").await?;
            if !unit.run(tx).await {
                execute(tx, "rollback to unit").await?;
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
    outcome
}
