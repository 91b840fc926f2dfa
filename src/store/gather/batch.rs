//! A batch of appends, of many runs, in at most five statements.
//!
//! `unnest` makes rows of arrays, so a statement has the same text, and the same plan, for one append as for hundreds. SQLite
//! knows no arrays and needs none of this, because its writer shares one transaction among all units: these statements are
//! PostgreSQL's alone, and stand here rather than in `dialect`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sqlx::PgConnection;

use super::super::{
    Conn, Tx,
    chain::{self, Standing, standing},
    event::{Append, Prepared},
};
use crate::{
    error::{Error, Result},
    model::{
        chain::{Chain, Hash},
        id::RunId,
        run::TokenUsage,
        uint53::UInt53,
    },
};

/// What became of an append.
pub(super) enum Outcome {
    /// It is there once the transaction is committed.
    Appended { last: i64 },
    /// Its lease is lost, or the run does not stand where the append says.
    Lost,
    /// Somebody else holds its run just now (or the run is not there): nothing was done.
    Held,
}

/// Writes appends in their order; says what became of each.
pub(super) async fn write(tx: &mut Tx, appends: &[Arc<Prepared>]) -> Result<Vec<Outcome>> {
    let Conn::Postgres(connection) = &mut **tx else {
        return Err(Error::internal("appends are gathered on PostgreSQL alone"));
    };
    let mut free = lock(connection, appends).await?;
    let mut outcomes = Vec::with_capacity(appends.len());
    let mut rows = Rows::default();
    for append in appends {
        outcomes.push(match free.get_mut(&append.run()) {
            None => Outcome::Held,
            Some(run) if run.generation != Some(append.append.lease.generation()) => Outcome::Lost,
            Some(run) if append.append.after.is_some_and(|after| after != run.chain.last) => Outcome::Lost,
            Some(run) => Outcome::Appended { last: rows.add(append, run) },
        });
    }
    advance(connection, free.values().filter(|run| run.is_appended)).await?;
    rows.insert(connection).await?;
    Ok(outcomes)
}

/// A run that this batch has locked.
struct Locked {
    id: RunId,
    /// The generation of the lease that is held; of two in a batch only one can be.
    generation: Option<i64>,
    /// Where its timeline stood, and then where it stands with what is added.
    before: i64,
    chain: Chain,
    /// What a model consumed in what is added.
    usage: TokenUsage,
    is_appended: bool,
}

/// Locks the runs' rows, in the order of their ids, and answers with those that nobody else holds: no batch waits for a use
/// case that changes a run. The lock is that of an update; a row that refers to the run may come at the same time.
async fn lock(connection: &mut PgConnection, appends: &[Arc<Prepared>]) -> Result<HashMap<RunId, Locked>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        #[sqlx(flatten)]
        standing: Standing,
        generation: Option<i64>,
    }
    let runs: Vec<RunId> = appends.iter().map(|append| append.run()).collect();
    let free: Vec<Row> = sqlx::query_as(concat!(
        "select ",
        standing!(),
        ", case when status = 'RUNNING' and lease_holder is not null then lease_generation end as generation
        from run where id = any($1) order by id for no key update skip locked"
    ))
    .bind(runs)
    .fetch_all(connection)
    .await?;
    let locked = |Row { standing, generation }: Row| {
        let (id, chain) = (standing.id, standing.chain());
        let usage = TokenUsage::default();
        (id, Locked { id, generation, before: chain.last, chain, usage, is_appended: false })
    };
    Ok(free.into_iter().map(locked).collect())
}

/// Moves the runs' sequences, chains and totals on, by compare-and-set as for one run.
async fn advance(connection: &mut PgConnection, runs: impl Iterator<Item = &Locked>) -> Result<()> {
    let mut runs: Vec<&Locked> = runs.collect();
    if runs.is_empty() {
        return Ok(());
    }
    runs.sort_unstable_by_key(|run| run.id);
    let [input, cached, output, reasoning] = columns(runs.iter().map(|run| &run.usage));
    let moved = sqlx::query(
        "update run set last_sequence = added.last, chain_from = added.first, chain_head = added.head,
        lease_counter = lease_counter + 1,
        input_tokens = run.input_tokens + added.input, cached_input_tokens = run.cached_input_tokens + added.cached,
        output_tokens = run.output_tokens + added.output, reasoning_tokens = run.reasoning_tokens + added.reasoning
        from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[])
        as added (id, generation, before, last, first, head, input, cached, output, reasoning)
        where run.id = added.id and status = 'RUNNING' and lease_generation = added.generation
        and lease_holder is not null and last_sequence = added.before",
    )
    .bind(runs.iter().map(|run| run.id).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.generation).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.before).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.chain.last).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.chain.from).collect::<Vec<_>>())
    .bind(runs.iter().map(|run| run.chain.head.as_slice()).collect::<Vec<_>>())
    .bind(input)
    .bind(cached)
    .bind(output)
    .bind(reasoning)
    .execute(connection)
    .await?;
    if moved.rows_affected() == u64::try_from(runs.len()).map_err(Error::internal)? {
        Ok(())
    } else {
        Err(Error::internal("a run moved on although its row was locked"))
    }
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
    salts: Vec<&'a [u8]>,
    hashes: Vec<Hash>,
}

#[derive(Default)]
struct Turns<'a> {
    runs: Vec<RunId>,
    indices: Vec<i64>,
    versions: Vec<i64>,
    records: Vec<&'a str>,
}

impl<'a> Rows<'a> {
    /// Adds an append to a run, which moves on; answers with its last sequence.
    fn add(&mut self, prepared: &'a Prepared, locked: &mut Locked) -> i64 {
        let Prepared { append: Append { at, turn, .. }, entries } = prepared;
        let (run, first) = (locked.id, locked.chain.last + 1);
        locked.is_appended |= !entries.is_empty();
        for (sequence, entry) in (first..).zip(entries) {
            self.events.runs.push(run);
            self.events.sequences.push(sequence);
            self.events.times.push(at.timestamp_micros());
            self.events.kinds.push(entry.kind);
            self.events.bodies.push(&entry.body);
            self.events.salts.push(&entry.salt);
        }
        self.events.hashes.extend(chain::link(&mut locked.chain, *at, entries));
        if let Some(turn) = turn {
            self.turns.runs.push(run);
            self.turns.indices.push(turn.index);
            self.turns.versions.push(turn.version);
            self.turns.records.push(&turn.record);
        }
        for (model, usage) in prepared.append.usage() {
            locked.usage = locked.usage.plus(usage);
            let sum = self.usage.entry((run, model)).or_default();
            *sum = sum.plus(usage);
        }
        locked.chain.last
    }

    async fn insert(self, connection: &mut PgConnection) -> Result<()> {
        let Self { events, turns, usage } = self;
        if !events.runs.is_empty() {
            sqlx::query(
                "insert into run_event (run_id, sequence, at, kind, body, salt, hash)
                select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::bytea[],
                    $7::bytea[])",
            )
            .bind(events.runs)
            .bind(events.sequences)
            .bind(events.times)
            .bind(events.kinds)
            .bind(events.bodies)
            .bind(events.salts)
            .bind(events.hashes)
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
