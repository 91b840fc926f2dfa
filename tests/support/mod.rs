//! What the stories stand on: databases of their own, one for each test, and programs of other toolchains.

pub mod long;
pub mod postgres;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod preload;
pub mod program;
pub mod proxy;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub mod steps;

use std::{future::Future, time::Duration};

use tempfile::TempDir;
use workroom::store::{Location, Store};

/// The longest that a story may take. A story that waits for ever is a failure, not a pause.
const PATIENCE: Duration = Duration::from_mins(2);

/// A SQLite database in a folder of its own, which goes with the second value.
pub async fn sqlite() -> (Store, TempDir) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = Store::open(&sqlite_in(&folder)).await.expect("a new SQLite database opens");
    (store, folder)
}

/// Where the SQLite database of a folder is.
pub fn sqlite_in(folder: &TempDir) -> Location {
    Location::Sqlite(folder.path().join("workroom.db"))
}

/// Runs a story on a new SQLite database.
pub async fn on_sqlite<S: Future<Output = ()>>(story: impl FnOnce(Store) -> S) {
    let (opened, _folder) = sqlite().await;
    within(story(opened.clone())).await;
    opened.close().await;
}

/// Runs a story on a new PostgreSQL database, unless `SKIP_POSTGRES=1`.
pub async fn on_postgres<S: Future<Output = ()>>(story: impl FnOnce(Store) -> S) {
    let Some(database) = postgres::database().await else {
        return;
    };
    let opened = Store::open(&Location::Postgres(database.url.clone())).await.expect("a new PostgreSQL database opens");
    within(story(opened.clone())).await;
    opened.close().await;
    database.remove().await;
}

async fn within(story: impl Future<Output = ()>) {
    tokio::time::timeout(PATIENCE, story).await.expect("the story ends in time");
}

/// One story, two tests: `name::sqlite` and `name::postgres`.
macro_rules! on_both {
    ($($(#[$note:meta])* async fn $name:ident($store:ident: $kind:ty) $body:block)+) => { $(
        $(#[$note])*
        mod $name {
            #[allow(unused_imports, reason = "not every story needs all that its file imports")]
            use super::*;

            async fn story($store: $kind) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                $crate::support::on_sqlite(story).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                $crate::support::on_postgres(story).await;
            }
        }
    )+ };
}
pub(crate) use on_both;
