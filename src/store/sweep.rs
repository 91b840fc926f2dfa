//! Contents that nothing names: what the reaper looks at, marks, and takes away. It sees ids, never a content.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{Conn, Tx, list::push_in, sql};
use crate::{
    error::Result,
    model::{
        file::FileArea,
        id::{ProjectId, VersionId},
        scope::Sweep,
    },
};

/// What names a content, in the words of a `where` over `file_version`.
macro_rules! named {
    () => {
        "(exists (select 1 from file where file.version_id = file_version.version_id) \
        or exists (select 1 from artifact where artifact.version_id = file_version.version_id) \
        or exists (select 1 from run_input where run_input.version_id = file_version.version_id))"
    };
}

/// A content in the eyes of the reaper.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Looked {
    /// Which.
    pub version_id: VersionId,
    /// Whether a file, an artifact or a run names it.
    pub named: bool,
    /// Since when the reaper knows that nothing does.
    pub loose_since: Option<DateTime<Utc>>,
}

/// Some contents after this one, in the order of their ids.
pub async fn look(conn: &mut Conn, _: &Sweep, after: Option<VersionId>, most: i64) -> Result<Vec<Looked>> {
    let after = after.map_or(Uuid::nil(), |id| id.0);
    Ok(sql!(conn, c => sqlx::query_as(concat!(
        "select version_id, loose_since, ", named!(), " as named from file_version where version_id > $1
        order by version_id limit $2"))
        .bind(after).bind(most).fetch_all(c).await)?)
}

/// Notes since when nothing names these contents, or that something does again.
pub async fn mark(tx: &mut Tx, _: &Sweep, versions: &[VersionId], since: Option<DateTime<Utc>>) -> Result<()> {
    sql!(tx, c => {
        let mut query = QueryBuilder::new("update file_version set loose_since = ");
        query.push_bind(since).push(" where ");
        push_in(&mut query, "version_id", versions.iter().copied());
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(())
}

/// Where a content was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Gone {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area.
    pub area: FileArea,
    /// Which.
    pub version_id: VersionId,
}

/// Forgets those of these contents that nothing has named since before this time, and that nothing names now. Their bytes can go
/// after the commit.
pub async fn forget(tx: &mut Tx, _: &Sweep, versions: &[VersionId], before: DateTime<Utc>) -> Result<Vec<Gone>> {
    Ok(sql!(tx, c => {
        let mut query = QueryBuilder::new("delete from file_version where loose_since <= ");
        query.push_bind(before).push(concat!(" and not ", named!(), " and "));
        push_in(&mut query, "version_id", versions.iter().copied());
        query.push(" returning project_id, area, version_id");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Those of these contents that are known.
pub async fn known(conn: &mut Conn, _: &Sweep, versions: &[VersionId]) -> Result<Vec<VersionId>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new("select version_id from file_version where ");
        push_in(&mut query, "version_id", versions.iter().copied());
        query.build_query_scalar().fetch_all(c).await
    })?)
}
