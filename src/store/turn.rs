//! The private record of a run's turns: what another worker needs to go on. Not in the schema.

use super::{Conn, Tx, sql};
use crate::{error::Result, model::scope::RunLease};

/// Keeps a turn. Called in the unit that appends the turn's events, so that both are there or neither.
pub async fn insert(tx: &mut Tx, lease: &RunLease, turn: i64, version: i64, body: &str) -> Result<()> {
    sql!(tx, c => sqlx::query("insert into run_turn (run_id, turn, version, body) values ($1, $2, $3, $4)")
        .bind(lease.run_id()).bind(turn).bind(version).bind(body).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// The turns up to now, in order: version and body.
pub async fn all(conn: &mut Conn, lease: &RunLease) -> Result<Vec<(i64, String)>> {
    Ok(sql!(conn, c => sqlx::query_as("select version, body from run_turn where run_id = $1 order by turn")
        .bind(lease.run_id()).fetch_all(c).await)?)
}
