//! Workspace sessions. Every read shows a session as it is now: one whose time is up reads as ended.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    list::{self, push_in},
    project::{owned, stands},
    sql,
};
use crate::{
    clock,
    error::{Error, Result},
    model::{
        id::{ProjectId, SessionId, UserId},
        page::{Key, Page, PageRequest},
        project::OrderDirection,
        scope::{ProjectScope, Sweep, Viewer},
        session::{SessionEndReason, WorkspaceSession},
    },
};

macro_rules! columns {
    () => {
        "session.id, project_id, user_id, session.created_at, expires_at, ttl_seconds, ended_at, end_reason"
    };
}
pub(super) use columns;

/// Provisions a session unless one is active; says whether it did. The database holds the rule, whoever asks at once.
pub async fn insert_if_none_is_active(tx: &mut Tx, session: &WorkspaceSession) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "insert into session (id, project_id, user_id, created_at, expires_at, ttl_seconds)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing")
        .bind(session.id).bind(session.project_id).bind(session.user_id).bind(session.created_at)
        .bind(session.expires_at).bind(session.ttl_seconds)
        .execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// The active session of a project.
pub async fn active(conn: &mut Conn, scope: &ProjectScope) -> Result<Option<WorkspaceSession>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(),
        " from session where project_id = $1 and user_id = $2 and ended_at is null and expires_at > $3 and ",
        stands!("project_id")))
        .bind(scope.project_id()).bind(scope.user_id()).bind(clock::now()).fetch_optional(c).await)?)
}

/// The active sessions of these projects.
pub async fn active_of(conn: &mut Conn, viewer: &Viewer, projects: &[ProjectId]) -> Result<Vec<WorkspaceSession>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(),
            " from session where ", stands!("project_id"), " and ended_at is null and expires_at > "));
        query.push_bind(clock::now()).push(" and user_id = ").push_bind(viewer.user_id()).push(" and ");
        push_in(&mut query, "project_id", projects.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// Of these sessions the viewer's own.
pub async fn by_ids(conn: &mut Conn, viewer: &Viewer, ids: &[SessionId]) -> Result<Vec<WorkspaceSession>> {
    let mut rows: Vec<WorkspaceSession> = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(), " from session where ", owned!("user_id")));
        query.push_bind(viewer.user_id()).push(concat!(" and ", stands!("project_id"), " and "));
        push_in(&mut query, "id", ids.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?;
    let now = clock::now();
    for session in &mut rows {
        session.see_at(now);
    }
    Ok(rows)
}

/// Which sessions a list holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionFilter {
    /// Only of this project.
    pub project_id: Option<ProjectId>,
    /// Only active ones.
    pub active_only: bool,
}

macro_rules! push_rows {
    ($query:ident, $viewer:ident, $filter:ident, $now:ident) => {
        $query.push(" from session where user_id = ").push_bind($viewer.user_id());
        $query.push(concat!(" and ", stands!("project_id")));
        if let Some(project_id) = $filter.project_id {
            $query.push(" and project_id = ").push_bind(project_id);
        }
        if $filter.active_only {
            $query.push(" and ended_at is null and expires_at > ").push_bind($now);
        }
    };
}

/// A page of the viewer's sessions, newest first, for each of several lists.
pub async fn pages(
    conn: &mut Conn,
    viewer: &Viewer,
    of: &[SessionFilter],
    request: &PageRequest<Key>,
) -> Result<Vec<Page<WorkspaceSession>>> {
    let (now, shown) = (clock::now(), concat!(columns!(), " from session where id"));
    let mut pages = list::pages!(WorkspaceSession, conn, of, shown, request, OrderDirection::Desc, |query, filter| {
        push_rows!(query, viewer, filter, now);
    });
    for session in pages.iter_mut().flat_map(|page| &mut page.items) {
        session.see_at(now);
    }
    Ok(pages)
}

/// One such page.
pub async fn page(
    conn: &mut Conn,
    viewer: &Viewer,
    filter: SessionFilter,
    request: &PageRequest<Key>,
) -> Result<Page<WorkspaceSession>> {
    let page = pages(conn, viewer, &[filter], request).await?.pop();
    page.ok_or_else(|| Error::internal("a page of sessions was not read"))
}

/// How many sessions each list holds.
pub async fn counts(conn: &mut Conn, viewer: &Viewer, of: &[SessionFilter]) -> Result<Vec<u64>> {
    let now = clock::now();
    Ok(list::counts!(conn, of, |query, filter| {
        push_rows!(query, viewer, filter, now);
    }))
}

/// Ends a session of the owner's, if it has not ended; says whether it did.
///
/// Holds the project's row first, as whoever starts a run does: of the two, the second sees what the first has done, and no
/// run slips into a session that ends.
pub async fn end(
    tx: &mut Tx,
    owner: UserId,
    id: SessionId,
    reason: SessionEndReason,
    now: DateTime<Utc>,
) -> Result<bool> {
    sql!(tx, c => sqlx::query(
        "update project set last_run_number = last_run_number
        where id = (select project_id from session where id = $1 and user_id = $2)")
        .bind(id).bind(owner).execute(c).await.map(|_| ()))?;
    Ok(sql!(tx, c => sqlx::query(
        "update session set ended_at = $3, end_reason = $4
        where id = $1 and user_id = $2 and ended_at is null and expires_at > $3")
        .bind(id).bind(owner).bind(now).bind(reason)
        .execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Ends all active sessions of the viewer's, who logs out; answers with their ids. Holds their projects' rows first, as [`end`]
/// does.
pub async fn end_all(tx: &mut Tx, viewer: &Viewer, now: DateTime<Utc>) -> Result<Vec<SessionId>> {
    sql!(tx, c => sqlx::query(
        "update project set last_run_number = last_run_number
        where id in (select project_id from session where user_id = $1 and ended_at is null)")
        .bind(viewer.user_id()).execute(c).await.map(|_| ()))?;
    Ok(sql!(tx, c => sqlx::query_scalar(
        "update session set ended_at = $2, end_reason = $3
        where user_id = $1 and ended_at is null and expires_at > $2 returning id")
        .bind(viewer.user_id()).bind(now).bind(SessionEndReason::Logout).fetch_all(c).await)?)
}

/// Writes down that the project's session has expired, if it has; answers with its id.
pub async fn expire_of(tx: &mut Tx, scope: &ProjectScope, now: DateTime<Utc>) -> Result<Option<SessionId>> {
    Ok(sql!(tx, c => sqlx::query_scalar(
        "update session set ended_at = expires_at, end_reason = 'TTL_EXPIRED'
        where project_id = $1 and user_id = $2 and ended_at is null and expires_at <= $3 returning id")
        .bind(scope.project_id()).bind(scope.user_id()).bind(now).fetch_optional(c).await)?)
}

/// Writes down which sessions have expired, at most `most` at a time; answers with their ids and owners.
/// Holds their projects' rows first, as [`end`] does.
pub async fn expire(tx: &mut Tx, _: &Sweep, now: DateTime<Utc>, most: i64) -> Result<Vec<(SessionId, UserId)>> {
    let due: Vec<(SessionId, ProjectId)> = sql!(tx, c => sqlx::query_as(
        "select id, project_id from session where ended_at is null and expires_at <= $1 order by expires_at, id limit $2")
        .bind(now).bind(most).fetch_all(c).await)?;
    if due.is_empty() {
        return Ok(Vec::new());
    }
    sql!(tx, c => {
        let mut query = QueryBuilder::new("update project set last_run_number = last_run_number where ");
        push_in(&mut query, "id", due.iter().map(|(_, project)| *project));
        query.build().execute(c).await.map(|_| ())
    })?;
    Ok(sql!(tx, c => {
        let mut query = QueryBuilder::new(
            "update session set ended_at = expires_at, end_reason = 'TTL_EXPIRED' where ended_at is null and ");
        push_in(&mut query, "id", due.iter().map(|(id, _)| *id));
        query.push(" returning id, user_id");
        query.build_query_as().fetch_all(c).await
    })?)
}
