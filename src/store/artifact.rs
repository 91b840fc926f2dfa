//! Artifacts.

use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    list::{self, push_in},
    project::{owned, stands},
    sql,
};
use crate::{
    error::Result,
    model::{
        artifact::Artifact,
        id::{ArtifactId, ProjectId, RunId},
        page::{Key, ListId, Page, PageRequest},
        project::OrderDirection,
        scope::{RunLease, Viewer},
    },
};

macro_rules! columns {
    () => {
        "artifact.id, run_id, artifact.project_id, name, artifact.created_at, artifact.version_id, object_name, size, \
        sha256, media_type"
    };
}
pub(super) use columns;
macro_rules! joined {
    () => {
        " from artifact join file_version on file_version.version_id = artifact.version_id \
        join run on run.id = artifact.run_id "
    };
}
pub(super) use joined;

/// Keeps a deliverable of the lease's run; its content has a row.
pub async fn insert(tx: &mut Tx, lease: &RunLease, artifact: &Artifact) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "insert into artifact (id, run_id, project_id, name, version_id, created_at) values ($1, $2, $3, $4, $5, $6)")
        .bind(artifact.id).bind(lease.run_id()).bind(lease.scope().project_id()).bind(&artifact.name)
        .bind(artifact.version.version_id).bind(artifact.created_at).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Of these artifacts the viewer's own.
pub async fn by_ids(conn: &mut Conn, viewer: &Viewer, ids: &[ArtifactId]) -> Result<Vec<Artifact>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(), joined!(), "where ", owned!("user_id")));
        query.push_bind(viewer.user_id()).push(concat!(" and ", stands!("artifact.project_id"), " and "));
        push_in(&mut query, "artifact.id", ids.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Whose artifacts a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ArtifactsOf {
    /// A project's.
    Project(ProjectId),
    /// A run's.
    Run(RunId),
}

impl ArtifactsOf {
    fn column(self) -> &'static str {
        match self {
            Self::Project(_) => "artifact.project_id",
            Self::Run(_) => "run_id",
        }
    }

    fn id(self) -> uuid::Uuid {
        match self {
            Self::Project(id) => id.0,
            Self::Run(id) => id.0,
        }
    }
}

/// The list that a page of artifacts is of.
pub fn list_id(viewer: &Viewer, of: ArtifactsOf) -> ListId {
    ListId::new("artifacts", &(viewer.user_id(), of))
}

/// An artifact's place in its list.
pub fn key(artifact: &Artifact) -> Key {
    Key { sort: String::new(), id: artifact.id.0 }
}

macro_rules! push_rows {
    ($query:ident, $viewer:ident, $of:ident) => {
        $query.push(" from (select artifact.id from artifact join run on run.id = artifact.run_id where user_id = ");
        $query.push_bind($viewer.user_id()).push(concat!(" and ", stands!("run.project_id"), " and "));
        $query.push($of.column()).push(" = ").push_bind($of.id()).push(") as listed where true");
    };
}

/// A page of artifacts, oldest first, for each of several owners.
pub async fn pages(
    conn: &mut Conn,
    viewer: &Viewer,
    of: &[ArtifactsOf],
    request: &PageRequest<Key>,
) -> Result<Vec<Page<Artifact>>> {
    Ok(list::pages!(
        Artifact,
        conn,
        of,
        concat!(columns!(), joined!(), "where artifact.id"),
        request,
        OrderDirection::Asc,
        |query, of| {
            push_rows!(query, viewer, of);
        }
    ))
}

/// How many artifacts each owner has.
pub async fn counts(conn: &mut Conn, viewer: &Viewer, of: &[ArtifactsOf]) -> Result<Vec<u64>> {
    Ok(list::counts!(conn, of, |query, of| {
        push_rows!(query, viewer, of);
    }))
}
