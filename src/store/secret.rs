//! Secrets of this server.

use super::{Tx, sql};
use crate::error::Result;

/// The secret of this name; `fresh` becomes it at the first call ever.
pub async fn ensure(tx: &mut Tx, name: &str, fresh: &[u8]) -> Result<Vec<u8>> {
    sql!(tx, c => sqlx::query("insert into secret (name, value) values ($1, $2) on conflict (name) do nothing")
        .bind(name).bind(fresh).execute(c).await.map(|_| ()))?;
    Ok(sql!(tx, c => sqlx::query_scalar("select value from secret where name = $1").bind(name).fetch_one(c).await)?)
}
