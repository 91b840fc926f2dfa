//! An artifact's edges.

use async_graphql::{ComplexObject, Context, Result};
use futures_util::FutureExt;

use super::{
    access::Access,
    connection::Connection,
    loader::{ArtifactsCount, ArtifactsPage},
    object::Obj,
    paging,
};
use crate::{
    app::file,
    error::Error,
    files::Location,
    model::{
        artifact::Artifact,
        id::{ProjectId, RunId},
        page::{MAX_SIZE, PageArgs, PageRequest},
        project::Project,
        run::Run,
        uint53::UInt53,
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

    /// In bytes.
    async fn size(&self) -> UInt53 {
        self.version.size
    }

    /// Of the bytes, in lower-case hexadecimal.
    async fn sha256(&self) -> &str {
        &self.version.sha256
    }

    /// What the bytes are, as in `text/markdown`.
    async fn media_type(&self) -> &str {
        &self.version.media_type
    }

    /// Its first bytes as text, cut at a character; null if it is not text in UTF-8.
    async fn text(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many bytes at the most, up to 1048576.", default = 65536)] max_bytes: i32,
    ) -> Result<Option<String>> {
        Ok(file::text(ctx.app()?, &Location::of_artifact(self), max_bytes).await?)
    }

    /// An address at which a browser can load it without a token. It ends with its time or with the token that asked for it.
    async fn download_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How long it works, in seconds, up to 3600.", default = 300)] expires_in_seconds: i32,
    ) -> Result<String> {
        let viewer = ctx.viewer()?;
        Ok(file::download_url(ctx.app()?, &viewer, self.version.version_id, &self.name, expires_in_seconds)?)
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
