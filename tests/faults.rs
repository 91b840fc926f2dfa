//! What a server does while the ground under it gives way: a full disk, a folder that cannot be written, a locked database, a
//! clock that jumps, a crowd. Every answer is typed, nothing is half done, and it goes on by itself when the fault is over.
//!
//! Some of this needs minutes, and is told in the long mode alone: `make long`, or `WORKROOM_LONG=1`.

mod clock;
mod crowd;
mod disk;
mod full;
mod ground;
mod locked;

use std::path::Path;

use serde_json::Value;
use sqlx::{Connection, SqliteConnection, query_scalar, sqlite::SqliteConnectOptions};

/// The code of an answer's only error.
fn code(answer: &Value) -> &str {
    assert_eq!(answer["errors"].as_array().map(Vec::len), Some(1), "one error: {answer:#}");
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("a code: {answer:#}"))
}

/// The database in this folder is sound.
async fn integrity(data: &Path) {
    let options = SqliteConnectOptions::new().filename(data.join("workroom.sqlite"));
    let mut conn = SqliteConnection::connect_with(&options).await.expect("the database opens");
    let said: String = query_scalar("pragma integrity_check").fetch_one(&mut conn).await.expect("a check");
    assert_eq!(said, "ok");
    conn.close().await.expect("the database closes");
}
