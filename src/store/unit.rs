//! A unit of writing: run once, or again when its batch failed for somebody else's sake.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::PgPool;
use tokio::sync::oneshot;

use super::{Conn, Tx, sql};
use crate::error::{Error, Kind, Result};

/// Attempts at a unit that lost against another's lock.
const ATTEMPTS: u32 = 6;

/// A unit with its caller behind it, whatever its result's type.
pub(super) trait Pending: Send {
    /// Runs the unit; says whether it succeeded. May be called again, and then the last outcome counts.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool>;
    /// Tells the caller the outcome.
    fn acknowledge(self: Box<Self>);
    /// Tells the caller that the transaction failed.
    fn fail(self: Box<Self>, error: Error);
}

pub(super) struct Job<T, F> {
    unit: F,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Job<T, F> {
    pub(super) fn new(unit: F) -> (Self, oneshot::Receiver<Result<T>>) {
        let (reply, answer) = oneshot::channel();
        (Self { unit, outcome: None, reply }, answer)
    }
}

impl<T, F> Pending for Job<T, F>
where
    T: Send,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Clone + Send,
{
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, bool> {
        async move {
            let outcome = guarded(self.unit.clone(), tx).await;
            let succeeded = outcome.is_ok();
            self.outcome = Some(outcome);
            succeeded
        }
        .boxed()
    }

    fn acknowledge(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // The caller may have stopped waiting; the unit is done all the same.
            let _ = self.reply.send(outcome);
        }
    }

    fn fail(self: Box<Self>, error: Error) {
        let _ = self.reply.send(Err(error));
    }
}

/// A panic in a unit is that unit's failure, not the writer's.
async fn guarded<T, F>(unit: F, tx: &mut Tx) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    let attempt = AssertUnwindSafe(async { unit(tx).await }).catch_unwind().await;
    attempt.unwrap_or_else(|_| Err(Error::internal("a unit of writing panicked")))
}

/// Runs a unit as a transaction of its own, again if it loses against another's lock.
pub(super) async fn on_postgres<T, F>(pool: &PgPool, unit: F) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Clone,
{
    let mut attempt = 1;
    loop {
        let outcome = transaction(pool, unit.clone()).await.map_err(Failure::into_error);
        match outcome {
            Err(error) if error.kind() == Kind::Busy && attempt < ATTEMPTS => {
                tokio::time::sleep(Duration::from_millis(5 << attempt)).await;
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// How a transaction failed: what is known of its effect.
pub(super) enum Failure {
    /// It never began: the database is away, or all connections stay taken.
    NotBegun(Error),
    /// Nothing of it is there.
    Undone(Error),
    /// The connection was lost at the COMMIT. It may have taken effect or not, so it must not be run again.
    Unknown(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        let (Self::NotBegun(error) | Self::Undone(error) | Self::Unknown(error)) = self;
        error
    }

    /// A server that refuses a COMMIT says so, and then it is undone. One that is lost at it says nothing.
    fn at_commit(error: Error) -> Self {
        if error.kind() == Kind::Unavailable { Self::Unknown(error) } else { Self::Undone(error) }
    }
}

/// Runs a unit as a transaction of its own, once.
pub(super) async fn transaction<T, F>(pool: &PgPool, unit: F) -> Result<T, Failure>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    let connection = pool.acquire().await.map_err(|error| Failure::NotBegun(error.into()))?;
    let mut tx = Tx(Conn::Postgres(connection));
    let outcome = match execute(&mut tx, "begin").await {
        Ok(()) => guarded(unit, &mut tx).await,
        Err(error) => Err(error),
    };
    let outcome = match outcome {
        Ok(value) => commit(&mut tx).await.map(|()| value).map_err(Failure::at_commit),
        Err(error) => Err(Failure::Undone(error)),
    };
    if outcome.is_err()
        && execute(&mut tx, "rollback").await.is_err()
        && let Conn::Postgres(connection) = &mut *tx
    {
        // Nobody else may find this transaction open.
        connection.close_on_drop();
    }
    outcome
}

/// Commits, or says that it cannot be done. PostgreSQL answers the COMMIT of a transaction in which a statement has failed
/// with a quiet ROLLBACK; the `select` before it, on the same way there and back, makes that an error.
async fn commit(tx: &mut Tx) -> Result<()> {
    sql!(tx, c => sqlx::raw_sql("select 1; commit").execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Runs a statement of transaction control.
pub(super) async fn execute(conn: &mut Conn, statement: &'static str) -> Result<()> {
    sql!(conn, c => sqlx::query(statement).execute(c).await.map(|_| ()))?;
    Ok(())
}
