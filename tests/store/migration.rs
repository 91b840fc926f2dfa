//! Opening databases of other ages.

use workroom::{
    error::Kind,
    store::{Location, Store},
};

use super::fixture::{change, viewer};
use crate::support::{postgres, sqlite_in};

const NEWER: &str = "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
    values (9999, 'from the future', true, ";

async fn a_database_ages_well(location: Location, checksum: &str) {
    let store = Store::open(&location).await.expect("a new database");
    let ada = viewer(&store, "ada").await;
    store.close().await;

    let (one, two) = tokio::join!(Store::open(&location), Store::open(&location));
    let (store, other) = (one.expect("opening again"), two.expect("opening twice at once"));
    assert_eq!(viewer(&store, "ada").await, ada, "what was there is there");
    let newer: &'static str = Box::leak(format!("{NEWER}{checksum}, 0)").into_boxed_str());
    change(&store, newer, vec![]).await.expect("a migration from the future");
    store.close().await;
    other.close().await;

    let error = Store::open(&location).await.err().expect("a newer database is refused");
    assert_eq!(error.kind(), Kind::Conflict);
    assert!(error.message().contains("9999"), "{error}");
}

#[tokio::test]
async fn a_sqlite_database_opens_again_and_a_newer_one_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    a_database_ages_well(sqlite_in(&folder), "x'00'").await;
}

#[tokio::test]
async fn a_postgres_database_opens_again_and_a_newer_one_is_refused() {
    let Some(database) = postgres::database().await else { return };
    a_database_ages_well(Location::Postgres(database.url.clone()), "'\\x00'").await;
    database.remove().await;
}

#[tokio::test]
async fn many_processes_may_open_a_new_postgres_database_at_once() {
    let Some(database) = postgres::database().await else { return };
    let location = Location::Postgres(database.url.clone());
    for store in futures_util::future::join_all((0..5).map(|_| Store::open(&location))).await {
        store.expect("each opens").close().await;
    }
    database.remove().await;
}

#[tokio::test]
async fn a_cluster_of_ones_own_can_be_stopped_and_started() {
    if postgres::skipped() {
        return;
    }
    let mut cluster = tokio::task::spawn_blocking(postgres::Cluster::new).await.expect("a cluster");
    let store = Store::open(&Location::Postgres(cluster.url("postgres"))).await.expect("it opens");
    let ada = viewer(&store, "ada").await;
    let mut cluster = tokio::task::spawn_blocking(move || {
        cluster.stop();
        cluster
    })
    .await
    .expect("it stops");
    assert_eq!(store.ping().await.expect_err("it is away").kind(), Kind::Unavailable);
    let cluster = tokio::task::spawn_blocking(move || {
        cluster.start();
        cluster.restart();
        cluster
    })
    .await
    .expect("it starts");
    assert_eq!(viewer(&store, "ada").await, ada, "the same store goes on");
    store.close().await;
    tokio::task::spawn_blocking(move || drop(cluster)).await.expect("it is removed");
}
