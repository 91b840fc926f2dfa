//! Files: what stands at a path, and the immutable contents. What a directory holds is in `directory`.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{Conn, Tx, list::push_in, project::owned, sql};
use crate::{
    error::{Error, Result},
    model::{
        file::{File, FileArea, FileVersion, below},
        id::{FileId, ProjectId, VersionId},
        scope::{ProjectScope, Viewer},
    },
};

macro_rules! columns {
    () => {
        "file.id, file.project_id, file.area, path, original_name, modified_at, file.version_id, object_name, size, \
        sha256, media_type"
    };
}
pub(super) use columns;
macro_rules! joined {
    () => {
        " from file join file_version on file_version.version_id = file.version_id \
        join project on project.id = file.project_id and project.deleting_at is null "
    };
}
pub(super) use joined;

/// Names a content that is durable already.
pub async fn insert_version(
    tx: &mut Tx,
    scope: &ProjectScope,
    area: FileArea,
    version: &FileVersion,
    now: DateTime<Utc>,
) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "insert into file_version (version_id, project_id, area, object_name, size, sha256, media_type, created_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(version.version_id).bind(scope.project_id()).bind(area).bind(&version.object_name).bind(version.size)
        .bind(&version.sha256).bind(&version.media_type).bind(now).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// What to put at a path.
#[derive(Clone, Debug)]
pub struct Placing {
    /// In which area.
    pub area: FileArea,
    /// Where in the area.
    pub path: String,
    /// The name as it was given.
    pub original_name: String,
    /// The content; it has a row.
    pub version_id: VersionId,
}

/// Puts a content at a path, in place of what stood there; answers with the file's id.
pub async fn place(tx: &mut Tx, scope: &ProjectScope, placing: &Placing, now: DateTime<Utc>) -> Result<FileId> {
    Ok(sql!(tx, c => sqlx::query_scalar(
        "insert into file (id, project_id, area, path, original_name, version_id, modified_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (project_id, area, path) do update set
        original_name = excluded.original_name, version_id = excluded.version_id, modified_at = excluded.modified_at
        returning id")
        .bind(FileId::new()).bind(scope.project_id()).bind(placing.area).bind(&placing.path).bind(&placing.original_name)
        .bind(placing.version_id).bind(now).fetch_one(c).await)?)
}

/// The file at a path.
pub async fn at(conn: &mut Conn, scope: &ProjectScope, area: FileArea, path: &str) -> Result<Option<File>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(), joined!(),
        "where file.project_id = $1 and project.user_id = $2 and file.area = $3 and path = $4"))
        .bind(scope.project_id()).bind(scope.user_id()).bind(area).bind(path).fetch_optional(c).await)?)
}

/// Of these files the viewer's own.
pub async fn by_ids(conn: &mut Conn, viewer: &Viewer, ids: &[FileId]) -> Result<Vec<File>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(), joined!(), "where ", owned!("project.user_id")));
        query.push_bind(viewer.user_id()).push(" and ");
        push_in(&mut query, "file.id", ids.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// A content of a project of the viewer's, by its id.
pub async fn version(
    conn: &mut Conn,
    viewer: &Viewer,
    id: VersionId,
) -> Result<Option<(ProjectId, FileArea, FileVersion)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        project_id: ProjectId,
        area: FileArea,
        #[sqlx(flatten)]
        version: FileVersion,
    }
    let row: Option<Row> = sql!(conn, c => sqlx::query_as(
        "select project_id, area, version_id, object_name, size, sha256, media_type from file_version
        join project on project.id = project_id and deleting_at is null
        where version_id = $1 and user_id = $2")
        .bind(id).bind(viewer.user_id()).fetch_optional(c).await)?;
    Ok(row.map(|row| (row.project_id, row.area, row.version)))
}

/// Puts a new file under this id at a path; says whether the path was free.
pub async fn place_new(
    tx: &mut Tx,
    scope: &ProjectScope,
    id: FileId,
    placing: &Placing,
    now: DateTime<Utc>,
) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "insert into file (id, project_id, area, path, original_name, version_id, modified_at)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (project_id, area, path) do nothing")
        .bind(id).bind(scope.project_id()).bind(placing.area).bind(&placing.path).bind(&placing.original_name)
        .bind(placing.version_id).bind(now).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Puts a content in place of the one that `seen` has; says whether it still had that.
pub async fn replace(
    tx: &mut Tx,
    scope: &ProjectScope,
    seen: &File,
    placing: &Placing,
    now: DateTime<Utc>,
) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update file set original_name = $1, version_id = $2, modified_at = $3
        where id = $4 and project_id = $5 and path = $6 and version_id = $7")
        .bind(&placing.original_name).bind(placing.version_id).bind(now).bind(seen.id).bind(scope.project_id())
        .bind(&placing.path).bind(seen.version.version_id).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Of these paths those at which there is a file.
pub async fn taken(conn: &mut Conn, scope: &ProjectScope, area: FileArea, paths: &[String]) -> Result<Vec<String>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new("select path from file where project_id = ");
        query.push_bind(scope.project_id()).push(" and area = ").push_bind(area).push(" and ");
        push_in(&mut query, "path", paths.iter().cloned());
        query.build_query_scalar().fetch_all(c).await
    })?)
}

/// An area of the scope's project, in the words of a `where`.
macro_rules! in_area {
    () => {
        " where project_id = $1 and area = $2 and exists (select 1 from project where project.id = $1 and user_id = $3 \
        and deleting_at is null) "
    };
}

/// Moves a file to another path; says whether it was there. A `CONFLICT` if there is one at the other path.
pub async fn rename(tx: &mut Tx, scope: &ProjectScope, area: FileArea, from: &str, to: &str) -> Result<bool> {
    let moved = sql!(tx, c => sqlx::query(concat!("update file set path = $5", in_area!(), "and path = $4"))
        .bind(scope.project_id()).bind(area).bind(scope.user_id()).bind(from).bind(to).execute(c).await
        .map(|done| done.rows_affected() > 0));
    moved.map_err(occupied)
}

/// Moves all files below a directory to below another; answers with how many. A `CONFLICT` if one's new path is taken.
pub async fn rename_below(tx: &mut Tx, scope: &ProjectScope, area: FileArea, from: &str, to: &str) -> Result<u64> {
    let (start, end) = below(from);
    let rest = i32::try_from(from.chars().count()).unwrap_or(i32::MAX).saturating_add(1);
    let moved = sql!(tx, c => sqlx::query(concat!(
        "update file set path = $6 || substr(path, $7)", in_area!(), "and path >= $4 and path < $5"))
        .bind(scope.project_id()).bind(area).bind(scope.user_id()).bind(start).bind(end).bind(to).bind(rest)
        .execute(c).await.map(|done| done.rows_affected()));
    moved.map_err(occupied)
}

fn occupied(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(database) if database.is_unique_violation() => {
            Error::conflict("There is a file at the new path already.").because(error)
        }
        _ => error.into(),
    }
}

/// The length of the longest path below a directory, in bytes; none if there is no file.
pub async fn longest_below(conn: &mut Conn, scope: &ProjectScope, area: FileArea, path: &str) -> Result<Option<i32>> {
    let (start, end) = below(path);
    Ok(sql!(conn, c => sqlx::query_scalar(concat!(
        "select cast(max(octet_length(path)) as integer) from file", in_area!(), "and path >= $4 and path < $5"))
        .bind(scope.project_id()).bind(area).bind(scope.user_id()).bind(start).bind(end).fetch_one(c).await)?)
}

/// Takes a file away; says whether it was there. Its content stays as long as something names it, and then a while.
pub async fn remove(tx: &mut Tx, scope: &ProjectScope, area: FileArea, path: &str) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(concat!("delete from file", in_area!(), "and path = $4"))
        .bind(scope.project_id()).bind(area).bind(scope.user_id()).bind(path).execute(c).await
        .map(|done| done.rows_affected() > 0))?)
}

/// Takes all files below a directory away; answers with how many.
pub async fn remove_below(tx: &mut Tx, scope: &ProjectScope, area: FileArea, path: &str) -> Result<u64> {
    let (start, end) = below(path);
    Ok(sql!(tx, c => sqlx::query(concat!("delete from file", in_area!(), "and path >= $4 and path < $5"))
        .bind(scope.project_id()).bind(area).bind(scope.user_id()).bind(start).bind(end).execute(c).await
        .map(|done| done.rows_affected()))?)
}
