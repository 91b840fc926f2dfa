//! A file's edges.

use async_graphql::{ComplexObject, Context, Result};

use super::{access::Access, object::Obj};
use crate::{
    app::file,
    error::Error,
    files::Location,
    model::{
        file::{File, name_of},
        id::ProjectId,
        project::Project,
        uint53::UInt53,
    },
};

#[ComplexObject]
impl File {
    /// Of which project.
    async fn project(&self, ctx: &Context<'_>) -> Result<Obj<Project>> {
        let project = ctx.loader()?.load_one(self.project_id).await?;
        Ok(Obj(project.ok_or_else(|| Error::not_found(ProjectId::NOUN))?))
    }

    /// The last part of its path.
    async fn name(&self) -> &str {
        name_of(&self.path)
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
        Ok(file::text(ctx.app()?, &Location::of_file(self), max_bytes).await?)
    }

    /// An address at which a browser can load this content without a token, even if another takes its place. It ends with its
    /// time or with the token that asked for it.
    async fn download_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How long it works, in seconds, up to 3600.", default = 300)] expires_in_seconds: i32,
    ) -> Result<String> {
        let viewer = ctx.viewer()?;
        let name = name_of(&self.path);
        Ok(file::download_url(ctx.app()?, &viewer, self.version.version_id, name, expires_in_seconds)?)
    }
}
