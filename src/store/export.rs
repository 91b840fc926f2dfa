//! Exports of history: the ended runs of a project, however many, a few at a time.
//!
//! First which ones come next and how long they are, then as many of them as are to be held at once.

use std::cmp::Reverse;

use sqlx::QueryBuilder;

use super::{
    Conn, history,
    list::push_in,
    project::stands,
    run::{RunsOf, columns, push_rows},
    sql,
};
use crate::{
    error::Result,
    model::{
        export::PastRun,
        id::{ProjectId, RunId},
        run::RunFilter,
        scope::Viewer,
    },
};

/// A run that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Upcoming {
    /// Which.
    pub id: RunId,
    /// How long its texts are, in bytes.
    pub bytes: i64,
}

/// The runs of a project of the viewer's that pass the filter, newest first: after that one, and no more than `most`.
pub async fn upcoming(
    conn: &mut Conn,
    viewer: &Viewer,
    (project, filter): (ProjectId, &RunFilter),
    after: Option<RunId>,
    most: i64,
) -> Result<Vec<Upcoming>> {
    let of = RunsOf::Project(project);
    let mut runs: Vec<Upcoming> = sql!(conn, c => {
        // Which rows, out of the index alone; then the rows, whose texts are measured without being read.
        let mut query = QueryBuilder::new(
            "select id, cast(octet_length(prompt) + coalesce(octet_length(failure), 0) as bigint) as bytes from run
            where id in (select id");
        push_rows!(query, viewer, of, filter);
        if let Some(after) = after {
            query.push(" and id < ").push_bind(after);
        }
        query.push(" order by id desc limit ").push_bind(most).push(")");
        query.build_query_as().fetch_all(c).await
    })?;
    runs.sort_unstable_by_key(|run| Reverse(run.id));
    Ok(runs)
}

/// Of these runs those in a project of the viewer's, newest first. Their answers, which may be long, are left where they are.
pub async fn runs(conn: &mut Conn, viewer: &Viewer, project: ProjectId, ids: &[RunId]) -> Result<Vec<PastRun>> {
    let mut runs: Vec<PastRun> = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!("null as answer"),
            ", (select count(*) from artifact where run_id = run.id) as artifact_count from run where user_id = "));
        query.push_bind(viewer.user_id()).push(concat!(" and ", stands!("project_id"), " and project_id = "));
        // With the project, each of many ids is looked up; without it, SQLite would rather read all of the user's runs.
        query.push_bind(project).push(" and ");
        push_in(&mut query, "id", ids.iter().copied());
        // There are as many of these statements as there are lengths of lists.
        query.build_query_as().persistent(false).fetch_all(c).await
    })?;
    runs.sort_unstable_by_key(|past| Reverse(past.run.id));
    Ok(runs)
}
