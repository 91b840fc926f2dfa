//! Files: what stands at a path, and the immutable contents.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    list::{Sorting, push_in, push_page},
    sql,
};
use crate::{
    error::Result,
    model::{
        file::{File, FileArea, FileVersion},
        id::{FileId, ProjectId, VersionId},
        page::{Key, ListId, Page, PageRequest},
        project::OrderDirection,
        scope::{ProjectScope, Viewer},
    },
};

macro_rules! columns {
    () => {
        "file.id, file.project_id, file.area, path, original_name, modified_at, file.version_id, object_name, size, \
        sha256, media_type"
    };
}
macro_rules! joined {
    () => {
        " from file join file_version on file_version.version_id = file.version_id \
        join project on project.id = file.project_id and project.deleting_at is null "
    };
}

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
        let mut query = QueryBuilder::new(concat!("select ", columns!(), joined!(), "where project.user_id = "));
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

/// The list that a page of an area's files is of.
pub fn list_id(viewer: &Viewer, project: ProjectId, area: FileArea) -> ListId {
    ListId::new("files", &(viewer.user_id(), project, area))
}

/// A file's place in its list.
pub fn key(file: &File) -> Key {
    Key { sort: file.path.clone(), id: file.id.0 }
}

/// A page of an area's files, by path.
pub async fn page(
    conn: &mut Conn,
    viewer: &Viewer,
    project: ProjectId,
    area: FileArea,
    request: &PageRequest<Key>,
) -> Result<Page<File>> {
    let sorting = Sorting { column: Some("path"), direction: OrderDirection::Asc };
    let rows = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select * from (select ", columns!(), joined!(), "where file.project_id = "));
        query.push_bind(project).push(" and project.user_id = ").push_bind(viewer.user_id());
        query.push(" and file.area = ").push_bind(area).push(") as listed where true");
        push_page(&mut query, sorting, request, |key| (key.sort.clone(), key.id));
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(request.page(rows))
}

/// How many files an area has.
pub async fn count(conn: &mut Conn, viewer: &Viewer, project: ProjectId, area: FileArea) -> Result<u64> {
    let count: i64 = sql!(conn, c => sqlx::query_scalar(
        "select count(*) from file join project on project.id = project_id and deleting_at is null
        where project_id = $1 and user_id = $2 and area = $3")
        .bind(project).bind(viewer.user_id()).bind(area).fetch_one(c).await)?;
    Ok(count.unsigned_abs())
}
