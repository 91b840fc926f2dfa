//! Runs: their rows. Status, lease and timeline move only through `lease` and `timeline`.

use sqlx::QueryBuilder;

use super::{
    Conn, Tx, history,
    list::{self, push_in},
    project::{owned, stands},
    sql,
};
use crate::{
    error::Result,
    model::{
        chain::Chain,
        file::PinnedFile,
        id::{ProjectId, RunId, SessionId, UserId},
        page::{Key, ListId, Page, PageRequest},
        run::{ModelUsage, Run, RunFilter, RunOrder},
        scope::{ProjectScope, Viewer},
    },
};

// `json()` is there on both engines: SQLite reads the text, PostgreSQL tells the driver that the text is JSON.
macro_rules! columns {
    () => {
        $crate::store::run::columns!("answer")
    };
    ($answer:literal) => {
        concat!(
            "id, number, project_id, user_id, session_id, prompt, ",
            $answer,
            ", agent, model, status, json(failure) as failure, cancel_requested_at, cancel_requested_by, created_at, \
            started_at, completed_at, rerun_of, last_sequence, input_tokens, cached_input_tokens, output_tokens, \
            reasoning_tokens"
        )
    };
}
pub(super) use columns;

/// Keeps a new run without events.
pub async fn insert(tx: &mut Tx, run: &Run) -> Result<()> {
    insert_at(tx, run, &Chain::start(run.id, 1)).await
}

/// Keeps a new run whose timeline stands there.
pub(super) async fn insert_at(tx: &mut Tx, run: &Run, chain: &Chain) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "insert into run (id, number, project_id, user_id, session_id, prompt, agent, model, status, created_at, rerun_of,
        last_sequence, chain_from, chain_head, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
        lease_generation, lease_counter)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 0, 0, 0, 0, 0, 0)")
        .bind(run.id).bind(run.number).bind(run.project_id).bind(run.user_id).bind(run.session_id).bind(&run.prompt)
        .bind(&run.agent).bind(&run.model).bind(run.status).bind(run.created_at).bind(run.rerun_of).bind(chain.last)
        .bind(chain.from).bind(chain.head.as_slice()).execute(c).await.map(|_| ()))?;
    history::make_findable(tx, run.id, &run.prompt, None).await
}

/// Keeps which files a run is about, as they are now.
pub async fn insert_inputs(tx: &mut Tx, inputs: &[PinnedFile]) -> Result<()> {
    for (position, input) in (0_i64..).zip(inputs) {
        sql!(tx, c => sqlx::query("insert into run_input (run_id, position, path, version_id) values ($1, $2, $3, $4)")
            .bind(input.run_id).bind(position).bind(&input.path).bind(input.version_id).execute(c).await.map(|_| ()))?;
    }
    Ok(())
}

/// A run of the viewer's.
pub async fn get(conn: &mut Conn, viewer: &Viewer, id: RunId) -> Result<Option<Run>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(), " from run where id = $1 and user_id = $2 and ",
        stands!("project_id")))
        .bind(id).bind(viewer.user_id()).fetch_optional(c).await)?)
}

/// Whether a run of the viewer's is there.
pub async fn exists(conn: &mut Conn, viewer: &Viewer, id: RunId) -> Result<bool> {
    Ok(sql!(conn, c => sqlx::query_scalar::<_, i32>(
        concat!("select 1 from run where id = $1 and user_id = $2 and ", stands!("project_id")))
        .bind(id).bind(viewer.user_id()).fetch_optional(c).await)?
    .is_some())
}

/// Of these runs the viewer's own.
pub async fn by_ids(conn: &mut Conn, viewer: &Viewer, ids: &[RunId]) -> Result<Vec<Run>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(), " from run where ", owned!("user_id")));
        query.push_bind(viewer.user_id()).push(concat!(" and ", stands!("project_id"), " and "));
        push_in(&mut query, "id", ids.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Whose runs a list holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RunsOf {
    /// A project's.
    Project(ProjectId),
    /// A workspace session's.
    Session(SessionId),
    /// Those that repeat this one.
    Original(RunId),
}

impl RunsOf {
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Project(_) => "project_id",
            Self::Session(_) => "session_id",
            Self::Original(_) => "rerun_of",
        }
    }

    pub(super) fn id(self) -> uuid::Uuid {
        match self {
            Self::Project(id) => id.0,
            Self::Session(id) => id.0,
            Self::Original(id) => id.0,
        }
    }
}

/// The list that a page of runs is of.
pub fn list_id(viewer: &Viewer, of: RunsOf, filter: &RunFilter, order: RunOrder) -> ListId {
    ListId::new("runs", &(viewer.user_id(), of, filter, order))
}

/// A run's place in its list.
pub fn key(run: &Run) -> Key {
    Key { sort: String::new(), id: run.id.0 }
}

macro_rules! push_rows {
    ($query:ident, $viewer:ident, $of:ident, $filter:expr) => {
        $query.push(" from run as listed where user_id = ").push_bind($viewer.user_id());
        $query.push(concat!(" and ", stands!("listed.project_id"), " and "));
        $query.push($of.column()).push(" = ").push_bind($of.id());
        history::push_conditions!($query, $filter);
    };
}
pub(super) use push_rows;

/// How a list of runs is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunListing {
    /// Which runs.
    pub filter: RunFilter,
    /// In which order.
    pub order: RunOrder,
    /// Which page.
    pub request: PageRequest<Key>,
}

/// A page of runs for each of several owners: projects, sessions, originals.
pub async fn pages(conn: &mut Conn, viewer: &Viewer, of: &[RunsOf], listing: &RunListing) -> Result<Vec<Page<Run>>> {
    let RunListing { filter, order, request } = listing;
    Ok(list::pages!(Run, conn, of, concat!(columns!(), " from run where id"), request, order.direction, |query, of| {
        push_rows!(query, viewer, of, filter);
    }))
}

/// How many runs each owner has that pass the filter.
pub async fn counts(conn: &mut Conn, viewer: &Viewer, of: &[RunsOf], filter: &RunFilter) -> Result<Vec<u64>> {
    Ok(list::counts!(conn, of, |query, of| {
        push_rows!(query, viewer, of, filter);
    }))
}

/// The runs of a project that have not ended, oldest first.
pub async fn unfinished(conn: &mut Conn, scope: &ProjectScope) -> Result<Vec<Run>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(),
        " from run where project_id = $1 and user_id = $2 and status in ('QUEUED', 'RUNNING') order by id"))
        .bind(scope.project_id()).bind(scope.user_id()).fetch_all(c).await)?)
}

/// The viewer's runs that have not ended, of one project or of all, newest first, at most `most`.
pub async fn under_way(conn: &mut Conn, viewer: &Viewer, project: Option<ProjectId>, most: i64) -> Result<Vec<Run>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(),
            " from run where status in ('QUEUED', 'RUNNING') and ", stands!("project_id"), " and user_id = "));
        query.push_bind(viewer.user_id());
        if let Some(project) = project {
            query.push(" and project_id = ").push_bind(project);
        }
        query.push(" order by id desc limit ").push_bind(most);
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The session's latest completed runs before this one, newest first: what follow-ups are told of.
pub async fn answered_before(conn: &mut Conn, scope: &ProjectScope, run: &Run, most: i64) -> Result<Vec<Run>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(),
        " from run where session_id = $1 and user_id = $2 and project_id = $3 and id < $4 and status = 'COMPLETED'
        order by id desc limit $5"))
        .bind(run.session_id).bind(scope.user_id()).bind(scope.project_id()).bind(run.id).bind(most).fetch_all(c).await)?)
}

/// The files that these runs are about.
pub async fn inputs(conn: &mut Conn, viewer: &Viewer, runs: &[RunId]) -> Result<Vec<PinnedFile>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!(
            "select run_id, path, run_input.version_id, sha256, size from run_input
            join file_version on file_version.version_id = run_input.version_id
            join run on run.id = run_id where ", owned!("user_id")));
        query.push_bind(viewer.user_id()).push(concat!(" and ", stands!("run.project_id"), " and "));
        push_in(&mut query, "run_id", runs.iter().copied());
        query.push(" order by run_id, position");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// What each model consumed in these runs.
pub async fn models(conn: &mut Conn, viewer: &Viewer, runs: &[RunId]) -> Result<Vec<ModelUsage>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!(
            "select run_id, run_model.model, run_model.input_tokens, run_model.cached_input_tokens,
            run_model.output_tokens, run_model.reasoning_tokens
            from run_model join run on run.id = run_id where ", owned!("user_id")));
        query.push_bind(viewer.user_id()).push(concat!(" and ", stands!("project_id"), " and "));
        push_in(&mut query, "run_id", runs.iter().copied());
        query.push(" order by run_id, run_model.model");
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The runs of a session that have not ended, oldest first: what its end cancels.
pub async fn unfinished_of_session(conn: &mut Conn, owner: UserId, session: SessionId) -> Result<Vec<Run>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(),
        " from run where session_id = $1 and user_id = $2 and status in ('QUEUED', 'RUNNING') order by id"))
        .bind(session).bind(owner).fetch_all(c).await)?)
}
