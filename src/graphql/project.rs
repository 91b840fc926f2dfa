//! A project's edges.

use async_graphql::{ComplexObject, Context, Result};

use super::{
    access::Access,
    artifact,
    connection::Connection,
    file::{FileEntry, files},
    history::RunHistory,
    loader::{ActiveSession, Storage},
    object::{Obj, Rows},
    paging, run,
    user::sessions,
};
use crate::{
    error::Error,
    model::{
        artifact::Artifact,
        file::{AreaUsage, File, FileArea},
        id::UserId,
        page::PageArgs,
        project::Project,
        run::{Run, RunFilter, RunOrder},
        session::WorkspaceSession,
        user::User,
    },
    store::{artifact::ArtifactsOf, directory::Folder, run::RunsOf, session::SessionFilter},
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

    /// What a directory of an area holds, by path: its own files and directories, or with `recursive` all files below it.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "they are the field's arguments")]
    async fn files(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which of the four areas.")] area: FileArea,
        #[graphql(desc = "Which directory, as in `contracts/2026`; the area itself when nothing is said.", default)]
        directory: String,
        #[graphql(desc = "All files below the directory, in place of its own files and directories.", default)]
        recursive: bool,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<FileEntry>> {
        let folder = Folder { project_id: self.id, area, path: directory, recursive };
        files(ctx, folder, &PageArgs { first, after, last, before }).await
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

    /// What each of the four areas holds.
    async fn storage(&self, ctx: &Context<'_>) -> Result<Rows<AreaUsage>> {
        Ok(Rows(ctx.loader()?.load_one(Storage(self.id)).await?.unwrap_or_default()))
    }
}
