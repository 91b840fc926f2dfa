//! The one door into a timeline.
//!
//! A status change and its event are one transaction, so the functions here take the unit in which they work; only [`commit`]
//! is given an append that is a whole by itself, and leaves it to the store with which others it is committed. The run's row,
//! moved on by compare-and-set on status and lease, is the order. With a lease its holder appends; without one only the
//! ways out of `QUEUED` and of an abandoned lease are open, and the end that comes with the deletion of the project. Whoever
//! commits rings the run's bell afterwards.

use chrono::{DateTime, Utc};

use crate::{
    error::{Detail, Error, Kind, Result},
    model::{
        event::{EventBody, RunCancelled, RunQueued, RunResumed, RunStarted},
        id::UserId,
        run::{CancelledBy, Run, RunFailure, RunStatus, Transition, is_elsewhere},
        scope::{RunLease, Sweep},
    },
    store::{
        Store, Tx,
        event::{self, Append},
        lease::{self, Claimant, Ending, Watched},
    },
};

/// Keeps a new run with its first event.
pub async fn open(tx: &mut Tx, run: &Run) -> Result<()> {
    let queued =
        RunQueued { agent: run.agent.clone(), model: run.model.clone(), request_sha256: Some(run.request_sha256()) };
    event::open(tx, run, queued.into()).await
}

/// Claims the next queued run that the claimant may have; its timeline says so.
pub async fn start(tx: &mut Tx, claimant: &Claimant, now: DateTime<Utc>) -> Result<Option<RunLease>> {
    let Some(lease) = lease::claim(tx, claimant, now).await? else { return Ok(None) };
    tell(tx, lease, now, RunStarted { worker: claimant.name.clone() }.into()).await?;
    Ok(Some(lease))
}

/// Takes up a run that the claimant may have: one that its holder left, or the next queued one.
pub async fn take_up(tx: &mut Tx, claimant: &Claimant, now: DateTime<Utc>) -> Result<Option<RunLease>> {
    if let Some(left) = lease::left(tx, claimant).await?
        && let Some(lease) = resume(tx, &left, &claimant.name, now).await?
    {
        return Ok(Some(lease));
    }
    start(tx, claimant, now).await
}

/// Takes over a run whose holder stopped, for `worker`; its timeline says so.
pub async fn resume(tx: &mut Tx, seen: &Watched, worker: &str, now: DateTime<Utc>) -> Result<Option<RunLease>> {
    let Some(lease) = lease::take_over(tx, seen, worker).await? else { return Ok(None) };
    // A worker elsewhere cannot hand back: its run is free because it was silent.
    let reason = if seen.free && !is_elsewhere(&seen.agent) {
        "The worker before handed the run back."
    } else {
        "The worker before stopped without handing the run back."
    };
    tell(tx, lease, now, RunResumed { reason: reason.into(), worker: worker.to_owned() }.into()).await?;
    Ok(Some(lease))
}

/// Ends a run that is to stop and whose holder left it or does not stop, for `worker`; says whether it was so.
pub async fn stop(tx: &mut Tx, sweep: &Sweep, seen: &Watched, worker: &str, now: DateTime<Utc>) -> Result<bool> {
    let Some(lease) = lease::seize(tx, sweep, seen, worker).await? else { return Ok(false) };
    let reason = "The worker before did not stop when it was told to.".into();
    tell(tx, lease, now, RunResumed { reason, worker: worker.to_owned() }.into()).await?;
    let run = lease::run_of(tx, &lease).await?;
    let by = run.and_then(|run| run.cancel_requested_by).unwrap_or(CancelledBy::User);
    finish(tx, &lease, now, RunCancelled { by }.into()).await?;
    Ok(true)
}

/// Appends one event that comes with a new lease.
async fn tell(tx: &mut Tx, lease: RunLease, at: DateTime<Utc>, event: EventBody) -> Result<i64> {
    append(tx, &Append { lease, after: None, at, bodies: vec![event], turn: None }).await
}

/// Appends for the lease's holder; answers with the last sequence. [`Kind::Expired`] if the lease is lost.
///
/// Terminal events are refused: they come with the terminal status, through [`finish`].
pub async fn append(tx: &mut Tx, append: &Append) -> Result<i64> {
    go_on(append)?;
    event::append(tx, append).await?.ok_or_else(lost)
}

/// Appends as [`append`] does, in a unit that has nothing else to do: it may share its transaction with other runs' appends.
pub async fn commit(store: &Store, append: Append) -> Result<i64> {
    go_on(&append)?;
    store.append(append).await?.ok_or_else(lost)
}

/// The run goes on after these events.
fn go_on(append: &Append) -> Result<()> {
    if append.bodies.iter().any(EventBody::is_terminal) {
        return Err(Error::internal("a terminal event that does not come with the end of its run"));
    }
    Ok(())
}

/// Ends a run for the lease's holder: status, totals and the one terminal event together.
pub async fn finish(tx: &mut Tx, lease: &RunLease, now: DateTime<Utc>, end: EventBody) -> Result<i64> {
    lease::end(tx, lease, &ending(RunStatus::Running, end, now)?).await?.ok_or_else(lost)
}

/// Stops a run that has not ended: a queued one at once, a running one by asking its holder.
pub async fn cancel(tx: &mut Tx, owner: UserId, run: &Run, by: CancelledBy, now: DateTime<Utc>) -> Result<()> {
    if lease::request_cancel(tx, owner, run.id, by, now).await? {
        lease::end_queued(tx, owner, run.id, &ending(RunStatus::Queued, RunCancelled { by }.into(), now)?).await?;
    }
    Ok(())
}

/// Ends a run at once, a running one over its holder's head: its project is being deleted, and there is nothing left to hold.
pub async fn revoke(tx: &mut Tx, owner: UserId, run: &Run, by: CancelledBy, now: DateTime<Utc>) -> Result<()> {
    cancel(tx, owner, run, by, now).await?;
    lease::end_running(tx, owner, run.id, &ending(RunStatus::Running, RunCancelled { by }.into(), now)?).await?;
    Ok(())
}

/// What a terminal event makes of a run's row, by the status machine.
fn ending(from: RunStatus, event: EventBody, at: DateTime<Utc>) -> Result<Ending> {
    let (transition, answer, failure): (_, _, Option<RunFailure>) = match &event {
        EventBody::RunCompleted(body) => (Transition::Complete, Some(body.answer.clone()), None),
        EventBody::RunFailed(body) => (Transition::Fail, None, Some(body.failure.clone())),
        EventBody::RunCancelled(_) => (Transition::Cancel, None, None),
        other => return Err(Error::internal(format!("{} does not end a run", other.kind().name()))),
    };
    Ok(Ending { status: from.after(transition)?, answer, failure, at, event })
}

/// The lease is not held any more.
pub fn lost() -> Error {
    Error::new(Kind::Expired, "The lease of this run is lost: another worker has it, or the run has ended.")
        .with(Detail::LeaseLost)
}
