//! Leases: who may execute a run, and the compare-and-set on it by which a timeline moves on.
//!
//! No wall clocks are compared. A holder renews by moving a counter; whoever has watched the same generation and counter for
//! a whole lease on its own monotonic clock may take over, by compare-and-set on both.

use chrono::{DateTime, Utc};

use sqlx::{AssertSqlSafe, Database, Encode, QueryBuilder, Type};

use super::{
    Conn, Tx,
    chain::{self, Entry, Linked, Standing, standing},
    dialect, history,
    list::push_in,
    run::columns,
    sql,
};
use crate::{
    clock,
    error::{Error, Kind, Result},
    model::{
        chain::{Chain, Hash},
        event::EventBody,
        id::{ProjectId, RunId, UserId},
        run::{Run, RunFailure, RunStatus, TokenUsage, Transition},
        scope::{RunLease, Sweep},
        text,
    },
};

/// The columns of a [`Watched`].
macro_rules! watched {
    () => {
        "id, agent, lease_generation, lease_counter, lease_holder is null as free"
    };
}

/// How a run ends.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Its last status.
    pub status: RunStatus,
    /// The answer, if there is one.
    pub answer: Option<String>,
    /// The reason, if it failed.
    pub failure: Option<RunFailure>,
    /// When.
    pub at: DateTime<Utc>,
    /// What its timeline tells of it: the last event.
    pub event: EventBody,
}

/// The condition that a lease, of the run $1 and the generation $2, is held.
macro_rules! held {
    () => {
        " where id = $1 and status = 'RUNNING' and lease_generation = $2 and lease_holder is not null"
    };
}

#[derive(sqlx::FromRow)]
struct Granted {
    id: RunId,
    user_id: UserId,
    project_id: ProjectId,
    lease_generation: i64,
}

impl From<Granted> for RunLease {
    fn from(row: Granted) -> Self {
        Self::granted(row.user_id, row.project_id, row.id, row.lease_generation)
    }
}

/// Who claims.
#[derive(Clone, Debug)]
pub struct Claimant {
    /// Its name in timelines.
    pub name: String,
    /// The agents that it serves.
    pub agents: Vec<String>,
    /// Whose runs it may have; everybody's, when absent.
    pub user_id: Option<UserId>,
}

/// Writes the select of the queued run that is the claimant's next.
macro_rules! push_next {
    ($query:ident, $claimant:ident, $now:ident) => {
        $query.push("select queued.id from run as queued where queued.status = 'QUEUED' and ");
        push_theirs(&mut $query, $claimant);
        $query.push(
            " and not exists (
                select 1 from run as busy where busy.project_id = queued.project_id and busy.status = 'RUNNING')
            and exists (
                select 1 from session where session.id = queued.session_id and ended_at is null and expires_at > ");
        $query.push_bind($now).push(
            ") and not exists (
                select 1 from run as older where older.user_id = queued.user_id and older.project_id = queued.project_id
                and older.status in ('QUEUED', 'RUNNING') and older.number + 0 < queued.number)
            order by queued.id limit 1");
    };
}

/// Writes the select of the run that the claimant may have and that nobody holds any more.
macro_rules! push_left {
    ($query:ident, $claimant:ident, $columns:expr) => {
        $query.push(concat!(
            "select ",
            $columns,
            " from run as queued where status = 'RUNNING' and lease_holder is null and "
        ));
        push_theirs(&mut $query, $claimant);
        $query.push(" order by id limit 1");
    };
}

/// Whether there is a run that the claimant could take up, queued or left.
pub async fn some_wait(conn: &mut Conn, claimant: &Claimant, now: DateTime<Utc>) -> Result<bool> {
    let left: Option<RunId> = sql!(conn, c => {
        let mut query = QueryBuilder::default();
        push_left!(query, claimant, "id");
        query.build_query_scalar().fetch_optional(c).await
    })?;
    if left.is_some() {
        return Ok(true);
    }
    let next: Option<RunId> = sql!(conn, c => {
        let mut query = QueryBuilder::default();
        push_next!(query, claimant, now);
        query.build_query_scalar().fetch_optional(c).await
    })?;
    Ok(next.is_some())
}

/// Claims the oldest queued run whose project has none running, of those that the claimant may have. Of a project's queued runs
/// only the oldest is looked at, so that they are executed in the order in which they were asked for. Workers that claim at
/// once get different runs; `None` means that there is nothing to claim, or that what there is is being claimed or stopped just
/// now.
pub async fn claim(tx: &mut Tx, claimant: &Claimant, now: DateTime<Utc>) -> Result<Option<RunLease>> {
    let running = RunStatus::Queued.after(Transition::Start)?;
    let skip_locked = dialect::skip_locked(tx);
    let claimed: Result<Option<Granted>, sqlx::Error> = sql!(tx, c => {
        let mut query = QueryBuilder::new("update run set status = ");
        query.push_bind(running).push(", lease_holder = ").push_bind(&claimant.name);
        query.push(", lease_counter = 0, lease_generation = lease_generation + 1 where status = 'QUEUED' and id = (");
        push_next!(query, claimant, now);
        query.push(skip_locked).push(") returning id, user_id, project_id, lease_generation");
        query.build_query_as().fetch_optional(c).await
    });
    match claimed {
        // Another worker was quicker with a run of the same project.
        Err(error) if error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation) => {
            Err(Error::new(Kind::Busy, "Another worker claimed it.").because(error))
        }
        claimed => {
            let Some(granted) = claimed? else { return Ok(None) };
            // The time is taken now that the place is known to be free: a start never reads as earlier than the end before it.
            sql!(tx, c => sqlx::query("update run set started_at = $2 where id = $1")
                .bind(granted.id).bind(clock::now().max(now)).execute(c).await.map(|_| ()))?;
            Ok(Some(granted.into()))
        }
    }
}

/// Restricts a select of `queued` to runs that the claimant may have.
fn push_theirs<DB: Database>(query: &mut QueryBuilder<DB>, claimant: &Claimant)
where
    String: for<'q> Encode<'q, DB> + Type<DB>,
    UserId: for<'q> Encode<'q, DB> + Type<DB>,
{
    push_in(query, "queued.agent", claimant.agents.iter().cloned());
    if let Some(user_id) = claimant.user_id {
        query.push(" and queued.user_id = ").push_bind(user_id);
    }
}

/// A run that the claimant may have and that nobody holds any more: a worker left it. The one that waits longest comes first.
pub async fn left(tx: &mut Tx, claimant: &Claimant) -> Result<Option<Watched>> {
    let skip_locked = dialect::skip_locked(tx);
    Ok(sql!(tx, c => {
        let mut query = QueryBuilder::default();
        push_left!(query, claimant, watched!());
        query.push(skip_locked).build_query_as().fetch_optional(c).await
    })?)
}

/// A lease as the watchers see it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Watched {
    /// The run.
    pub id: RunId,
    /// Which agent executes it.
    pub agent: String,
    /// How often the lease was granted.
    pub lease_generation: i64,
    /// How often it was renewed since.
    pub lease_counter: i64,
    /// Nobody holds it: it was handed back.
    pub free: bool,
}

/// All leases of running runs.
pub async fn watch(conn: &mut Conn, _: &Sweep) -> Result<Vec<Watched>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", watched!(), " from run where status = 'RUNNING'"))
        .fetch_all(c).await)?)
}

/// Takes a lease away that did not move since it was `seen`, and gives it to nobody: the run is free to take. Says whether it
/// was so.
pub async fn release(tx: &mut Tx, _: &Sweep, seen: &Watched) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update run set lease_holder = null, lease_counter = lease_counter + 1
        where id = $1 and status = 'RUNNING' and lease_generation = $2 and lease_counter = $3 and lease_holder is not null")
        .bind(seen.id).bind(seen.lease_generation).bind(seen.lease_counter)
        .execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Takes a lease over that did not move since it was `seen`, for `worker`.
pub async fn take_over(tx: &mut Tx, seen: &Watched, worker: &str) -> Result<Option<RunLease>> {
    let granted: Option<Granted> = sql!(tx, c => sqlx::query_as(
        "update run set lease_holder = $4, lease_counter = 0, lease_generation = lease_generation + 1
        where id = $1 and status = 'RUNNING' and lease_generation = $2 and lease_counter = $3
        returning id, user_id, project_id, lease_generation")
        .bind(seen.id).bind(seen.lease_generation).bind(seen.lease_counter).bind(worker).fetch_optional(c).await)?;
    Ok(granted.map(RunLease::from))
}

/// Takes a lease over for `worker`, whether or not its holder still renews it.
pub async fn seize(tx: &mut Tx, _: &Sweep, seen: &Watched, worker: &str) -> Result<Option<RunLease>> {
    let granted: Option<Granted> = sql!(tx, c => sqlx::query_as(
        "update run set lease_holder = $3, lease_counter = 0, lease_generation = lease_generation + 1
        where id = $1 and status = 'RUNNING' and lease_generation = $2
        returning id, user_id, project_id, lease_generation")
        .bind(seen.id).bind(seen.lease_generation).bind(worker).fetch_optional(c).await)?;
    Ok(granted.map(RunLease::from))
}

/// Renews a lease; says whether it is still held.
pub async fn renew(tx: &mut Tx, lease: &RunLease) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(concat!("update run set lease_counter = lease_counter + 1", held!()))
        .bind(lease.run_id()).bind(lease.generation()).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Hands a lease back: the run stays running and is free to take at once.
pub async fn hand_back(tx: &mut Tx, lease: &RunLease) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "update run set lease_holder = null, lease_counter = lease_counter + 1
        where id = $1 and status = 'RUNNING' and lease_generation = $2")
        .bind(lease.run_id()).bind(lease.generation()).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// The run of a lease, if it is still held.
pub async fn run_of(conn: &mut Conn, lease: &RunLease) -> Result<Option<Run>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(), " from run", held!()))
        .bind(lease.run_id()).bind(lease.generation()).fetch_optional(c).await)?)
}

/// The run of a lease whose holder has ended it.
pub async fn ended_by(conn: &mut Conn, lease: &RunLease) -> Result<Option<Run>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(),
        " from run where id = $1 and status in ('COMPLETED', 'FAILED', 'CANCELLED') and lease_generation = $2"))
        .bind(lease.run_id()).bind(lease.generation()).fetch_optional(c).await)?)
}

/// Moves the run's timeline on for the lease's holder; answers with the new last sequence, or `None` if the lease is lost, or if the
/// last sequence was not `after`. The row that this locks is the order of the timeline: sequence and chain move on together, by
/// compare-and-set on both.
pub(super) async fn advance(
    tx: &mut Tx,
    lease: &RunLease,
    after: Option<i64>,
    at: DateTime<Utc>,
    entries: &[Entry],
) -> Result<Option<i64>> {
    if let Some(left) = tx.left.take(lease.run_id())
        && !entries.is_empty()
        && after.is_none_or(|after| after == left.last)
        && let Some(last) = advance_from(tx, lease, left, at, entries).await?
    {
        return Ok(Some(last));
    }
    let Some(chain) = standing_of(tx, lease).await? else { return Ok(None) };
    if after.is_some_and(|after| after != chain.last) {
        return Ok(None);
    }
    if entries.is_empty() {
        return Ok(Some(chain.last));
    }
    let moved = advance_from(tx, lease, chain, at, entries).await?;
    moved.map(Some).ok_or_else(|| Error::internal("a run moved on although its row was held"))
}

/// The same, if the timeline stands there; `None` if it does not, or the lease is lost.
async fn advance_from(
    tx: &mut Tx,
    lease: &RunLease,
    mut chain: Chain,
    at: DateTime<Utc>,
    entries: &[Entry],
) -> Result<Option<i64>> {
    let (run, before) = (lease.run_id(), chain);
    let hashes = chain::link(&mut chain, at, entries);
    let moved = sql!(tx, c => sqlx::query(concat!(
        "update run set last_sequence = $3, chain_from = $4, chain_head = $5, lease_counter = lease_counter + 1", held!(),
        " and last_sequence = $6 and coalesce(chain_head, $7) = $7"))
        .bind(run).bind(lease.generation()).bind(chain.last).bind(chain.from).bind(chain.head.as_slice())
        .bind(before.last).bind(before.head.as_slice()).execute(c).await.map(|done| done.rows_affected() > 0))?;
    if !moved {
        return Ok(None);
    }
    chain::insert(tx, &Linked { run, first: before.last + 1, at, entries, hashes: &hashes }).await?;
    tx.left.keep(run, chain);
    Ok(Some(chain.last))
}

/// Where the timeline of the lease's run stands, and will until the unit ends; `None` if the lease is lost.
async fn standing_of(tx: &mut Tx, lease: &RunLease) -> Result<Option<Chain>> {
    let statement = format!(concat!("select ", standing!(), " from run", held!(), "{}"), dialect::locked(tx));
    let standing: Option<Standing> = sql!(tx, c => sqlx::query_as(AssertSqlSafe(statement))
        .bind(lease.run_id()).bind(lease.generation()).fetch_optional(c).await)?;
    Ok(standing.map(|standing| standing.chain()))
}

/// The same for an owner's run that stands at `status`.
async fn standing_at(tx: &mut Tx, owner: UserId, run: RunId, status: RunStatus) -> Result<Option<Chain>> {
    let statement = format!(
        concat!("select ", standing!(), " from run where id = $1 and user_id = $2 and status = $3{}"),
        dialect::locked(tx)
    );
    let standing: Option<Standing> = sql!(tx, c => sqlx::query_as(AssertSqlSafe(statement))
        .bind(run).bind(owner).bind(status).fetch_optional(c).await)?;
    Ok(standing.map(|standing| standing.chain()))
}

/// Adds tokens to the run's totals, over all and for the model. Adds nothing if the lease is lost: the caller learns that
/// when it appends, in the same unit.
pub async fn add_usage(tx: &mut Tx, lease: &RunLease, model: &str, usage: &TokenUsage) -> Result<()> {
    let held = sql!(tx, c => sqlx::query(concat!(
        "update run set input_tokens = input_tokens + $3, cached_input_tokens = cached_input_tokens + $4,
        output_tokens = output_tokens + $5, reasoning_tokens = reasoning_tokens + $6", held!()))
        .bind(lease.run_id()).bind(lease.generation()).bind(usage.input_tokens).bind(usage.cached_input_tokens)
        .bind(usage.output_tokens).bind(usage.reasoning_tokens).execute(c).await.map(|done| done.rows_affected() > 0))?;
    if !held {
        return Ok(());
    }
    sql!(tx, c => sqlx::query(
        "insert into run_model (run_id, model, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens)
        values ($1, $2, $3, $4, $5, $6) on conflict (run_id, model) do update set
        input_tokens = run_model.input_tokens + excluded.input_tokens,
        cached_input_tokens = run_model.cached_input_tokens + excluded.cached_input_tokens,
        output_tokens = run_model.output_tokens + excluded.output_tokens,
        reasoning_tokens = run_model.reasoning_tokens + excluded.reasoning_tokens")
        .bind(lease.run_id()).bind(model).bind(usage.input_tokens).bind(usage.cached_input_tokens)
        .bind(usage.output_tokens).bind(usage.reasoning_tokens).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// The event that ends a run, in its place.
struct Terminal {
    run: RunId,
    at: DateTime<Utc>,
    entries: Vec<Entry>,
    hashes: Vec<Hash>,
    chain: Chain,
}

impl Terminal {
    fn after(mut chain: Chain, run: RunId, ending: &Ending) -> Result<Self> {
        let entries = chain::prepare(std::slice::from_ref(&ending.event))?;
        let hashes = chain::link(&mut chain, ending.at, &entries);
        Ok(Self { run, at: ending.at, entries, hashes, chain })
    }

    /// Keeps the event of a run whose row says that it has ended; answers with its sequence.
    async fn keep(self, tx: &mut Tx) -> Result<i64> {
        let Self { run, at, entries, hashes, chain } = self;
        chain::insert(tx, &Linked { run, first: chain.last, at, entries: &entries, hashes: &hashes }).await?;
        Ok(chain.last)
    }
}

/// A run's row did not change as it should have under the lock on it.
fn slipped(changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::internal("a run's row changed although it was held")) }
}

/// Ends a run for the lease's holder, with the event that says so; answers with its last sequence, or `None` if the lease is lost.
/// An end never reads as earlier than the start, even if the clock was set back in between.
/// A NUL in the answer becomes the replacement character: PostgreSQL keeps no NUL in text, and a run must be able to end.
pub async fn end(tx: &mut Tx, lease: &RunLease, ending: &Ending) -> Result<Option<i64>> {
    let Some(chain) = standing_of(tx, lease).await? else { return Ok(None) };
    let terminal = Terminal::after(chain, lease.run_id(), ending)?;
    let failure = failure_json(ending)?;
    let answer = ending.answer.as_deref().map(text::without_nul);
    let changed = sql!(tx, c => sqlx::query(concat!(
        "update run set status = $3, answer = $4, failure = $5, last_sequence = $7, chain_from = $8, chain_head = $9,
        completed_at = case when started_at > $6 then started_at else $6 end,
        lease_holder = null", held!()))
        .bind(lease.run_id()).bind(lease.generation()).bind(ending.status).bind(answer).bind(failure)
        .bind(ending.at).bind(terminal.chain.last).bind(terminal.chain.from).bind(terminal.chain.head.as_slice())
        .execute(c).await.map(|done| done.rows_affected()))?;
    slipped(changed)?;
    let last = terminal.keep(tx).await?;
    history::record(tx, lease.run_id()).await?;
    Ok(Some(last))
}

/// Ends a run that nobody has started, with the event that says so; answers with its last sequence, or `None` if it is not queued
/// any more.
pub async fn end_queued(tx: &mut Tx, owner: UserId, run: RunId, ending: &Ending) -> Result<Option<i64>> {
    let Some(chain) = standing_at(tx, owner, run, RunStatus::Queued).await? else { return Ok(None) };
    let terminal = Terminal::after(chain, run, ending)?;
    let failure = failure_json(ending)?;
    let changed = sql!(tx, c => sqlx::query(
        "update run set status = $3, failure = $4, completed_at = $5, last_sequence = $6, chain_from = $7, chain_head = $8
        where id = $1 and user_id = $2 and status = 'QUEUED'")
        .bind(run).bind(owner).bind(ending.status).bind(failure).bind(ending.at).bind(terminal.chain.last)
        .bind(terminal.chain.from).bind(terminal.chain.head.as_slice())
        .execute(c).await.map(|done| done.rows_affected()))?;
    slipped(changed)?;
    let last = terminal.keep(tx).await?;
    history::record(tx, run).await?;
    Ok(Some(last))
}

/// Ends a running run over its holder's head, whose lease is lost with that: its project is being deleted, and has no history
/// any more. Answers with its last sequence, or `None` if it is not running.
pub async fn end_running(tx: &mut Tx, owner: UserId, run: RunId, ending: &Ending) -> Result<Option<i64>> {
    let Some(chain) = standing_at(tx, owner, run, RunStatus::Running).await? else { return Ok(None) };
    let terminal = Terminal::after(chain, run, ending)?;
    let failure = failure_json(ending)?;
    let changed = sql!(tx, c => sqlx::query(
        "update run set status = $3, failure = $4, last_sequence = $6, chain_from = $7, chain_head = $8,
        completed_at = case when started_at > $5 then started_at else $5 end,
        lease_holder = null, lease_generation = lease_generation + 1
        where id = $1 and user_id = $2 and status = 'RUNNING'")
        .bind(run).bind(owner).bind(ending.status).bind(failure).bind(ending.at).bind(terminal.chain.last)
        .bind(terminal.chain.from).bind(terminal.chain.head.as_slice())
        .execute(c).await.map(|done| done.rows_affected()))?;
    slipped(changed)?;
    terminal.keep(tx).await.map(Some)
}

fn failure_json(ending: &Ending) -> Result<Option<String>> {
    ending.failure.as_ref().map(serde_json::to_string).transpose().map_err(Error::internal)
}

/// Writes down that a running run is to stop, once; says whether there was one to stop. Its holder sees it and ends it.
pub async fn request_cancel(
    tx: &mut Tx,
    owner: UserId,
    run: RunId,
    by: crate::model::run::CancelledBy,
    now: DateTime<Utc>,
) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update run set cancel_requested_at = coalesce(cancel_requested_at, $3),
        cancel_requested_by = coalesce(cancel_requested_by, $4)
        where id = $1 and user_id = $2 and status in ('QUEUED', 'RUNNING')")
        .bind(run).bind(owner).bind(now).bind(by).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Of the running runs those that are to stop.
pub async fn to_stop(conn: &mut Conn, _: &Sweep) -> Result<Vec<RunId>> {
    Ok(sql!(conn, c => sqlx::query_scalar(
        "select id from run where status = 'RUNNING' and cancel_requested_at is not null").fetch_all(c).await)?)
}

/// Of these leases the ones that are not held any more.
pub async fn lost_among(conn: &mut Conn, leases: &[RunLease]) -> Result<Vec<RunLease>> {
    let held: Vec<(RunId, i64)> = sql!(conn, c => {
        let mut query = QueryBuilder::new(
            "select id, lease_generation from run where status = 'RUNNING' and lease_holder is not null and ");
        push_in(&mut query, "id", leases.iter().map(RunLease::run_id));
        query.build_query_as().fetch_all(c).await
    })?;
    let is_lost = |lease: &&RunLease| !held.contains(&(lease.run_id(), lease.generation()));
    Ok(leases.iter().filter(is_lost).copied().collect())
}
