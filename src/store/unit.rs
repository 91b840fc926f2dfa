//! A unit of writing: run once, or again when its batch failed for somebody else's sake.

use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::oneshot;

use super::{Conn, Tx, sql};
use crate::error::{Error, Result};

/// A unit with its caller behind it, whatever its result's type.
pub(super) trait Pending: Send {
    /// Runs the unit; answers with its error if it fails. May be called again, and then the last outcome counts.
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<()>>;
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
    fn run<'t>(&'t mut self, tx: &'t mut Tx) -> BoxFuture<'t, Result<()>> {
        async move {
            let outcome = self.outcome.insert(guarded(self.unit.clone(), tx).await);
            outcome.as_ref().map(drop).map_err(Error::clone)
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
pub(super) async fn guarded<T, F>(unit: F, tx: &mut Tx) -> Result<T>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
{
    let attempt = AssertUnwindSafe(async { unit(tx).await }).catch_unwind().await;
    attempt.unwrap_or_else(|_| Err(Error::internal("a unit of writing panicked")))
}

/// Runs a statement of transaction control.
pub(super) async fn execute(conn: &mut Conn, statement: &'static str) -> Result<()> {
    sql!(conn, c => sqlx::query(statement).execute(c).await.map(|_| ()))?;
    Ok(())
}
