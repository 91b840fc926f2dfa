//! Users.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{Conn, Tx, list::push_in, sql};
use crate::{
    error::Result,
    model::{
        id::UserId,
        scope::Viewer,
        user::{User, UserRole},
    },
};

/// The user of this name: the one that is there, or a new one. An existing user is made an admin if `role` says so, and is
/// never made less.
pub async fn ensure(tx: &mut Tx, name: &str, role: UserRole, now: DateTime<Utc>) -> Result<User> {
    let user = sql!(tx, c => sqlx::query_as(
        r#"insert into "user" (id, name, role, created_at) values ($1, $2, $3, $4)
        on conflict (name) do update set role = case when excluded.role = 'ADMIN' then 'ADMIN' else "user".role end
        returning id, name, email, organisation, role"#)
        .bind(UserId::new()).bind(name).bind(role).bind(now).fetch_one(c).await)?;
    Ok(user)
}

/// Of these users the ones that the viewer may see, which is the viewer.
pub async fn by_ids(conn: &mut Conn, viewer: &Viewer, ids: &[UserId]) -> Result<Vec<User>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(r#"select id, name, email, organisation, role from "user" where id = "#);
        query.push_bind(viewer.user_id()).push(" and ");
        push_in(&mut query, "id", ids.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?)
}
