//! SQL: the only module with queries.
//!
//! One [`Store`] over two engines. Each query is written once: the `sql!` macro expands its body for SQLite and for
//! PostgreSQL, so that the compiler checks it against both row types. What the two say differently is in `dialect`.
//!
//! - Reading: [`Store::read`] lends a connection; functions that read take `&mut Conn`.
//! - Writing: [`Store::write`] takes a *unit*, which gets a `&mut Tx`, and answers after the commit. On SQLite one writer
//!   drains the queue of units into one transaction (see `writer`), on PostgreSQL a unit is a transaction of its own.
//!   A unit may be tried again, so it owns what it needs and has no effect outside its transaction.
//! - Appending to timelines, which is most of the writing: [`Store::append`] takes what is to be added to one run. On SQLite
//!   that is a unit like all others, on PostgreSQL the appends of many runs are one transaction (see `gather`).
//!
//! No unit waits for the network or a disk other than the database's: objects become durable first, rows name them after.

pub mod activity;
pub mod admin;
pub mod artifact;
mod chain;
pub mod deletion;
pub mod dialect;
pub mod directory;
pub mod event;
pub mod export;
pub mod file;
mod gather;
pub mod history;
pub mod idempotency;
pub mod integrity;
pub mod lease;
mod list;
mod migrate;
pub mod notify;
pub mod project;
mod queue;
pub mod run;
pub mod secret;
pub mod session;
pub mod sweep;
pub mod token;
mod transaction;
pub mod turn;
mod unit;
pub mod user;
mod writer;

use std::{
    fs,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use sqlx::{
    PgPool, Postgres, Sqlite, SqlitePool,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::sync::watch;

use self::{event::Prepared, transaction::Transactions};
use crate::error::{Error, Kind, Result};

/// How long a query of SQLite may wait for a connection, and a reader for a lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long SQLite's writer waits for another program's lock. Who comes while it waits may wait as long once more.
const LOCKED: Duration = Duration::from_secs(5);
/// How long a query of PostgreSQL may wait for a connection. When the server is away, this is how long clients wait to be
/// told; a pool that is only busy is not that far behind.
const CONNECT: Duration = Duration::from_secs(4);

/// Where the rows are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite database in this file.
    Sqlite(PathBuf),
    /// A PostgreSQL database at this URL.
    Postgres(String),
}

impl FromStr for Location {
    type Err = Error;

    fn from_str(url: &str) -> Result<Self> {
        match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(url.to_owned())),
            Some(("sqlite", path)) => match path.strip_prefix("//").unwrap_or(path) {
                // Readers and the writer are connections of their own; in memory each would have another database.
                "" | ":memory:" => {
                    Err(Error::invalid("A SQLite database needs a file, as in `sqlite:data/workroom.db`."))
                }
                path if path.contains('?') => {
                    Err(Error::invalid("The URL of a SQLite database is a path alone, without parameters."))
                }
                path => Ok(Self::Sqlite(path.into())),
            },
            _ => Err(Error::invalid("A database URL begins with `postgres://` or `sqlite:`.")),
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    engine: Engine,
    changed: watch::Sender<()>,
}

#[derive(Clone)]
enum Engine {
    Sqlite { readers: SqlitePool, writer: writer::Writer },
    Postgres { pool: PgPool, transactions: Transactions, gatherer: gather::Gatherer },
}

/// A connection for reading.
pub enum Conn {
    /// To SQLite.
    Sqlite(PoolConnection<Sqlite>),
    /// To PostgreSQL.
    Postgres(PoolConnection<Postgres>),
}

impl Conn {
    /// Itself: how `sql!` sees a `Conn` and a `Tx` alike.
    fn engine(&mut self) -> &mut Self {
        self
    }
}

/// A connection inside a unit of writing. Reads through it see the unit's own writes.
pub struct Tx {
    conn: Conn,
    /// Where it left timelines: SQLite's writer, which keeps its connection, need not read what it wrote last.
    left: chain::Left,
}

impl Tx {
    fn over(conn: Conn) -> Self {
        Self { conn, left: chain::Left::default() }
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

/// Expands one body for each engine; `$c` is the connection in it.
macro_rules! sql {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn.engine() {
            $crate::store::Conn::Sqlite(connection) => {
                let $c = &mut **connection;
                $body
            }
            $crate::store::Conn::Postgres(connection) => {
                let $c = &mut **connection;
                $body
            }
        }
    };
}
pub(crate) use sql;

impl Store {
    /// Opens the database and brings its tables up to date. A SQLite file is made if it is not there.
    pub async fn open(location: &Location) -> Result<Self> {
        let store = match location {
            Location::Sqlite(path) => Self::open_sqlite(path).await,
            Location::Postgres(url) => Self::open_postgres(url, transaction::LIMIT).await,
        }?;
        // What SQL alone cannot bring up to date. Each step is a unit, so one that is interrupted goes on from there.
        while store.write(|tx| history::catch_up(tx).boxed()).await? {}
        Ok(store)
    }

    /// Opens a database of PostgreSQL that is given up after `limit`: for stories of silence, which would be long ones.
    pub async fn open_impatient(url: &str, limit: Duration) -> Result<Self> {
        Self::open_postgres(url, limit).await
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| {
                Error::new(Kind::Unavailable, format!("The folder {} cannot be made: {error}.", folder.display()))
            })?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives a power cut, not only the end of the process.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE)
            .pragma("wal_autocheckpoint", "16000");
        let writing = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options.clone().busy_timeout(LOCKED))
            .await?;
        migrate::sqlite(&writing).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(8)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "on"));
        let writer = writer::Writer::start(writing.acquire().await?);
        Ok(Self { engine: Engine::Sqlite { readers, writer }, changed: watch::Sender::new(()) })
    }

    async fn open_postgres(url: &str, limit: Duration) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|error| Error::invalid(format!("The database URL is not understood: {error}.")))?
            .application_name("workroom");
        let pool =
            PgPoolOptions::new().max_connections(20).acquire_timeout(CONNECT.min(limit)).connect_with(options).await?;
        migrate::postgres(&pool).await?;
        let changed = watch::Sender::new(());
        let transactions = Transactions::new(pool.clone(), limit, changed.clone());
        // Nobody asks to hear of what is appended by itself: the run's bell rings for that.
        let gatherer = gather::Gatherer::start(Transactions::new(pool.clone(), limit, watch::Sender::new(())));
        Ok(Self { engine: Engine::Postgres { pool, transactions, gatherer }, changed })
    }

    /// Lends a connection for reading.
    pub async fn read(&self) -> Result<Conn> {
        Ok(match &self.engine {
            Engine::Sqlite { readers, .. } => Conn::Sqlite(readers.acquire().await?),
            Engine::Postgres { pool, .. } => Conn::Postgres(pool.acquire().await?),
        })
    }

    /// Runs a unit of writing and answers after its commit. The unit runs to its end even if the caller stops waiting.
    ///
    /// Errors of the unit are passed on, and undo it. [`Kind::Unavailable`] from the commit means that it is not known
    /// whether the unit took effect.
    pub async fn write<T, F>(&self, unit: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T>> + Clone + Send + 'static,
    {
        match &self.engine {
            Engine::Sqlite { writer, .. } => {
                let done = writer.write(unit).await?;
                self.changed.send_replace(());
                Ok(done)
            }
            Engine::Postgres { transactions, .. } => {
                let transactions = transactions.clone();
                let done = tokio::spawn(async move { transactions.run(unit).await }).await;
                done.map_err(Error::internal)?
            }
        }
    }

    /// Hears that units of this process may have changed something; those of other processes are not heard.
    pub fn changed(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Appends to a run and answers after the commit: with the run's last sequence, or with `None` if the lease is lost, and
    /// then nothing was written. Once it has a place in the queue it is done even if the caller stops waiting, and after
    /// [`Kind::Unavailable`] it is not known whether it was.
    pub async fn append(&self, append: event::Append) -> Result<Option<i64>> {
        let prepared = Arc::new(Prepared::new(append)?);
        match &self.engine {
            Engine::Sqlite { writer, .. } => {
                writer
                    .write(move |tx| async move { event::write(tx, &prepared.append, &prepared.entries).await }.boxed())
                    .await
            }
            Engine::Postgres { gatherer, .. } => gatherer.append(prepared).await,
        }
    }

    /// Answers when the database does.
    pub async fn ping(&self) -> Result<()> {
        let mut conn = self.read().await?;
        sql!(conn, c => sqlx::query_scalar::<_, i32>("select 1").fetch_one(c).await)?;
        Ok(())
    }

    /// Lets what is under way finish and closes all connections.
    pub async fn close(&self) {
        match &self.engine {
            Engine::Sqlite { readers, writer } => {
                // The writer goes last: the last connection to leave writes the log into the file.
                readers.close().await;
                writer.close().await;
            }
            Engine::Postgres { pool, gatherer, .. } => {
                gatherer.close().await;
                pool.close().await;
            }
        }
    }

    /// The engine's name, for logs and `doctor`.
    pub fn engine(&self) -> &'static str {
        match &self.engine {
            Engine::Sqlite { .. } => "SQLite",
            Engine::Postgres { .. } => "PostgreSQL",
        }
    }
}

/// Who is at fault when a query fails: the database's absence, another unit's lock, or a bug of ours.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let kind = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Kind::Unavailable,
            sqlx::Error::Database(database) => database.code().map_or(Kind::Internal, |code| dialect::kind_of(&code)),
            _ => Kind::Internal,
        };
        match kind {
            Kind::Unavailable => {
                let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                match code.and_then(|code| dialect::trouble(&code)) {
                    Some(message) => Self::new(kind, message).because(error),
                    None => Self::unavailable(error),
                }
            }
            Kind::Busy => Self::new(Kind::Busy, "Too many changes at once. Try again.").because(error),
            Kind::Invalid => Self::invalid("The NUL character is not taken here.").because(error),
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_server_or_a_file() {
        let sqlite = |path: &str| Location::Sqlite(path.into());
        assert_eq!("sqlite:data/a.db".parse::<Location>().unwrap(), sqlite("data/a.db"));
        assert_eq!("sqlite:///var/a.db".parse::<Location>().unwrap(), sqlite("/var/a.db"));
        let url = "postgres://me@host/db?sslmode=require";
        assert_eq!(url.parse::<Location>().unwrap(), Location::Postgres(url.into()));
        for bad in ["", "a.db", "mysql://x", "sqlite:", "sqlite::memory:", "sqlite://", "sqlite:a.db?mode=rwc"] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
    }
}
