//! Events on their way into a run's chain: encoded and salted before a transaction is open, linked when their place is known.

use std::{collections::HashMap, fmt::Write};

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

use super::{Tx, sql};
use crate::{
    error::{Error, Result},
    model::{
        chain::{Chain, Hash, Salt, content},
        event::EventBody,
        id::RunId,
    },
};

/// An event as it is stored, but for its place.
pub(super) struct Entry {
    pub(super) kind: &'static str,
    pub(super) body: String,
    pub(super) salt: Salt,
    content: Hash,
}

/// Encodes and salts events.
pub(super) fn prepare(bodies: &[EventBody]) -> Result<Vec<Entry>> {
    let mut salts = vec![Salt::default(); bodies.len()];
    getrandom::fill(salts.as_flattened_mut()).map_err(|error| Error::internal(error.to_string()))?;
    let entry = |(event, salt): (&EventBody, Salt)| {
        let body = event.encode()?;
        Ok(Entry { kind: event.kind().name(), content: content(&salt, &body), body, salt })
    };
    bodies.iter().zip(salts).map(entry).collect()
}

/// Moves a chain on over events; answers with its value after each.
pub(super) fn link(chain: &mut Chain, at: DateTime<Utc>, entries: &[Entry]) -> Vec<Hash> {
    entries.iter().map(|entry| chain.push(at.timestamp_micros(), entry.kind, &entry.content)).collect()
}

/// The columns of a [`Standing`].
macro_rules! standing {
    () => {
        "id, last_sequence, chain_from, chain_head"
    };
}
pub(super) use standing;

/// Where a run's timeline stands, by its row.
#[derive(sqlx::FromRow)]
pub(super) struct Standing {
    pub(super) id: RunId,
    last_sequence: i64,
    chain_from: Option<i64>,
    chain_head: Option<Vec<u8>>,
}

impl Standing {
    /// Its chain. That of a run from before there were chains begins with its next event.
    pub(super) fn chain(&self) -> Chain {
        let head = self.chain_head.as_deref().and_then(|head| Hash::try_from(head).ok());
        match self.chain_from.zip(head) {
            Some((from, head)) => Chain { from, last: self.last_sequence, head },
            None => Chain::start(self.id, self.last_sequence + 1),
        }
    }
}

/// Timelines that are remembered. More are forgotten, all at once.
const REMEMBERED: usize = 4096;

/// Where a connection left the timelines that it wrote. A guess: a unit may have been undone since, or somebody else may have moved
/// the run on. So who goes on from here must compare the row with it in the statement that moves the run on.
#[derive(Default)]
pub(super) struct Left(HashMap<RunId, Chain>);

impl Left {
    /// Where a run's timeline was left. It is forgotten with that, until it is left anew.
    pub(super) fn take(&mut self, run: RunId) -> Option<Chain> {
        self.0.remove(&run)
    }

    pub(super) fn keep(&mut self, run: RunId, chain: Chain) {
        if self.0.len() == REMEMBERED {
            self.0.clear();
        }
        self.0.insert(run, chain);
    }
}

/// Rows of one insert. A few fixed sizes keep the statement cache warm.
const SIZES: [usize; 4] = [64, 16, 4, 1];
/// Columns of a row.
const COLUMNS: usize = 7;

/// What is inserted: events of a run with the chain's values after them.
pub(super) struct Linked<'a> {
    pub(super) run: RunId,
    /// The sequence of the first.
    pub(super) first: i64,
    pub(super) at: DateTime<Utc>,
    pub(super) entries: &'a [Entry],
    pub(super) hashes: &'a [Hash],
}

/// Keeps events of a run.
pub(super) async fn insert(tx: &mut Tx, linked: &Linked<'_>) -> Result<()> {
    let (run, at) = (linked.run, linked.at.timestamp_micros());
    let (mut entries, mut hashes, mut sequence) = (linked.entries, linked.hashes, linked.first);
    while !entries.is_empty() {
        let size = SIZES.into_iter().find(|size| *size <= entries.len()).unwrap_or(1);
        let (rows, later) = entries.split_at(size);
        let (values, later_values) = hashes.split_at(size);
        let statement = AssertSqlSafe(insert_statement(size));
        sql!(tx, c => {
            let mut query = sqlx::query(statement);
            for (entry, hash) in rows.iter().zip(values) {
                query = query.bind(run).bind(sequence).bind(at).bind(entry.kind).bind(entry.body.as_str());
                query = query.bind(entry.salt.as_slice()).bind(hash.as_slice());
                sequence += 1;
            }
            query.execute(c).await.map(|_| ())
        })?;
        (entries, hashes) = (later, later_values);
    }
    Ok(())
}

fn insert_statement(rows: usize) -> String {
    let mut statement = String::from("insert into run_event (run_id, sequence, at, kind, body, salt, hash) values ");
    for row in 0..rows {
        let mut mark = if row == 0 { "(" } else { ", (" };
        for column in 1..=COLUMNS {
            let _ = write!(statement, "{mark}${}", row * COLUMNS + column);
            mark = ", ";
        }
        statement.push(')');
    }
    statement
}
