//! A run's edges.

use async_graphql::{ComplexObject, Context, Result};
use futures_util::FutureExt;

use super::{
    access::Access,
    artifact,
    connection::Connection,
    event::RunEvent,
    loader::{Inputs, Models, RunsCount, RunsPage},
    object::{Obj, Rows},
    paging,
};
use crate::{
    app,
    error::Error,
    model::{
        artifact::Artifact,
        event::RunEventType,
        file::PinnedFile,
        id::{ProjectId, RunId, SessionId},
        integrity::{IntegrityFinding, RunIntegrity},
        page::{self, MAX_EVENTS, MAX_SIZE, PageArgs, PageRequest},
        project::Project,
        run::{ModelUsage, Run, RunFailure, RunFilter, RunOrder, TokenUsage},
        session::WorkspaceSession,
        uint53::UInt53,
    },
    store::{
        self,
        artifact::ArtifactsOf,
        run::{RunListing, RunsOf},
    },
};

/// What the check of a run costs, however long it is: nine of them in a document at the most.
const INTEGRITY: usize = 1_000;

#[ComplexObject]
impl Run {
    /// In which project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Obj<Project>> {
        let project = ctx.loader()?.load_one(self.project_id).await?;
        Ok(Obj(project.ok_or_else(|| Error::not_found(ProjectId::NOUN))?))
    }

    /// In which workspace session.
    async fn session(&self, ctx: &Context<'_>) -> Result<Obj<WorkspaceSession>> {
        let session = ctx.loader()?.load_one(self.session_id).await?;
        Ok(Obj(session.ok_or_else(|| Error::not_found(SessionId::NOUN))?))
    }

    /// The files that it was given, as they were when it was asked for. None means that it may read the whole drive.
    async fn inputs(&self, ctx: &Context<'_>) -> Result<Rows<PinnedFile>> {
        Ok(Rows(ctx.loader()?.load_one(Inputs(self.id)).await?.unwrap_or_default()))
    }

    /// Why it failed.
    #[graphql(name = "failure")]
    async fn shown_failure(&self) -> Option<Obj<&RunFailure>> {
        self.failure.as_ref().map(Obj)
    }

    /// Milliseconds from its first start to its end, or until now; null while it is queued.
    #[graphql(name = "durationMs")]
    async fn shown_duration(&self) -> Option<UInt53> {
        self.duration_ms()
    }

    /// Tokens, over all models.
    #[graphql(name = "usage")]
    async fn shown_usage(&self) -> Obj<TokenUsage> {
        Obj(self.usage)
    }

    /// Tokens, by model.
    async fn models(&self, ctx: &Context<'_>) -> Result<Rows<ModelUsage>> {
        Ok(Rows(ctx.loader()?.load_one(Models(self.id)).await?.unwrap_or_default()))
    }

    /// Its timeline. A cursor is the event's sequence in decimal, the same as in the subscription `runEvents`.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 500, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this sequence; `\"0\"` is before the first.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 500.")] last: Option<i32>,
        #[graphql(desc = "Only those before this sequence.")] before: Option<String>,
        #[graphql(desc = "Only events of these types, and the one that ends the run.")] types: Option<
            Vec<RunEventType>,
        >,
    ) -> Result<Connection<RunEvent>> {
        let (viewer, run, beyond) = (ctx.viewer()?, self.id, self.last_sequence.get());
        let args = PageArgs { first, after, last, before };
        let request = PageRequest::new(&args, MAX_EVENTS, page::sequence)?;
        if let Some(after) = request.after.filter(|after| *after > beyond) {
            return Err(Error::invalid(format!(
                "The cursor \"{after}\" is beyond the run's last event, \"{beyond}\"."
            ))
            .at(["after"])
            .into());
        }
        let page = {
            let mut conn = ctx.app()?.store.read().await?;
            store::event::page(&mut conn, &viewer, run, types.as_deref(), &request).await?
        };
        let page = page::Page {
            items: page.items.into_iter().map(RunEvent::from).collect(),
            has_next_page: page.has_next_page,
            has_previous_page: page.has_previous_page,
        };
        Ok(paging::connection(page, RunEvent::cursor, move |ctx| {
            let types = types.clone();
            async move {
                let mut conn = ctx.app()?.store.read().await?;
                Ok(store::event::count(&mut conn, &ctx.viewer()?, run, types.as_deref()).await?)
            }
            .boxed()
        }))
    }

    /// The deliverables that it saved, oldest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Artifact>> {
        artifact::artifacts(ctx, ArtifactsOf::Run(self.id), &PageArgs { first, after, last, before }).await
    }

    /// Whether it is still what was recorded: its events against their seals, its row against its events, and the bytes of its
    /// artifacts against what was said of them when they were saved. This reads all of it, up to 20,000 events and 64 MiB of
    /// artifacts; what a run has beyond is left to `workroom verify`, and the status says so. It counts 1,000 in a document's
    /// complexity.
    #[graphql(complexity = "INTEGRITY + child_complexity")]
    async fn integrity(&self, ctx: &Context<'_>) -> Result<Obj<RunIntegrity>> {
        let checked = app::integrity::run(ctx.app()?, &ctx.viewer()?, self.id).await?;
        Ok(Obj(checked.ok_or_else(|| Error::not_found(RunId::NOUN))?))
    }

    /// The run that it repeats.
    #[graphql(name = "rerunOf")]
    async fn original(&self, ctx: &Context<'_>) -> Result<Option<Obj<Run>>> {
        let Some(original) = self.rerun_of else { return Ok(None) };
        let original = ctx.loader()?.load_one(original).await?;
        Ok(Some(Obj(original.ok_or_else(|| Error::not_found(RunId::NOUN))?)))
    }

    /// The runs that repeat it, newest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn reruns(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Run>> {
        let sort = (RunFilter::default(), RunOrder::default());
        runs(ctx, RunsOf::Original(self.id), sort, &PageArgs { first, after, last, before }).await
    }
}

#[ComplexObject]
impl RunIntegrity {
    /// What was found, the first twenty.
    #[graphql(name = "findings")]
    async fn shown_findings(&self) -> Rows<&IntegrityFinding> {
        self.findings.iter().collect()
    }
}

#[ComplexObject]
impl ModelUsage {
    /// How many tokens.
    #[graphql(name = "usage")]
    async fn shown_usage(&self) -> Obj<TokenUsage> {
        Obj(self.usage)
    }
}

#[ComplexObject]
impl TokenUsage {
    /// Read and written together.
    async fn total_tokens(&self) -> UInt53 {
        self.total().into()
    }
}

/// A list of runs.
pub(super) async fn runs(
    ctx: &Context<'_>,
    of: RunsOf,
    (filter, order): (RunFilter, RunOrder),
    args: &PageArgs,
) -> Result<Connection<Run>> {
    let list = store::run::list_id(&ctx.viewer()?, of, &filter, order);
    let request = PageRequest::new(args, MAX_SIZE, |cursor| list.key(cursor))?;
    let listing = RunListing { filter: filter.clone(), order, request };
    let page = ctx.loader()?.load_one(RunsPage(of, listing)).await?;
    let page = page.ok_or_else(|| Error::internal("a page of runs was not read"))?;
    let cursor = move |run: &Run| list.cursor(&store::run::key(run));
    Ok(paging::connection(page, cursor, move |ctx| {
        let key = RunsCount(of, filter.clone());
        async move { Ok(ctx.loader()?.load_one(key).await?.unwrap_or_default()) }.boxed()
    }))
}
