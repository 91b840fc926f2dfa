//! Notifications of PostgreSQL: how the processes on one database tell each other to look again.
//!
//! Each direction has a connection of its own, outside the pool. A notification in the transaction of a write would take a lock
//! on the whole database at its commit; and one that waits for a place in the pool would be late just when there is much to do.

use std::sync::Arc;

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgListener, PgPoolOptions},
};
use tokio::time::timeout;

use super::{CONNECT, Engine, Store};
use crate::error::{Error, Result};

/// Bytes that one notification takes at the most; PostgreSQL's own limit is 8,000.
pub const MOST_BYTES: usize = 7_900;

/// What all processes of a database listen to. Notifications do not leave their database.
const CHANNEL: &str = "workroom";

/// The way to the notifications of a database. Cheap to clone.
#[derive(Clone)]
pub struct Notifications(Arc<PgConnectOptions>);

/// A connection that notifies. After an error it is of no more use.
pub struct Notifier(PgConnection);

/// A connection that hears notifications. After an error it is of no more use.
pub struct Hearer {
    listener: PgListener,
    /// Of this one connection.
    pool: PgPool,
}

/// The way to the notifications of a database; `None` on SQLite, where a database takes one process.
pub fn of(store: &Store) -> Option<Notifications> {
    match &store.engine {
        Engine::Sqlite { .. } => None,
        Engine::Postgres { pool, .. } => Some(Notifications(pool.connect_options())),
    }
}

/// Connects to notify others. Who looks at the server's connections finds it by its name.
pub async fn notifier(on: &Notifications) -> Result<Notifier> {
    let options = PgConnectOptions::clone(&on.0).application_name("workroom notify");
    Ok(Notifier(in_time(options.connect()).await?))
}

/// Notifies all that listen, this process among them: at most [`MOST_BYTES`], without NUL.
pub async fn send(notifier: &mut Notifier, text: &str) -> Result<()> {
    let sending = sqlx::query("select pg_notify($1, $2)").bind(CHANNEL).bind(text).execute(&mut notifier.0);
    in_time(sending).await.map(drop)
}

/// Connects to hear what is notified from now on.
pub async fn hearer(on: &Notifications) -> Result<Hearer> {
    let options = PgConnectOptions::clone(&on.0).application_name("workroom listen");
    let pool = PgPoolOptions::new().max_connections(1).max_lifetime(None).idle_timeout(None);
    let pool = in_time(pool.acquire_timeout(CONNECT).connect_with(options)).await?;
    let mut listener = in_time(PgListener::connect_with(&pool)).await?;
    // Whoever listens again has missed something, and has to know it.
    listener.eager_reconnect(false);
    in_time(listener.listen(CHANNEL)).await?;
    Ok(Hearer { listener, pool })
}

/// Waits for the next notification, for ever if need be: a connection that has died without a word is silent.
pub async fn next(hearer: &mut Hearer) -> Result<String> {
    match hearer.listener.try_recv().await? {
        Some(notification) => Ok(notification.payload().to_owned()),
        None => Err(Error::unavailable("the connection was closed")),
    }
}

/// Takes leave of the server.
pub async fn hang_up(notifier: Notifier) {
    let _ = in_time(notifier.0.close()).await;
}

/// Takes leave of the server.
pub async fn stop_hearing(hearer: Hearer) {
    drop(hearer.listener);
    let _ = timeout(CONNECT, hearer.pool.close()).await;
}

/// Waits for the server, but not for one that is silent.
async fn in_time<T>(wait: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    Ok(Box::pin(timeout(CONNECT, wait)).await.map_err(Error::unavailable)??)
}
