//! Reading what is to be checked: as it is stored, in the order of its keys, a little at a time.
//!
//! Everything here is asked with an [`Inspection`], whose owner, if it is of one user alone, is in each query.

use super::{
    Conn, artifact,
    event::{Span, spanned},
    project::stands,
    run::columns,
    sql,
};
use crate::{
    error::Result,
    model::{
        artifact::Artifact,
        file::{FileArea, FileVersion},
        id::{ArtifactId, ProjectId, RunId, VersionId},
        integrity::{SealedRun, StoredEvent},
        scope::Inspection,
    },
};

/// Restricts rows to those of the owner bound as `$1`, or to none if that is null.
macro_rules! inspected {
    ($user:literal, $project:literal) => {
        concat!(" ($1 is null or ", $user, " = $1) and ", stands!($project))
    };
}

/// A project to be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Inspected {
    /// Which.
    pub id: ProjectId,
    /// The number of its newest run; numbers have no gaps.
    pub last_run_number: i64,
}

/// Some projects after this one, in the order of their ids.
pub async fn projects(
    conn: &mut Conn,
    inspection: &Inspection,
    after: Option<ProjectId>,
    most: i64,
) -> Result<Vec<Inspected>> {
    let after = after.unwrap_or(ProjectId(uuid::Uuid::nil()));
    Ok(sql!(conn, c => sqlx::query_as(
        "select id, last_run_number from project
        where ($1 is null or user_id = $1) and deleting_at is null and id > $2 order by id limit $3")
        .bind(inspection.owner()).bind(after).bind(most).fetch_all(c).await)?)
}

/// One project.
pub async fn project(conn: &mut Conn, inspection: &Inspection, id: ProjectId) -> Result<Option<Inspected>> {
    Ok(sql!(conn, c => sqlx::query_as(
        "select id, last_run_number from project where ($1 is null or user_id = $1) and deleting_at is null and id = $2")
        .bind(inspection.owner()).bind(id).fetch_optional(c).await)?)
}

/// The numbers and ids of some runs of a project after this number, in the order of their numbers.
pub async fn runs(
    conn: &mut Conn,
    inspection: &Inspection,
    project: ProjectId,
    after: i64,
    most: i64,
) -> Result<Vec<(i64, RunId)>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select number, id from run where", inspected!("user_id", "project_id"),
        " and project_id = $2 and number > $3 order by number limit $4"))
        .bind(inspection.owner()).bind(project).bind(after).bind(most).fetch_all(c).await)?)
}

/// A run with its seal.
pub async fn run(conn: &mut Conn, inspection: &Inspection, id: RunId) -> Result<Option<SealedRun>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(), ", chain_from, chain_head from run where",
        inspected!("user_id", "project_id"), " and id = $2"))
        .bind(inspection.owner()).bind(id).fetch_optional(c).await)?)
}

/// The events of a run after one sequence and up to another, as many as the span allows.
pub async fn events(
    conn: &mut Conn,
    inspection: &Inspection,
    run: RunId,
    (after, to): (i64, i64),
    span: Span,
) -> Result<Vec<StoredEvent>> {
    let (rows, bytes) = span.bounds()?;
    Ok(sql!(conn, c => sqlx::query_as(spanned!("sequence, at, kind, body, salt, hash", concat!(
            "run_id = $2 and sequence > $3 and sequence <= $6 and exists (select 1 from run where id = $2 and",
            inspected!("user_id", "project_id"), ")")))
        .bind(inspection.owner()).bind(run).bind(after).bind(rows).bind(bytes).bind(to).fetch_all(c).await)?)
}

/// The sequence of the last event that a run has, whatever its row says.
pub async fn last_event(conn: &mut Conn, inspection: &Inspection, run: RunId) -> Result<Option<i64>> {
    Ok(sql!(conn, c => sqlx::query_scalar(concat!(
        "select max(sequence) from run_event where run_id = $2 and exists (select 1 from run where id = $2 and",
        inspected!("user_id", "project_id"), ")"))
        .bind(inspection.owner()).bind(run).fetch_one(c).await)?)
}

/// An artifact.
pub async fn artifact(conn: &mut Conn, inspection: &Inspection, id: ArtifactId) -> Result<Option<Artifact>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", artifact::columns!(), artifact::joined!(), "where",
        inspected!("user_id", "artifact.project_id"), " and artifact.id = $2"))
        .bind(inspection.owner()).bind(id).fetch_optional(c).await)?)
}

/// How many artifacts a run has.
pub async fn artifact_count(conn: &mut Conn, inspection: &Inspection, run: RunId) -> Result<i64> {
    Ok(sql!(conn, c => sqlx::query_scalar(concat!(
        "select count(*) from artifact where run_id = $2 and exists (select 1 from run where id = $2 and",
        inspected!("user_id", "project_id"), ")"))
        .bind(inspection.owner()).bind(run).fetch_one(c).await)?)
}

/// A content that is not an artifact's.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Content {
    /// In which area.
    pub area: FileArea,
    /// The content.
    #[sqlx(flatten)]
    pub version: FileVersion,
}

/// Some contents of a project after this one, in the order of their ids, without those of artifacts.
pub async fn contents(
    conn: &mut Conn,
    inspection: &Inspection,
    project: ProjectId,
    after: Option<VersionId>,
    most: i64,
) -> Result<Vec<Content>> {
    let after = after.unwrap_or(VersionId(uuid::Uuid::nil()));
    Ok(sql!(conn, c => sqlx::query_as(concat!(
        "select area, version_id, object_name, size, sha256, media_type from file_version
        where project_id = $2 and version_id > $3 and area <> $5 and exists (select 1 from project where id = $2 and",
        inspected!("user_id", "id"), ") order by version_id limit $4"))
        .bind(inspection.owner()).bind(project).bind(after).bind(most).bind(FileArea::Artifacts).fetch_all(c).await)?)
}

/// Where a content stands in its project: the path of a file, or nothing if none has it now. `None` if the content is gone.
pub async fn place(conn: &mut Conn, inspection: &Inspection, version: VersionId) -> Result<Option<Option<String>>> {
    Ok(sql!(conn, c => sqlx::query_scalar(concat!(
        "select (select min(path) from file where file.version_id = file_version.version_id) from file_version
        join project on project.id = project_id
        where version_id = $2 and", inspected!("user_id", "project_id")))
        .bind(inspection.owner()).bind(version).fetch_optional(c).await)?)
}
