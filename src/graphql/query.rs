//! The query root.

use async_graphql::{Context, Object, Result, SimpleObject};
use futures_util::{FutureExt, future::join_all};

use super::{
    access::Access,
    admin,
    connection::Connection,
    node::{self, Node},
    object::{Obj, Rows, SparseRows},
    paging,
};
use crate::{
    error::Error,
    model::{
        admin::{AdminAction, AdminSession, AdminSessionFilter},
        id::{NodeId, ProjectId, RunId, UserId},
        page::{MAX_EVENTS, MAX_SIZE, PageArgs, PageRequest},
        project::{Project, ProjectFilter, ProjectOrder},
        run::{MAX_PROMPT, Run},
        uint53::UInt53,
        user::User,
    },
    store,
};

/// Reading. What is absent, and what is somebody else's, is null.
pub struct Query;

/// Reading. What is absent, and what is somebody else's, is null.
#[Object]
impl Query {
    /// Who asks.
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Obj<User>> {
        let viewer = ctx.loader()?.load_one(ctx.viewer()?.user_id()).await?;
        Ok(Obj(viewer.ok_or_else(|| Error::not_found(UserId::NOUN))?))
    }

    /// Anything with an id.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: NodeId) -> Result<Option<Obj<Node>>> {
        Ok(node::load(ctx, id).await?.map(Obj))
    }

    /// Many things by their ids, in the order of the ids; null where there is none.
    #[graphql(complexity = "ids.len() * (child_complexity + 1)")]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Their ids, at most 100.")] ids: Vec<NodeId>,
    ) -> Result<SparseRows<Node>> {
        if ids.len() > 100 {
            return Err(Error::invalid("At most 100 ids at once.").at(["ids"]).into());
        }
        Ok(SparseRows(join_all(ids.into_iter().map(|id| node::load(ctx, id))).await))
    }

    /// One of the viewer's projects.
    async fn project(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ProjectId,
    ) -> Result<Option<Obj<Project>>> {
        Ok(ctx.loader()?.load_one(id).await?.map(Obj))
    }

    /// The viewer's projects.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn projects(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter_by: Option<ProjectFilter>,
        #[graphql(desc = "In this order; the one changed last comes first when nothing is said.")] order_by: Option<
            ProjectOrder,
        >,
    ) -> Result<Connection<Project>> {
        let viewer = ctx.viewer()?;
        let (filter, order) = (filter_by.unwrap_or_default(), order_by.unwrap_or_default());
        let listing = store::project::list_id(&viewer, &filter, order);
        let args = PageArgs { first, after, last, before };
        let request = PageRequest::new(&args, MAX_SIZE, |cursor| listing.key(cursor))?;
        let page = {
            let mut conn = ctx.app()?.store.read().await?;
            store::project::page(&mut conn, &viewer, &filter, order, &request).await?
        };
        let cursor = move |project: &Project| listing.cursor(&store::project::key(project, order));
        Ok(paging::connection(page, cursor, move |ctx| {
            let filter = filter.clone();
            async move {
                let mut conn = ctx.app()?.store.read().await?;
                Ok(store::project::count(&mut conn, &ctx.viewer()?, &filter).await?)
            }
            .boxed()
        }))
    }

    /// One of the viewer's runs.
    async fn run(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: RunId) -> Result<Option<Obj<Run>>> {
        Ok(ctx.loader()?.load_one(id).await?.map(Obj))
    }

    /// For admins: everybody's workspace sessions, newest first. Anybody else is refused.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn admin_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter_by: Option<AdminSessionFilter>,
    ) -> Result<Connection<AdminSession>> {
        admin::sessions(ctx, filter_by.unwrap_or_default(), &PageArgs { first, after, last, before }).await
    }

    /// For admins: what admins did to whom, why and when, newest first. Anybody else is refused.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn admin_actions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<AdminAction>> {
        admin::actions(ctx, &PageArgs { first, after, last, before }).await
    }

    /// This server: its version, what it offers and its limits.
    async fn server(&self, ctx: &Context<'_>) -> Result<Obj<ServerInfo>> {
        let rules = &ctx.app()?.rules;
        let models = rules.models.iter().map(|name| ModelInfo { name: name.clone() }).collect();
        Ok(Obj(ServerInfo {
            version: env!("CARGO_PKG_VERSION"),
            models: Rows(models),
            limits: Obj(ServerLimits {
                page_size: UInt53::from(MAX_SIZE.unsigned_abs()),
                event_page_size: UInt53::from(MAX_EVENTS.unsigned_abs()),
                prompt_characters: UInt53::from(MAX_PROMPT),
                upload_bytes: UInt53::from(rules.uploads.bytes),
                upload_files: UInt53::from(rules.uploads.files),
                session_ttl_seconds: UInt53::from(rules.session_ttl.as_secs()),
                session_ttl_seconds_max: UInt53::from(rules.session_ttl_max.as_secs()),
                complexity: UInt53::from(super::COMPLEXITY),
            }),
        }))
    }
}

/// This server.
#[derive(SimpleObject)]
pub struct ServerInfo {
    /// Its version.
    version: &'static str,
    /// The models that runs can ask for; the first is taken when a run asks for none.
    models: Rows<ModelInfo>,
    /// How much is too much.
    limits: Obj<ServerLimits>,
}

/// A model that runs can ask for.
#[derive(SimpleObject)]
pub struct ModelInfo {
    /// What a run calls it by.
    name: String,
}

/// How much is too much here.
#[derive(SimpleObject)]
pub struct ServerLimits {
    /// Items on a page.
    page_size: UInt53,
    /// Events on a page.
    event_page_size: UInt53,
    /// Characters of a prompt.
    prompt_characters: UInt53,
    /// Bytes of an uploaded file.
    upload_bytes: UInt53,
    /// Files in one upload.
    upload_files: UInt53,
    /// Seconds that a workspace session lives when nothing is said.
    session_ttl_seconds: UInt53,
    /// Seconds that a workspace session can be given.
    session_ttl_seconds_max: UInt53,
    /// What one document may ask for: each field counts one, and a connection counts its page size times what it holds.
    complexity: UInt53,
}
