//! Workers that live elsewhere: they claim runs of their user's, append to the timelines, renew the leases and end the runs.
//!
//! They pass through the same door as the built-in worker, fenced by the same leases. What differs is that answers can get lost
//! between them and us, so each call may be repeated: an append says after which sequence it comes, and one that is there
//! already is answered as it was; so is the end of a run.

mod event;
mod token;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::time::Instant;

pub use self::{
    event::{MAX_EVENT, MAX_EVENTS, Told},
    token::LeaseTokens,
};
use super::{App, work::Desk};
use crate::{
    clock,
    error::{Detail, Error, Kind, Result},
    hint::Topic,
    model::{
        event::{EventBody, RunCancelled, RunCompleted, RunFailed},
        id::RunId,
        run::{self, Run, RunFailure, Transition},
        scope::{OutsideWorker, RunLease},
        text,
    },
    store::{
        self,
        event::{Append, Span},
        lease::{self, Claimant},
    },
    timeline::append,
};

/// The longest that a claim may wait for a run. It stays under what an operation may take.
pub const MAX_WAIT: Duration = Duration::from_secs(20);
/// How often a claim that waits looks for a run, in case a bell rang in another process.
const LOOK: Duration = Duration::from_secs(1);
/// How often a run is given to workers elsewhere. One that starts anew each time always gets a step on, and never to the end.
const MAX_GRANTS: i64 = 20;
/// Agents that one worker may serve.
const MAX_AGENTS: usize = 20;
/// The longest name of a worker, in characters.
const MAX_NAME: usize = 100;
/// The longest answer, and the longest reason of a failure, in characters.
const MAX_ANSWER: usize = 500_000;

/// What a worker asks for.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The agents that it serves.
    pub agents: Vec<String>,
    /// Its name in timelines.
    pub worker: String,
    /// How long it waits for a run, if there is none.
    pub wait: Duration,
}

/// A run in the hands of a worker.
#[derive(Clone, Debug)]
pub struct Held {
    /// The run.
    pub run: Run,
    /// What the worker shows to go on.
    pub token: String,
    /// Until when it is the worker's, if it does not renew.
    pub expires_at: DateTime<Utc>,
}

/// Claims a run, and waits for one if there is none. `None` when the wait is over.
pub async fn claim(app: &App, worker: OutsideWorker, claim: Claim) -> Result<Option<Held>> {
    let claimant = claimant(&worker, &claim)?;
    let until = Instant::now() + claim.wait;
    let mut bell = app.hints.listen(Topic::Queue);
    loop {
        match take_up(app, &claimant).await {
            Ok(None) => {}
            // Somebody was quicker with that one.
            Err(error) if error.kind() == Kind::Busy => {}
            taken => return taken,
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        tokio::select! {
            () = bell.heard() => {}
            () = tokio::time::sleep(left.min(LOOK)) => {}
        }
    }
}

fn claimant(worker: &OutsideWorker, claim: &Claim) -> Result<Claimant> {
    let Claim { agents, worker: name, wait } = claim;
    if agents.is_empty() || agents.len() > MAX_AGENTS {
        return Err(Error::invalid(format!("From 1 to {MAX_AGENTS} agents.")).at(["input", "agents"]));
    }
    if *wait > MAX_WAIT {
        let message = format!("At most {} seconds.", MAX_WAIT.as_secs());
        return Err(Error::invalid(message).at(["input", "waitSeconds"]));
    }
    let agent = |agent: &String| run::outside_agent(agent).map_err(|error| error.at(["input", "agents"]));
    let agents = agents.iter().map(agent).collect::<Result<_>>()?;
    Ok(Claimant { name: text::name("worker", name, MAX_NAME)?, agents, user_id: Some(worker.viewer().user_id()) })
}

/// Takes up a run, if there is one that may be gone on with.
async fn take_up(app: &App, claimant: &Claimant) -> Result<Option<Held>> {
    // Most looks find nothing, and a look that only reads is in nobody's way.
    while lease::some_wait(&mut app.store.read().await?, claimant, clock::now()).await? {
        let (asked, claimant) = (clock::now(), claimant.clone());
        let taken = app
            .store
            .write(move |tx| {
                let claimant = claimant.clone();
                async move { append::take_up(tx, &claimant, clock::now()).await }.boxed()
            })
            .await?;
        let Some(lease) = taken else { return Ok(None) };
        app.hints.ring(Topic::Run(lease.run_id()));
        let desk = Desk::new(app.clone(), lease);
        // What is away comes back in its own time: after an error here the lease runs out, for tries in a hurry would soon be
        // too many.
        if !desk.gave_up(MAX_GRANTS).await?
            && let Some(run) = desk.run().await?
        {
            return Ok(Some(held(app, run, &lease, asked)));
        }
    }
    Ok(None)
}

/// A run in the hands of a worker that asked for it at this time: from then on at the least it has a lease's length.
fn held(app: &App, run: Run, lease: &RunLease, asked: DateTime<Utc>) -> Held {
    Held { run, token: app.lease_tokens.issue(lease), expires_at: clock::after(asked, app.rules.lease) }
}

/// What a worker adds to a timeline.
#[derive(Clone, Debug)]
pub struct AppendEvents {
    /// What it was given with the run.
    pub lease_token: String,
    /// The sequence of the last event that it knows of.
    pub expected_sequence: u64,
    /// What happened since.
    pub events: Vec<Told>,
}

/// Where a run stands after an append.
#[derive(Clone, Debug)]
pub struct Appended {
    /// The sequence of the last of the appended events.
    pub last_sequence: u64,
    /// The run; not there any more if its project was deleted in this moment.
    pub run: Option<Run>,
}

/// Appends to a run's timeline. Repeating an append whose answer was lost is harmless: it is answered as it would have been.
pub async fn append(app: &App, worker: OutsideWorker, input: AppendEvents) -> Result<Appended> {
    let lease = app.lease_tokens.read(&worker, &input.lease_token)?;
    let bodies = event::checked(input.events)?;
    let expected = i64::try_from(input.expected_sequence).map_err(Error::internal)?;
    let append = Append { lease, after: Some(expected), at: clock::now(), bodies: bodies.clone(), turn: None };
    let last = match append::commit(&app.store, append).await {
        Ok(last) => {
            app.hints.ring(Topic::Run(lease.run_id()));
            last
        }
        Err(error) if error.kind() == Kind::Expired => repeated(app, &worker, &lease, expected, &bodies).await?,
        Err(error) => return Err(error),
    };
    // Not by the lease, which may be lost by now: what was appended is there all the same.
    let run = store::run::get(&mut app.store.read().await?, &worker.viewer(), lease.run_id()).await?;
    Ok(Appended { last_sequence: last.unsigned_abs(), run })
}

/// The last sequence of an append that was made before, or why it cannot be made.
async fn repeated(
    app: &App,
    worker: &OutsideWorker,
    lease: &RunLease,
    expected: i64,
    bodies: &[EventBody],
) -> Result<i64> {
    let run = still_held(app, worker, lease).await?;
    let last = expected + i64::try_from(bodies.len()).map_err(Error::internal)?;
    let told = run.last_sequence.as_u64();
    if last.unsigned_abs() <= told {
        let mut conn = app.store.read().await?;
        let span = Span { rows: bodies.len(), bytes: usize::try_from(i64::MAX).map_err(Error::internal)? };
        let there = store::event::after(&mut conn, &worker.viewer(), run.id, expected, span).await?;
        let bodies: Vec<EventBody> = bodies.iter().map(reread).collect::<Result<_>>()?;
        if there.iter().map(|event| &event.body).eq(&bodies) {
            return Ok(last);
        }
    }
    let message = format!("The timeline stands at {told}, not at {expected}. Read it from there, then decide.");
    Err(Error::conflict(message).with(Detail::Sequence { last: told }).at(["input", "expectedSequence"]))
}

/// A body as it would be read, for comparing with one that was: not every number comes back as it went.
fn reread(body: &EventBody) -> Result<EventBody> {
    EventBody::decode(body.kind().name(), &body.encode()?)
}

/// The run of a lease that is held; otherwise why not.
async fn still_held(app: &App, worker: &OutsideWorker, lease: &RunLease) -> Result<Run> {
    match Desk::new(app.clone(), *lease).run().await? {
        Some(run) => Ok(run),
        None => Err(why_lost(app, worker, lease.run_id()).await?),
    }
}

/// Why a lease is not held any more.
async fn why_lost(app: &App, worker: &OutsideWorker, run: RunId) -> Result<Error> {
    let run = store::run::get(&mut app.store.read().await?, &worker.viewer(), run).await?;
    let ended = run.and_then(|run| run.status.after(Transition::Cancel).err());
    Ok(ended.unwrap_or_else(append::lost).at(["input", "leaseToken"]))
}

/// Renews a lease, and tells how the run stands.
pub async fn renew(app: &App, worker: OutsideWorker, lease_token: &str) -> Result<Held> {
    let lease = app.lease_tokens.read(&worker, lease_token)?;
    let asked = clock::now();
    let renewed = app.store.write(move |tx| async move { lease::renew(tx, &lease).await }.boxed()).await?;
    if !renewed {
        return Err(why_lost(app, &worker, lease.run_id()).await?);
    }
    Ok(held(app, still_held(app, &worker, &lease).await?, &lease, asked))
}

/// How a worker ends a run.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It is done.
    Completed {
        /// What came of it.
        answer: String,
    },
    /// It cannot be done.
    Failed(RunFailure),
    /// It was stopped, as somebody asked.
    Cancelled,
}

/// Ends a run. Repeating it after a lost answer is harmless.
pub async fn finish(app: &App, worker: OutsideWorker, lease_token: &str, outcome: Outcome) -> Result<Run> {
    let lease = app.lease_tokens.read(&worker, lease_token)?;
    let desk = Desk::new(app.clone(), lease);
    let known = store::run::get(&mut app.store.read().await?, &worker.viewer(), lease.run_id()).await?;
    let end = match end(known.as_ref(), outcome) {
        // Whoever has lost the run learns that first.
        Err(_) if desk.run().await?.is_none() => return Err(why_lost(app, &worker, lease.run_id()).await?),
        end => end?,
    };
    match desk.finish(end.clone()).await {
        Err(error) if error.kind() == Kind::Expired && !ended_so(app, &worker, &lease, &end).await? => {
            return Err(why_lost(app, &worker, lease.run_id()).await?);
        }
        Err(error) if error.kind() != Kind::Expired => return Err(error),
        _ => {}
    }
    let run = store::run::get(&mut app.store.read().await?, &worker.viewer(), lease.run_id()).await?;
    run.ok_or_else(|| append::lost().at(["input", "leaseToken"]))
}

/// The event that ends the run.
fn end(run: Option<&Run>, outcome: Outcome) -> Result<EventBody> {
    let at = |field: &'static str| move |error: Error| error.at(["input", "outcome", field]);
    Ok(match outcome {
        Outcome::Completed { answer } => {
            RunCompleted { answer: text::prose("answer", &answer, MAX_ANSWER).map_err(at("completed"))? }.into()
        }
        Outcome::Failed(failure) => {
            let code = run::failure_code(&failure.code).map_err(at("failed"))?;
            let message = text::prose("message", &failure.message, MAX_ANSWER).map_err(at("failed"))?;
            RunFailed { failure: RunFailure { code, message, ..failure } }.into()
        }
        Outcome::Cancelled => {
            let by = run.and_then(|run| run.cancel_requested_by).ok_or_else(|| {
                let message = "Nobody asked for this run to be cancelled. What a worker cannot do it ends as failed.";
                at("cancelled")(Error::invalid(message))
            })?;
            RunCancelled { by }.into()
        }
    })
}

/// Whether this lease's holder ended the run in this very way before.
async fn ended_so(app: &App, worker: &OutsideWorker, lease: &RunLease, end: &EventBody) -> Result<bool> {
    let mut conn = app.store.read().await?;
    let Some(run) = lease::ended_by(&mut conn, lease).await? else { return Ok(false) };
    let before = i64::try_from(run.last_sequence.as_u64()).map_err(Error::internal)? - 1;
    let span = Span { rows: 1, bytes: 1 };
    let last = store::event::after(&mut conn, &worker.viewer(), run.id, before, span).await?;
    let end = reread(end)?;
    Ok(last.first().is_some_and(|event| event.body == end))
}
