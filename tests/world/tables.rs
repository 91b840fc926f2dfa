//! What a server has written, as it stands: all rows of all tables, and all objects.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
};

use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::process::Command;

use super::World;

/// The rows of every table, each as text. A table that is new is among them.
pub type Tables = BTreeMap<String, Vec<String>>;

/// What only a renewal of a lease changes.
const HEARTBEAT: &str = "lease_counter";

/// A connection beside the server's own.
pub enum Beside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Beside {
    /// To the database at this URL.
    pub async fn open(url: &str) -> Self {
        match url.strip_prefix("sqlite:") {
            Some(path) => {
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(super::PATIENCE);
                Self::Sqlite(SqliteConnection::connect_with(&options).await.expect("the database opens"))
            }
            None => Self::Postgres(PgConnection::connect(url).await.expect("the database opens")),
        }
    }

    /// Runs a statement.
    pub async fn change(&mut self, statement: &str) {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(conn) => sqlx::query(statement).execute(conn).await.map(|_| ()),
            Self::Postgres(conn) => sqlx::query(statement).execute(conn).await.map(|_| ()),
        }
        .expect("a change");
    }

    /// How a statement names an id.
    pub fn literal(&self, id: uuid::Uuid) -> String {
        match self {
            Self::Sqlite(_) => format!("x'{}'", id.simple()),
            Self::Postgres(_) => format!("'{id}'"),
        }
    }

    /// Takes away what keeps recorded rows from being changed, as somebody can who may change the tables.
    pub async fn unlock(&mut self) {
        for (trigger, table) in [
            ("run_event_is_fixed", "run_event"),
            ("run_event_stays", "run_event"),
            ("run_event_ends", "run_event"),
            ("run_ended_is_fixed", "run"),
            ("run_moves_sealed", "run"),
            ("run_stays", "run"),
        ] {
            let of = if matches!(self, Self::Postgres(_)) { format!(" on {table}") } else { String::new() };
            self.change(&format!("drop trigger {trigger}{of}")).await;
        }
    }

    /// What a statement counts.
    pub async fn count(&mut self, statement: &str) -> i64 {
        let statement = AssertSqlSafe(statement.to_owned());
        match self {
            Self::Sqlite(conn) => sqlx::query_scalar(statement).fetch_one(conn).await,
            Self::Postgres(conn) => sqlx::query_scalar(statement).fetch_one(conn).await,
        }
        .expect("a count")
    }

    /// All tables, whole.
    pub async fn tables(&mut self) -> Tables {
        let mut tables = Tables::new();
        match self {
            Self::Sqlite(conn) => {
                let names =
                    "select name from sqlite_schema where type = 'table' and name not like 'sqlite_%' order by 1";
                let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *conn).await.expect("tables");
                for table in names {
                    let columns = "select 'quote(\"' || name || '\")' from pragma_table_info($1) where name <> $2";
                    let columns: Vec<String> = sqlx::query_scalar(columns)
                        .bind(&table)
                        .bind(HEARTBEAT)
                        .fetch_all(&mut *conn)
                        .await
                        .expect("columns");
                    let rows = format!("select {} from \"{table}\" order by 1", columns.join(" || '|' || "));
                    let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut *conn).await.expect("rows");
                    tables.insert(table, rows);
                }
            }
            Self::Postgres(conn) => {
                let names =
                    "select table_name::text from information_schema.tables where table_schema = 'public' order by 1";
                let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *conn).await.expect("tables");
                for table in names {
                    let rows = format!("select (to_jsonb(t) - '{HEARTBEAT}')::text from \"{table}\" t order by 1");
                    let rows = sqlx::query_scalar(AssertSqlSafe(rows)).fetch_all(&mut *conn).await.expect("rows");
                    tables.insert(table, rows);
                }
            }
        }
        assert!(tables.len() > 10, "an empty dump");
        tables
    }

    pub async fn close(self) {
        match self {
            Self::Sqlite(conn) => conn.close().await,
            Self::Postgres(conn) => conn.close().await,
        }
        .expect("the database closes");
    }
}

/// How many rows each table has.
pub fn counts(tables: &Tables) -> BTreeMap<&str, usize> {
    tables.iter().map(|(table, rows)| (table.as_str(), rows.len())).collect()
}

impl World {
    /// All tables, whole.
    pub async fn tables(&self) -> Tables {
        let mut beside = self.beside().await;
        let tables = beside.tables().await;
        beside.close().await;
        tables
    }

    /// A connection beside the server's own.
    pub async fn beside(&self) -> Beside {
        Beside::open(&self.settings.database_url).await
    }

    /// The program, on the database and the files of this server.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workroom"));
        command.args(arguments).args(["--database-url", &self.settings.database_url]);
        command.args(["--files-url", &self.settings.files_url]).arg("--data").arg(&self.settings.data);
        command.current_dir(self.folder()).env_clear().stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Everything below the folder of the files, folders too.
    pub fn objects(&self) -> Vec<PathBuf> {
        below(Path::new(&self.settings.files_url))
    }
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}
