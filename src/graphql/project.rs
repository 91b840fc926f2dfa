//! A project's edges.

use async_graphql::{ComplexObject, Context, Result};
use futures_util::FutureExt;

use super::{
    access::Access, artifact, connection::Connection, history::RunHistory, loader::ActiveSession, object::Obj, paging,
    run, user::sessions,
};
use crate::{
    error::Error,
    model::{
        artifact::Artifact,
        file::{File, FileArea},
        id::UserId,
        page::{MAX_SIZE, PageArgs, PageRequest},
        project::Project,
        run::{Run, RunFilter, RunOrder},
        session::WorkspaceSession,
        user::User,
    },
    store::{self, artifact::ArtifactsOf, run::RunsOf, session::SessionFilter},
};

#[ComplexObject]
impl Project {
    /// Who owns it.
    async fn owner(&self, ctx: &Context<'_>) -> Result<Obj<User>> {
        let owner = ctx.loader()?.load_one(self.user_id).await?;
        Ok(Obj(owner.ok_or_else(|| Error::not_found(UserId::NOUN))?))
    }

    /// Its active workspace session, if there is one.
    async fn session(&self, ctx: &Context<'_>) -> Result<Option<Obj<WorkspaceSession>>> {
        Ok(ctx.loader()?.load_one(ActiveSession(self.id)).await?.map(Obj))
    }

    /// All its workspace sessions, newest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<WorkspaceSession>> {
        let filter = SessionFilter { project_id: Some(self.id), active_only: false };
        sessions(ctx, filter, &PageArgs { first, after, last, before }).await
    }

    /// Its runs.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
        #[graphql(desc = "Only these.")] filter_by: Option<RunFilter>,
        #[graphql(desc = "In this order; newest first when nothing is said.")] order_by: Option<RunOrder>,
    ) -> Result<Connection<Run>> {
        let args = PageArgs { first, after, last, before };
        let sort = (filter_by.unwrap_or_default().checked()?, order_by.unwrap_or_default());
        run::runs(ctx, RunsOf::Project(self.id), sort, &args).await
    }

    /// Its runs that have ended, and what they add up to.
    async fn history(&self, #[graphql(desc = "Only these.")] filter_by: Option<RunFilter>) -> Result<Obj<RunHistory>> {
        Ok(Obj(RunHistory::new(self.id, filter_by)?))
    }

    /// The deliverables of all its runs, oldest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Artifact>> {
        artifact::artifacts(ctx, ArtifactsOf::Project(self.id), &PageArgs { first, after, last, before }).await
    }

    /// The files of an area, by path.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn files(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of the four areas.")] area: FileArea,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<File>> {
        let (viewer, project) = (ctx.viewer()?, self.id);
        let listing = store::file::list_id(&viewer, project, area);
        let args = PageArgs { first, after, last, before };
        let request = PageRequest::new(&args, MAX_SIZE, |cursor| listing.key(cursor))?;
        let page = {
            let mut conn = ctx.app()?.store.read().await?;
            store::file::page(&mut conn, &viewer, project, area, &request).await?
        };
        let cursor = move |file: &File| listing.cursor(&store::file::key(file));
        Ok(paging::connection(page, cursor, move |ctx| {
            async move {
                let mut conn = ctx.app()?.store.read().await?;
                Ok(store::file::count(&mut conn, &ctx.viewer()?, project, area).await?)
            }
            .boxed()
        }))
    }

    /// The file at a path of an area, if there is one.
    async fn file(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of the four areas.")] area: FileArea,
        #[graphql(desc = "Where in the area, as in `contracts/2026.md`.")] path: String,
    ) -> Result<Option<Obj<File>>> {
        Ok(crate::app::file::at(ctx.app()?, &ctx.viewer()?, self.id, area, &path).await?.map(Obj))
    }
}
