//! A batch of appends, of many runs, in at most five statements.
//!
//! `unnest` makes rows of arrays, so a statement has the same text, and the same plan, for one append as for hundreds. SQLite
//! knows no arrays and needs none of this, because its writer shares one transaction among all units: these statements are
//! PostgreSQL's alone, and stand here rather than in `dialect`.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use sqlx::PgConnection;

use super::super::{Conn, Tx, event::Append};
use crate::{
    error::{Error, Result},
    model::{event::EventBody, id::RunId, run::TokenUsage, uint53::UInt53},
};

/// An append with its bodies as they are stored: encoded by the caller, not while a transaction is open.
pub(super) struct Encoded {
    pub(super) append: Append,
    bodies: Vec<String>,
}

impl Encoded {
    pub(super) fn new(append: Append) -> Result<Self> {
        let bodies = append.bodies.iter().map(EventBody::encode).collect::<Result<_>>()?;
        Ok(Self { append, bodies })
    }

    /// How much it adds to a batch.
    pub(super) fn bytes(&self) -> usize {
        let turn = self.append.turn.as_ref().map_or(0, |turn| turn.record.len());
        self.bodies.iter().map(String::len).sum::<usize>() + turn
    }

    pub(super) fn run(&self) -> RunId {
        self.append.lease.run_id()
    }

    fn grant(&self) -> Grant {
        (self.run(), self.append.lease.generation())
    }
}

/// A run, and which of its leases: of two in a batch only one can be held.
type Grant = (RunId, i64);

/// What became of an append.
pub(super) enum Outcome {
    /// It is there once the transaction is committed.
    Appended { last: i64 },
    /// Its lease is lost.
    Lost,
    /// Somebody else holds its run just now (or the run is not there): nothing was done.
    Held,
}

/// Writes appends in their order; says what became of each.
pub(super) async fn write(tx: &mut Tx, appends: &[Arc<Encoded>]) -> Result<Vec<Outcome>> {
    let Conn::Postgres(connection) = &mut **tx else {
        return Err(Error::internal("appends are gathered on PostgreSQL alone"));
    };
    let free = lock(connection, appends).await?;
    let mut sequences = advance(connection, appends.iter().filter(|append| free.contains(&append.run()))).await?;
    let mut outcomes = Vec::with_capacity(appends.len());
    let mut rows = Rows::default();
    for append in appends {
        outcomes.push(match sequences.get_mut(&append.grant()) {
            Some(last) => Outcome::Appended { last: rows.add(append, last) },
            None if free.contains(&append.run()) => Outcome::Lost,
            None => Outcome::Held,
        });
    }
    rows.insert(connection).await?;
    Ok(outcomes)
}

/// Locks the runs' rows, in the order of their ids, and answers with those that nobody else holds: no batch waits for a use
/// case that changes a run. The lock is that of an update; a row that refers to the run may come at the same time.
async fn lock(connection: &mut PgConnection, appends: &[Arc<Encoded>]) -> Result<HashSet<RunId>> {
    let runs: Vec<RunId> = appends.iter().map(|append| append.run()).collect();
    let statement = "select id from run where id = any($1) order by id for no key update skip locked";
    let free: Vec<RunId> = sqlx::query_scalar(statement).bind(runs).fetch_all(connection).await?;
    Ok(free.into_iter().collect())
}

/// What a lease's appends add to the run's row.
#[derive(Default)]
struct Sum {
    count: i64,
    usage: TokenUsage,
}

/// Moves the runs' sequences and totals on, by compare-and-set on status and lease as for one run; answers with the sequences
/// from which the leases that are held went on.
async fn advance(
    connection: &mut PgConnection,
    appends: impl Iterator<Item = &Arc<Encoded>>,
) -> Result<HashMap<Grant, i64>> {
    let mut sums: BTreeMap<Grant, Sum> = BTreeMap::new();
    for append in appends {
        let sum = sums.entry(append.grant()).or_default();
        sum.count += append.append.count()?;
        for (_, usage) in append.append.usage() {
            sum.usage = sum.usage.plus(usage);
        }
    }
    let (runs, generations): (Vec<RunId>, Vec<i64>) = sums.keys().copied().unzip();
    let counts: Vec<i64> = sums.values().map(|sum| sum.count).collect();
    let [input, cached, output, reasoning] = columns(sums.values().map(|sum| &sum.usage));
    let moved: Vec<(RunId, i64, i64)> = sqlx::query_as(
        "update run set last_sequence = last_sequence + added.count,
        input_tokens = run.input_tokens + added.input, cached_input_tokens = run.cached_input_tokens + added.cached,
        output_tokens = run.output_tokens + added.output, reasoning_tokens = run.reasoning_tokens + added.reasoning
        from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
        as added (id, generation, count, input, cached, output, reasoning)
        where run.id = added.id and status = 'RUNNING' and lease_generation = added.generation
        and lease_holder is not null
        returning run.id, lease_generation, last_sequence - added.count",
    )
    .bind(runs)
    .bind(generations)
    .bind(counts)
    .bind(input)
    .bind(cached)
    .bind(output)
    .bind(reasoning)
    .fetch_all(connection)
    .await?;
    Ok(moved.into_iter().map(|(run, generation, before)| ((run, generation), before)).collect())
}

/// What is inserted: a vector for each column.
#[derive(Default)]
struct Rows<'a> {
    events: Events<'a>,
    turns: Turns<'a>,
    usage: BTreeMap<(RunId, &'a str), TokenUsage>,
}

#[derive(Default)]
struct Events<'a> {
    runs: Vec<RunId>,
    sequences: Vec<i64>,
    times: Vec<i64>,
    kinds: Vec<&'static str>,
    bodies: Vec<&'a str>,
}

#[derive(Default)]
struct Turns<'a> {
    runs: Vec<RunId>,
    indices: Vec<i64>,
    versions: Vec<i64>,
    records: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    /// Adds an append whose run stands at `last`; moves that on, and answers with it.
    fn add(&mut self, encoded: &'a Encoded, last: &mut i64) -> i64 {
        let (run, Append { at, bodies, turn, .. }) = (encoded.run(), &encoded.append);
        for (body, text) in bodies.iter().zip(&encoded.bodies) {
            *last += 1;
            self.events.runs.push(run);
            self.events.sequences.push(*last);
            self.events.times.push(at.timestamp_micros());
            self.events.kinds.push(body.kind().name());
            self.events.bodies.push(text);
        }
        if let Some(turn) = turn {
            self.turns.runs.push(run);
            self.turns.indices.push(turn.index);
            self.turns.versions.push(turn.version);
            self.turns.records.push(&turn.record);
        }
        for (model, usage) in encoded.append.usage() {
            let sum = self.usage.entry((run, model)).or_default();
            *sum = sum.plus(usage);
        }
        *last
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<()> {
        let Self { events, turns, usage } = self;
        if !events.runs.is_empty() {
            sqlx::query(
                "insert into run_event (run_id, sequence, at, kind, body)
                select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])",
            )
            .bind(events.runs)
            .bind(events.sequences)
            .bind(events.times)
            .bind(events.kinds)
            .bind(events.bodies)
            .execute(&mut *connection)
            .await?;
        }
        if !turns.runs.is_empty() {
            sqlx::query(
                "insert into run_turn (run_id, turn, version, body)
                select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[])",
            )
            .bind(turns.runs)
            .bind(turns.indices)
            .bind(turns.versions)
            .bind(turns.records)
            .execute(&mut *connection)
            .await?;
        }
        if !usage.is_empty() {
            let (runs, models): (Vec<RunId>, Vec<&str>) = usage.keys().copied().unzip();
            let [input, cached, output, reasoning] = columns(usage.values());
            sqlx::query(
                "insert into run_model (run_id, model, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens)
                select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
                on conflict (run_id, model) do update set
                input_tokens = run_model.input_tokens + excluded.input_tokens,
                cached_input_tokens = run_model.cached_input_tokens + excluded.cached_input_tokens,
                output_tokens = run_model.output_tokens + excluded.output_tokens,
                reasoning_tokens = run_model.reasoning_tokens + excluded.reasoning_tokens",
            )
            .bind(runs)
            .bind(models)
            .bind(input)
            .bind(cached)
            .bind(output)
            .bind(reasoning)
            .execute(connection)
            .await?;
        }
        Ok(())
    }
}

/// Totals as columns: input, cached input, output, reasoning.
fn columns<'a>(usage: impl Iterator<Item = &'a TokenUsage> + Clone) -> [Vec<UInt53>; 4] {
    [
        usage.clone().map(|usage| usage.input_tokens).collect(),
        usage.clone().map(|usage| usage.cached_input_tokens).collect(),
        usage.clone().map(|usage| usage.output_tokens).collect(),
        usage.map(|usage| usage.reasoning_tokens).collect(),
    ]
}
