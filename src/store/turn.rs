//! The private record of a run's turns: what another worker needs to go on. Not in the schema.

use super::{Conn, Tx, sql};
use crate::{error::Result, model::scope::RunLease};

/// What is kept of a turn.
#[derive(Clone, Debug)]
pub struct Turn {
    /// Its place among the run's turns.
    pub index: i64,
    /// The version of the record's form.
    pub version: i64,
    /// The record; only its writer reads it.
    pub record: String,
}

/// Keeps a turn. Called in the unit that appends the turn's events, so that both are there or neither.
pub async fn insert(tx: &mut Tx, lease: &RunLease, turn: &Turn) -> Result<()> {
    sql!(tx, c => sqlx::query("insert into run_turn (run_id, turn, version, body) values ($1, $2, $3, $4)")
        .bind(lease.run_id()).bind(turn.index).bind(turn.version).bind(&turn.record).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// The turns up to now, in order: version and body.
pub async fn all(conn: &mut Conn, lease: &RunLease) -> Result<Vec<(i64, String)>> {
    Ok(sql!(conn, c => sqlx::query_as("select version, body from run_turn where run_id = $1 order by turn")
        .bind(lease.run_id()).fetch_all(c).await)?)
}
