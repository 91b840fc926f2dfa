//! One database and one folder of files, and the programs that share them.

use std::{path::PathBuf, time::Instant};

use sqlx::{Connection, PgConnection, query_scalar};
use tempfile::TempDir;
use workroom::{
    app::access::{NewToken, create_token},
    store::Store,
};

use crate::{
    support::postgres::{Database, database},
    worker::process::Process,
    world::{PATIENCE, User},
};

/// What the processes of a story share. Each has a data folder of its own, as on a machine of its own.
pub struct Site {
    database: Database,
    folder: TempDir,
}

impl Site {
    /// A new, empty one; `None` when PostgreSQL is to be skipped.
    pub async fn new() -> Option<Self> {
        let database = database().await?;
        Some(Self { database, folder: tempfile::tempdir().expect("a temporary folder") })
    }

    fn data(&self, name: &str) -> PathBuf {
        let data = self.folder.path().join(name);
        std::fs::create_dir_all(&data).expect("a folder");
        data
    }

    /// The flags of a process, with some more.
    fn flags<'a>(&'a self, files: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        [["--database-url", self.database.url.as_str(), "--files-url", files].as_slice(), more].concat()
    }

    fn files(&self) -> String {
        format!("file://{}", self.folder.path().join("files").display())
    }

    /// `workroom serve --no-worker`.
    pub async fn server(&self, name: &str) -> Process {
        Process::serve_with(&self.data(name), &self.flags(&self.files(), &["--no-worker"])).await
    }

    /// `workroom worker`.
    pub fn worker(&self, name: &str, runs_at_once: usize) -> Process {
        Process::work(&self.data(name), &self.flags(&self.files(), &["--max-runs", &runs_at_once.to_string()]))
    }

    /// A user, at this server.
    pub async fn user(&self, name: &str, server: &Process) -> User {
        let store = Store::open(&self.database.url.parse().expect("a location")).await.expect("the database opens");
        let (token, secret) = create_token(&store, NewToken::of(name)).await.expect("a token");
        store.close().await;
        User::with_token(server.base.clone(), token, secret)
    }

    /// Waits until so many processes hear each other.
    pub async fn until_joined(&self, processes: i64) {
        let mut beside = PgConnection::connect(&self.database.url).await.expect("the database opens");
        until_joined(&mut beside, processes).await;
        beside.close().await.expect("the database closes");
    }

    /// Ends these processes and takes away what they shared.
    pub async fn close(self, processes: impl IntoIterator<Item = Process>) {
        for process in processes {
            process.kill().await;
        }
        self.database.remove().await;
    }
}

/// Waits until so many processes are connected to hear and to tell, and have told.
pub async fn until_joined(beside: &mut PgConnection, processes: i64) {
    let of = "select least(count(*) filter (where query like 'LISTEN%' and state = 'idle'),
        count(*) filter (where query like '%pg_notify%' and application_name = 'workroom notify'))
        from pg_stat_activity where datname = current_database()";
    let begun = Instant::now();
    while query_scalar::<_, i64>(of).fetch_one(&mut *beside).await.expect("a count") != processes {
        assert!(begun.elapsed() < PATIENCE, "{processes} processes hear each other in time");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
