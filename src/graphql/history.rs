//! The past of a project and of a user: the runs that have ended, what they add up to, and the way to a file of them.

use async_graphql::{ComplexObject, Context, Object, Result};

use super::{
    access::Access,
    connection::Connection,
    object::{Obj, Rows},
    paging, run,
};
use crate::{
    app,
    error::Error,
    model::{
        export::ExportFormat,
        history::{Audit, AuditDimension, AuditGroup, DurationStats, MAX_DAYS, Past},
        id::ProjectId,
        page::PageArgs,
        project::Project,
        run::{Run, RunFilter, RunOrder},
        uint53::UInt53,
    },
    store::{self, history::Common, run::RunsOf},
};

/// What a sum over many rows costs, whatever is asked of it.
const SUM: usize = 500;
/// The most projects in a report.
const MAX_PROJECTS: i32 = 50;

/// What groups cost: each dimension has as many as it is likely to have.
fn groups(dimension: AuditDimension, child: usize) -> usize {
    let groups = match dimension {
        AuditDimension::Day => MAX_DAYS,
        AuditDimension::Model => 20,
        AuditDimension::Status => 3,
    };
    SUM + groups * (child + 1)
}

/// A project's runs that have ended, and what they add up to. All of it is over the whole filter, not over a page.
pub struct RunHistory {
    project: ProjectId,
    filter: RunFilter,
}

impl RunHistory {
    /// Of a project of the viewer's.
    pub(super) fn new(project: ProjectId, filter: Option<RunFilter>) -> Result<Self> {
        Ok(Self { project, filter: filter.unwrap_or_default().checked()? })
    }

    fn past(&self) -> Past {
        Past { project_id: Some(self.project), filter: self.filter.clone() }
    }
}

/// A project's runs that have ended, and what they add up to. All of it is over the whole filter, not over a page.
#[Object]
impl RunHistory {
    /// The runs, newest first.
    #[graphql(complexity = "paging::cost(first, last, child_complexity)")]
    async fn runs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, from the start; at most 100, 50 when nothing is said.")] first: Option<i32>,
        #[graphql(desc = "Only those after this cursor of the same list.")] after: Option<String>,
        #[graphql(desc = "How many, from the end; at most 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor of the same list.")] before: Option<String>,
    ) -> Result<Connection<Run>> {
        let sort = (self.filter.clone().ended(), RunOrder::default());
        run::runs(ctx, RunsOf::Project(self.project), sort, &PageArgs { first, after, last, before }).await
    }

    /// What the runs add up to.
    #[graphql(complexity = "SUM + child_complexity")]
    async fn audit(&self, ctx: &Context<'_>) -> Result<Obj<Audit>> {
        let mut conn = ctx.app()?.store.read().await?;
        Ok(Obj(store::history::audit(&mut conn, &ctx.viewer()?, &self.past()).await?))
    }

    /// What the runs add up to in groups, in the order of their keys. By day, every day between the bounds of the filter is
    /// there, also those without a run; where the filter has no bound, the first or last run is the bound. At most 400 days.
    #[graphql(complexity = "groups(dimension, child_complexity)")]
    async fn audit_by(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "By what.")] dimension: AuditDimension,
        #[graphql(
            desc = "Whose days: the IANA name of a time zone, as in `Europe/Berlin`.",
            default_with = "\"UTC\".to_owned()"
        )]
        time_zone: String,
    ) -> Result<Rows<AuditGroup>> {
        Ok(Rows(app::history::audit_by(ctx.app()?, &ctx.viewer()?, &self.past(), dimension, &time_zone).await?))
    }

    /// An address at which a browser can load all of these runs as a file, newest first, without a token. It opens for five
    /// minutes, and ends with the token that asked for it; a file that has begun by then is finished. A file that breaks off,
    /// because the project was deleted or the token revoked meanwhile, ends with a broken connection; one that ends well has all
    /// the runs that had ended when it began.
    /// The columns are `id`, `number`, `sessionId`, `status`, `prompt`, `agent`, `model`, `createdAt`, `startedAt`,
    /// `completedAt`, `durationMs`, `inputTokens`, `cachedInputTokens`, `outputTokens`, `reasoningTokens`, `totalTokens`,
    /// `failureCode`, `failureMessage`, `cancelledBy`, `rerunOf` and `artifactCount`: what a run, its usage, its failure and its
    /// `RunCancelled` say; `rerunOf` is an id. More may come, after these.
    async fn export_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How the file is written.")] format: ExportFormat,
    ) -> Result<String> {
        Ok(app::history::export::export_url(ctx.app()?, &ctx.viewer()?, self.project, &self.filter, format)?)
    }
}

#[ComplexObject]
impl Audit {
    /// How long the runs took.
    #[graphql(name = "durationMs")]
    async fn shown_duration(&self) -> Obj<DurationStats> {
        Obj(self.duration)
    }
}

#[ComplexObject]
impl AuditGroup {
    /// What they add up to.
    #[graphql(name = "audit")]
    async fn shown_audit(&self) -> Obj<&Audit> {
        Obj(&self.audit)
    }
}

/// What a user consumed, over all projects.
pub struct UsageReport {
    past: Past,
}

impl UsageReport {
    /// Of the runs that pass the filter.
    pub(super) fn new(filter: RunFilter) -> Self {
        Self { past: Past { project_id: None, filter } }
    }
}

/// What a user consumed, over all projects: of the runs that were asked for in a time and have ended.
#[Object]
impl UsageReport {
    /// What the runs of all projects add up to.
    #[graphql(complexity = "SUM + child_complexity")]
    async fn total(&self, ctx: &Context<'_>) -> Result<Obj<Audit>> {
        let mut conn = ctx.app()?.store.read().await?;
        Ok(Obj(store::history::audit(&mut conn, &ctx.viewer()?, &self.past).await?))
    }

    /// What they add up to for each model that agents were given, in the order of the models' names.
    #[graphql(complexity = "groups(AuditDimension::Model, child_complexity)")]
    async fn models(&self, ctx: &Context<'_>) -> Result<Rows<AuditGroup>> {
        let mut conn = ctx.app()?.store.read().await?;
        let groups = store::history::audit_by(&mut conn, &ctx.viewer()?, &self.past, Common::Model).await?;
        Ok(groups.into_iter().map(|(key, audit)| AuditGroup { key, audit }).collect())
    }

    /// What they add up to in each project, for the projects that consumed the most tokens.
    #[graphql(complexity = "SUM + paging::cost(first, None, child_complexity)")]
    async fn projects(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many projects, at most 50; 10 when nothing is said.", default = 10)] first: Option<i32>,
    ) -> Result<Rows<ProjectUsage>> {
        let most = first.unwrap_or(10);
        if !(1..=MAX_PROJECTS).contains(&most) {
            return Err(Error::invalid(format!("From 1 to {MAX_PROJECTS}; it was {most}.")).at(["first"]).into());
        }
        let mut conn = ctx.app()?.store.read().await?;
        let groups = store::history::audit_by_project(&mut conn, &ctx.viewer()?, &self.past, most.into()).await?;
        Ok(groups.into_iter().map(|(project, audit)| ProjectUsage { project, audit }).collect())
    }

    /// Bytes of all contents that are kept for the user's projects now, whatever the time of the report.
    async fn storage_bytes(&self, ctx: &Context<'_>) -> Result<UInt53> {
        let mut conn = ctx.app()?.store.read().await?;
        Ok(store::history::stored_bytes(&mut conn, &ctx.viewer()?).await?.into())
    }
}

/// What one project consumed.
pub struct ProjectUsage {
    project: ProjectId,
    audit: Audit,
}

/// What one project consumed.
#[Object]
impl ProjectUsage {
    /// Which project; null if it has been deleted since.
    async fn project(&self, ctx: &Context<'_>) -> Result<Option<Obj<Project>>> {
        Ok(ctx.loader()?.load_one(self.project).await?.map(Obj))
    }

    /// What its runs add up to.
    async fn audit(&self) -> Obj<&Audit> {
        Obj(&self.audit)
    }
}
