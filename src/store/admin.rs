//! What admins see and do: sessions of everybody, and the record of what was done to them. Nothing of what is in a project.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    list::{Sorting, push_page},
    project::stands,
    session::columns,
    sql,
};
use crate::{
    clock,
    error::Result,
    model::{
        admin::{AdminAction, AdminActionKind, AdminSession, AdminSessionFilter},
        id::{AdminActionId, SessionId, UserId},
        page::{Key, Page, PageRequest},
        project::OrderDirection,
        scope::Admin,
        session::SessionStatus,
    },
};

macro_rules! sessions {
    () => {
        concat!(
            "select ",
            columns!(),
            r#", "user".name as user_name from session join "user" on "user".id = user_id where "#,
            stands!("project_id")
        )
    };
}

macro_rules! push_filter {
    ($query:ident, $filter:ident) => {
        if let Some(user_id) = $filter.user_id {
            $query.push(" and user_id = ").push_bind(user_id);
        }
        match $filter.status {
            Some(SessionStatus::Active) => {
                $query.push(" and ended_at is null and expires_at > ").push_bind(clock::now());
            }
            Some(SessionStatus::Ended) => {
                $query.push(" and (ended_at is not null or expires_at <= ").push_bind(clock::now()).push(")");
            }
            None => {}
        }
    };
}

fn seen_now(mut row: AdminSession) -> AdminSession {
    row.session.see_at(clock::now());
    row
}

/// A session, whosever it is.
pub async fn session(conn: &mut Conn, _: &Admin, id: SessionId) -> Result<Option<AdminSession>> {
    let row: Option<AdminSession> = sql!(conn, c => sqlx::query_as(concat!(sessions!(), " and session.id = $1"))
        .bind(id).fetch_optional(c).await)?;
    Ok(row.map(seen_now))
}

/// A page of all users' sessions, newest first.
pub async fn sessions(
    conn: &mut Conn,
    _: &Admin,
    filter: AdminSessionFilter,
    request: &PageRequest<Key>,
) -> Result<Page<AdminSession>> {
    let rows: Vec<AdminSession> = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select * from (", sessions!()));
        push_filter!(query, filter);
        query.push(") as listed where true");
        push_page(&mut query, Sorting::by_id(OrderDirection::Desc), request, |key| (String::new(), key.id));
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(request.page(rows.into_iter().map(seen_now).collect()))
}

/// How many sessions there are.
pub async fn count_sessions(conn: &mut Conn, _: &Admin, filter: AdminSessionFilter) -> Result<u64> {
    let count: i64 = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select count(*) from session where ", stands!("project_id")));
        push_filter!(query, filter);
        query.build_query_scalar().fetch_one(c).await
    })?;
    Ok(count.unsigned_abs())
}

/// Something that an admin does, as it is written down.
#[derive(Clone, Debug)]
pub struct NewAction {
    /// What.
    pub kind: AdminActionKind,
    /// To whom.
    pub user_id: UserId,
    /// To which session.
    pub session_id: SessionId,
    /// Why.
    pub reason: String,
}

/// Writes down what an admin does, in the unit that does it.
pub async fn record(tx: &mut Tx, admin: &Admin, action: &NewAction, now: DateTime<Utc>) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "insert into admin_action (id, kind, admin_id, user_id, session_id, reason, created_at)
        values ($1, $2, $3, $4, $5, $6, $7)")
        .bind(AdminActionId::new()).bind(action.kind).bind(admin.user_id()).bind(action.user_id).bind(action.session_id)
        .bind(&action.reason).bind(now).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// A page of what admins did, newest first.
pub async fn actions(conn: &mut Conn, _: &Admin, request: &PageRequest<Key>) -> Result<Page<AdminAction>> {
    let rows = sql!(conn, c => {
        let mut query = QueryBuilder::new(
            r#"select * from (select action.id, kind, admin_id, admin.name as admin_name, user_id, affected.name as user_name,
            session_id, reason, action.created_at from admin_action as action
            join "user" as admin on admin.id = admin_id join "user" as affected on affected.id = user_id
            ) as listed where true"#);
        push_page(&mut query, Sorting::by_id(OrderDirection::Desc), request, |key| (String::new(), key.id));
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(request.page(rows))
}

/// How many things admins did.
pub async fn count_actions(conn: &mut Conn, _: &Admin) -> Result<u64> {
    let count: i64 = sql!(conn, c => sqlx::query_scalar("select count(*) from admin_action").fetch_one(c).await)?;
    Ok(count.unsigned_abs())
}
