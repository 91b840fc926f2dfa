//! What admins look at: sessions of everybody and the record of what was done. Nothing here leads into a project.

use async_graphql::{Context, ID, Object, Result};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{access::Access, connection::Connection, paging};
use crate::{
    app::admin::admitted,
    model::{
        admin::{AdminAction, AdminSession, AdminSessionFilter},
        page::{Key, ListId, MAX_SIZE, PageArgs, PageRequest},
        session::{SessionEndReason, SessionStatus},
        uint53::UInt53,
    },
    store,
};

/// Somebody's workspace session, as an admin sees it: whose it is and how long it lives, and nothing of its project but the id,
/// which opens nothing in an admin's hands.
#[Object]
impl AdminSession {
    /// Which session.
    async fn session_id(&self) -> ID {
        self.session.id.to_string().into()
    }

    /// Of which project.
    async fn project_id(&self) -> ID {
        self.session.project_id.to_string().into()
    }

    /// Whose.
    async fn user_id(&self) -> ID {
        self.session.user_id.to_string().into()
    }

    /// The name of the user whose it is.
    async fn user_name(&self) -> &str {
        &self.user_name
    }

    /// Where it stands.
    async fn status(&self) -> SessionStatus {
        self.session.status()
    }

    /// When it was provisioned.
    async fn created_at(&self) -> DateTime<Utc> {
        self.session.created_at
    }

    /// When it ends by itself.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.session.expires_at
    }

    /// How long it was given at its start, in seconds.
    async fn ttl_seconds(&self) -> UInt53 {
        self.session.ttl_seconds
    }

    /// When it ended.
    async fn ended_at(&self) -> Option<DateTime<Utc>> {
        self.session.ended_at
    }

    /// Why it ended.
    async fn end_reason(&self) -> Option<SessionEndReason> {
        self.session.end_reason
    }
}

/// A list of everybody's sessions.
pub(super) async fn sessions(
    ctx: &Context<'_>,
    filter: AdminSessionFilter,
    args: &PageArgs,
) -> Result<Connection<AdminSession>> {
    let admin = admitted(&ctx.viewer()?)?;
    let list = ListId::new("admin sessions", &filter);
    let request = PageRequest::new(args, MAX_SIZE, |cursor| list.key(cursor))?;
    let page = {
        let mut conn = ctx.app()?.store.read().await?;
        store::admin::sessions(&mut conn, &admin, filter, &request).await?
    };
    let cursor = move |row: &AdminSession| list.cursor(&Key { sort: String::new(), id: row.session.id.0 });
    Ok(paging::connection(page, cursor, move |ctx| {
        async move {
            let mut conn = ctx.app()?.store.read().await?;
            Ok(store::admin::count_sessions(&mut conn, &admin, filter).await?)
        }
        .boxed()
    }))
}

/// The list of what admins did.
pub(super) async fn actions(ctx: &Context<'_>, args: &PageArgs) -> Result<Connection<AdminAction>> {
    let admin = admitted(&ctx.viewer()?)?;
    let list = ListId::new("admin actions", &());
    let request = PageRequest::new(args, MAX_SIZE, |cursor| list.key(cursor))?;
    let page = {
        let mut conn = ctx.app()?.store.read().await?;
        store::admin::actions(&mut conn, &admin, &request).await?
    };
    let cursor = move |row: &AdminAction| list.cursor(&Key { sort: String::new(), id: row.id.0 });
    Ok(paging::connection(page, cursor, move |ctx| {
        async move {
            let mut conn = ctx.app()?.store.read().await?;
            Ok(store::admin::count_actions(&mut conn, &admin).await?)
        }
        .boxed()
    }))
}
