//! What stands in a data folder beside a SQLite database, without the server.

use std::path::{Path, PathBuf};

use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use workroom::model::id::{ProjectId, VersionId};

use super::sha256;

/// Every content that has a row, with where its bytes have to be, their size and their hash.
pub async fn rows(data: &Path) -> Vec<(PathBuf, i64, String)> {
    let options = SqliteConnectOptions::new().filename(data.join("workroom.sqlite"));
    let mut conn = SqliteConnection::connect_with(&options).await.expect("the database opens");
    let rows: Vec<(ProjectId, String, VersionId, String, i64, String)> =
        sqlx::query_as("select project_id, area, version_id, object_name, size, sha256 from file_version")
            .fetch_all(&mut conn)
            .await
            .expect("rows");
    conn.close().await.expect("the database closes");
    let files = data.join("files/projects");
    rows.into_iter()
        .map(|(project, area, version, name, size, sha256)| {
            (files.join(project.to_string()).join(area).join(version.to_string()).join(name), size, sha256)
        })
        .collect()
}

/// Each row has its bytes; answers with how many there are.
pub async fn whole(data: &Path) -> usize {
    let rows = rows(data).await;
    for (path, size, hash) in &rows {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((bytes.len() as u64, &sha256(&bytes)), (size.unsigned_abs(), hash), "{}", path.display());
    }
    rows.len()
}
