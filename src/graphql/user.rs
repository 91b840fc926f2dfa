//! A user's edges.

use async_graphql::{ComplexObject, Context, Result};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{
    access::Access,
    connection::Connection,
    history::UsageReport,
    loader::{SessionsCount, SessionsPage},
    object::Obj,
    paging,
};
use crate::{
    error::Error,
    model::{
        page::{Key, ListId, MAX_SIZE, PageArgs, PageRequest},
        run::RunFilter,
        scope::Viewer,
        session::WorkspaceSession,
        user::User,
    },
    store::session::SessionFilter,
};

#[ComplexObject]
impl User {
    /// The user's workspace sessions over all projects, newest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only those that have not ended.", default = true)] active_only: bool,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<WorkspaceSession>> {
        let filter = SessionFilter { project_id: None, active_only };
        sessions(ctx, filter, &PageArgs { first, after, last, before }).await
    }

    /// What the user's runs consumed, over all projects: those that were asked for in this time and have ended.
    async fn usage(
        &self,
        #[graphql(desc = "Asked for at this time or later.")] since: Option<DateTime<Utc>>,
        #[graphql(desc = "Asked for before this time.")] until: Option<DateTime<Utc>>,
    ) -> Obj<UsageReport> {
        let filter = RunFilter { created_from: since, created_before: until, ..RunFilter::default() };
        Obj(UsageReport::new(filter))
    }
}

/// A list of the viewer's sessions.
pub(super) async fn sessions(
    ctx: &Context<'_>,
    filter: SessionFilter,
    args: &PageArgs,
) -> Result<Connection<WorkspaceSession>> {
    let list = list_id(&ctx.viewer()?, filter);
    let request = PageRequest::new(args, MAX_SIZE, |cursor| list.key(cursor))?;
    let page = ctx.loader()?.load_one(SessionsPage(filter, request)).await?;
    let page = page.ok_or_else(|| Error::internal("a page of sessions was not read"))?;
    let cursor = move |session: &WorkspaceSession| list.cursor(&Key { sort: String::new(), id: session.id.0 });
    Ok(paging::connection(page, cursor, move |ctx| {
        async move { Ok(ctx.loader()?.load_one(SessionsCount(filter)).await?.unwrap_or_default()) }.boxed()
    }))
}

fn list_id(viewer: &Viewer, filter: SessionFilter) -> ListId {
    ListId::new("sessions", &(viewer.user_id(), filter))
}
