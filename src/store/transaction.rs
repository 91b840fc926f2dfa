//! PostgreSQL's transactions: each unit of writing in one of its own, and none of them for ever.

use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::{AssertSqlSafe, PgPool, Row};
use tokio::{sync::watch, time::timeout};

use super::{
    Conn, Tx, sql,
    unit::{execute, guarded},
};
use crate::error::{Error, Kind, Result};

/// How long a unit may take, with all its waiting for locks, and how long its commit. A connection may die without a word
/// (the server fails over, a firewall forgets the flow), and TCP alone notices that after a quarter of an hour. No unit takes
/// seconds; and a renewal of leases that is given up after this can be tried again before the leases lapse.
pub(super) const LIMIT: Duration = Duration::from_secs(8);
/// Attempts at a unit that lost against another's lock.
const ATTEMPTS: u32 = 6;

/// How a transaction failed: what is known of its effect.
pub(super) enum Failure {
    /// It never began: the database is away, or all connections stay taken.
    NotBegun(Error),
    /// Nothing of it is there.
    Undone(Error),
    /// The connection was lost at the COMMIT. It may have taken effect or not, so it must not be run again.
    Unknown(Error),
}

impl Failure {
    fn into_error(self) -> Error {
        let (Self::NotBegun(error) | Self::Undone(error) | Self::Unknown(error)) = self;
        error
    }

    /// A server that refuses a COMMIT says so, and then it is undone. One that is lost at it says nothing.
    fn at_commit(error: Error) -> Self {
        if error.kind() == Kind::Unavailable { Self::Unknown(error) } else { Self::Undone(error) }
    }
}

/// Where transactions are made. Cheap to clone.
#[derive(Clone)]
pub(super) struct Transactions {
    pool: PgPool,
    limit: Duration,
    /// Hears of each that has changed something.
    changed: watch::Sender<()>,
}

impl Transactions {
    /// On the pool's connections; `limit` is [`LIMIT`] but in tests.
    pub(super) fn new(pool: PgPool, limit: Duration, changed: watch::Sender<()>) -> Self {
        Self { pool, limit, changed }
    }

    /// Runs a unit, again if it loses against another's lock.
    pub(super) async fn run<T, F>(&self, unit: F) -> Result<T>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Clone,
    {
        let mut attempt = 1;
        loop {
            let outcome = self.once(unit.clone()).await.map_err(Failure::into_error);
            match outcome {
                Err(error) if error.kind() == Kind::Busy && attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(5 << attempt)).await;
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Runs a unit, once.
    pub(super) async fn once<T, F>(&self, unit: F) -> Result<T, Failure>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>>,
    {
        let connection = self.pool.acquire().await.map_err(|error| Failure::NotBegun(error.into()))?;
        let mut tx = Tx::over(Conn::Postgres(connection));
        // The limits stand in here, not round all of it: dropped on its way, a connection would go back to the pool with this
        // transaction open.
        let written = timeout(self.limit, async {
            begin(&mut tx, self.limit).await?;
            guarded(unit, &mut tx).await
        });
        let error = match written.await {
            Ok(Ok(value)) => match timeout(self.limit, commit(&mut tx)).await {
                Ok(Ok(has_changed)) => {
                    if has_changed {
                        self.changed.send_replace(());
                    }
                    return Ok(value);
                }
                Ok(Err(error)) => Failure::at_commit(error),
                Err(silence) => {
                    abandon(&mut tx);
                    return Err(Failure::Unknown(Error::unavailable(silence)));
                }
            },
            Ok(Err(error)) => Failure::Undone(error),
            Err(silence) => {
                abandon(&mut tx);
                return Err(Failure::Undone(Error::unavailable(silence)));
            }
        };
        if !matches!(timeout(self.limit, execute(&mut tx, "rollback")).await, Ok(Ok(()))) {
            abandon(&mut tx);
        }
        Err(error)
    }
}

/// Closes the connection: nobody else may find this transaction open.
fn abandon(tx: &mut Tx) {
    if let Conn::Postgres(connection) = &mut **tx {
        connection.close_on_drop();
    }
}

/// Begins, and has the server undo what it hears no more of: an abandoned transaction's locks are soon free, however long the
/// server believes in its connection; and one that waits for a lock when it is abandoned does not wait on, for as many as are
/// tried in the meantime would take all the server's connections. That wait ends after this side has given up, not before: a
/// lost lock reads as one to be tried again.
async fn begin(tx: &mut Tx, limit: Duration) -> Result<()> {
    let statement = format!(
        "begin; set local idle_in_transaction_session_timeout = {}; set local lock_timeout = {}",
        limit.as_millis(),
        (limit + limit / 8).as_millis()
    );
    sql!(tx, c => sqlx::raw_sql(AssertSqlSafe(statement)).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Commits, and says whether anything was changed; or says that it cannot be done. PostgreSQL answers the COMMIT of a transaction
/// in which a statement has failed with a quiet ROLLBACK; the `select` before it, on the same way there and back, makes that an
/// error.
async fn commit(tx: &mut Tx) -> Result<bool> {
    let statement = "select pg_current_xact_id_if_assigned() is not null; commit";
    let has_changed = sql!(tx, c => {
        let rows = sqlx::raw_sql(statement).fetch_all(c).await;
        rows.and_then(|rows| rows.first().map_or(Ok(true), |row| row.try_get::<bool, _>(0)))
    })?;
    Ok(has_changed)
}
