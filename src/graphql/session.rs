//! A workspace session's edges.

use async_graphql::{ComplexObject, Context, Result};

use super::{access::Access, connection::Connection, object::Obj, paging, run};
use crate::{
    error::Error,
    model::{
        id::{ProjectId, UserId},
        page::PageArgs,
        project::Project,
        run::{Run, RunFilter, RunOrder},
        session::{SessionStatus, WorkspaceSession},
        user::User,
    },
    store::run::RunsOf,
};

#[ComplexObject]
impl WorkspaceSession {
    /// Where it stands.
    #[graphql(name = "status")]
    async fn shown_status(&self) -> SessionStatus {
        self.status()
    }

    /// Of which project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Obj<Project>> {
        let project = ctx.loader()?.load_one(self.project_id).await?;
        Ok(Obj(project.ok_or_else(|| Error::not_found(ProjectId::NOUN))?))
    }

    /// Whose.
    async fn user(&self, ctx: &Context<'_>) -> Result<Obj<User>> {
        let user = ctx.loader()?.load_one(self.user_id).await?;
        Ok(Obj(user.ok_or_else(|| Error::not_found(UserId::NOUN))?))
    }

    /// The runs that were started in it, newest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Run>> {
        let sort = (RunFilter::default(), RunOrder::default());
        run::runs(ctx, RunsOf::Session(self.id), sort, &PageArgs { first, after, last, before }).await
    }
}
