//! An artifact's edges.

use async_graphql::{ComplexObject, Context, OutputType, Result};
use futures_util::FutureExt;

use super::{
    access::Access,
    connection::Connection,
    content::Content,
    loader::{ArtifactsCount, ArtifactsPage},
    object::Obj,
    paging,
};
use crate::{
    error::Error,
    files::Location,
    model::{
        artifact::Artifact,
        id::{ProjectId, RunId},
        page::{MAX_SIZE, PageArgs, PageRequest},
        project::Project,
        run::Run,
    },
    store::artifact::{ArtifactsOf, key, list_id},
};

#[ComplexObject]
impl Artifact {
    /// Which run saved it.
    async fn run(&self, ctx: &Context<'_>) -> Result<Obj<Run>> {
        let run = ctx.loader()?.load_one(self.run_id).await?;
        Ok(Obj(run.ok_or_else(|| Error::not_found(RunId::NOUN))?))
    }

    /// In which project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Obj<Project>> {
        let project = ctx.loader()?.load_one(self.project_id).await?;
        Ok(Obj(project.ok_or_else(|| Error::not_found(ProjectId::NOUN))?))
    }

    /// Its bytes.
    #[graphql(flatten)]
    async fn content(&self) -> Content<'_> {
        Content { location: Location::of_artifact(self), name: &self.name }
    }
}

/// A list of artifacts.
pub(super) async fn artifacts(ctx: &Context<'_>, of: ArtifactsOf, args: &PageArgs) -> Result<Connection<Artifact>> {
    let list = list_id(&ctx.viewer()?, of);
    let request = PageRequest::new(args, MAX_SIZE, |cursor| list.key(cursor))?;
    let page = ctx.loader()?.load_one(ArtifactsPage(of, request)).await?;
    let page = page.ok_or_else(|| Error::internal("a page of artifacts was not read"))?;
    let cursor = move |artifact: &Artifact| list.cursor(&key(artifact));
    Ok(paging::connection(page, cursor, move |ctx| {
        async move { Ok(ctx.loader()?.load_one(ArtifactsCount(of)).await?.unwrap_or_default()) }.boxed()
    }))
}
