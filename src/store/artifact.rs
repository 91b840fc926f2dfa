//! Artifacts.

use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    list::{OWNERS, Placed, Sorting, push_in, push_page, split},
    project::stands,
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
macro_rules! joined {
    () => {
        " from artifact join file_version on file_version.version_id = artifact.version_id \
        join run on run.id = artifact.run_id "
    };
}

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
        let mut query = QueryBuilder::new(concat!("select ", columns!(), joined!(), "where ", stands!("artifact.project_id"), " and user_id = "));
        query.push_bind(viewer.user_id()).push(" and ");
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

/// A page of artifacts, oldest first, for each of several owners, a hundred of them in one statement.
pub async fn pages(
    conn: &mut Conn,
    viewer: &Viewer,
    of: &[ArtifactsOf],
    request: &PageRequest<Key>,
) -> Result<Vec<Page<Artifact>>> {
    let mut pages = Vec::with_capacity(of.len());
    for of in of.chunks(OWNERS) {
        let rows: Vec<Placed<Artifact>> = sql!(conn, c => {
            let mut query = QueryBuilder::new("");
            for (place, of) in of.iter().enumerate() {
                query.push(if place == 0 { "select * from (select " } else { " union all select * from (select " });
                query.push(place).push(" as place, listed.* from (");
                query.push(concat!("select ", columns!(), joined!(), "where ", stands!("artifact.project_id"), " and user_id = "));
                query.push_bind(viewer.user_id()).push(" and ").push(of.column()).push(" = ").push_bind(of.id());
                query.push(") as listed where true");
                push_page(&mut query, Sorting::by_id(OrderDirection::Asc), request, |key| (String::new(), key.id));
                query.push(") as page");
            }
            query.build_query_as().fetch_all(c).await
        })?;
        pages.extend(split(request, OrderDirection::Asc, rows, |artifact| artifact.id, of.len()));
    }
    Ok(pages)
}

/// How many artifacts each owner has.
pub async fn counts(conn: &mut Conn, viewer: &Viewer, of: &[ArtifactsOf]) -> Result<Vec<u64>> {
    let mut counts: Vec<i64> = Vec::with_capacity(of.len());
    for of in of.chunks(OWNERS) {
        counts.extend(sql!(conn, c => {
            let mut query = QueryBuilder::new("select count from (");
            for (place, of) in of.iter().enumerate() {
                query.push(if place == 0 { "select " } else { " union all select " });
                query.push(place).push(" as place, count(*) as count from artifact join run on run.id = run_id where ");
                query.push(concat!(stands!("artifact.project_id"), " and user_id = ")).push_bind(viewer.user_id());
                query.push(" and ").push(of.column()).push(" = ").push_bind(of.id());
            }
            query.push(") as counts order by place");
            query.build_query_scalar::<i64>().fetch_all(c).await
        })?);
    }
    Ok(counts.into_iter().map(i64::unsigned_abs).collect())
}
