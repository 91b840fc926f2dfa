//! Bringing the tables up to date. Migrations have equal numbers on both engines and are never edited once landed.

use sqlx::{PgPool, SqlitePool, migrate::MigrateError};

use crate::error::{Error, Kind, Result};

pub(super) async fn sqlite(pool: &SqlitePool) -> Result<()> {
    sqlx::migrate!("src/store/migrations/sqlite").run(pool).await.map_err(refused)
}

pub(super) async fn postgres(pool: &PgPool) -> Result<()> {
    sqlx::migrate!("src/store/migrations/postgres").run(pool).await.map_err(refused)
}

fn refused(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(number) => Error::new(
            Kind::Conflict,
            format!(
                "The database has migration {number}, which this version of Workroom does not know. Use a newer one."
            ),
        ),
        other => Error::unavailable(other),
    }
}
