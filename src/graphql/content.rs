//! The bytes behind a file or an artifact: what both show of them.

use async_graphql::{Context, Object, Result};

use super::{access::Access, paging};
use crate::{app::file, files::Location, model::uint53::UInt53};

/// A content, under the name that a browser saves it by.
pub(super) struct Content<'a> {
    pub(super) location: Location<'a>,
    pub(super) name: &'a str,
}

/// Its fields are flattened into the objects that have a content.
#[Object]
impl Content<'_> {
    /// In bytes.
    async fn size(&self) -> UInt53 {
        self.location.version.size
    }

    /// Of the bytes, in lower-case hexadecimal.
    async fn sha256(&self) -> &str {
        &self.location.version.sha256
    }

    /// What the bytes are, as in `text/markdown`.
    async fn media_type(&self) -> &str {
        &self.location.version.media_type
    }

    /// The first bytes as text, cut at a character; null if they are not text in UTF-8.
    #[graphql(complexity = "paging::weight(max_bytes)")]
    async fn text(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many bytes at the most, up to 1048576.", default = 65536)] max_bytes: i32,
    ) -> Result<Option<String>> {
        Ok(file::text(ctx.app()?, &self.location, max_bytes).await?)
    }

    /// An address at which a browser can load the present content without a token, even if another takes its place. It ends
    /// with its time or with the token that asked for it.
    async fn download_url(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How long it works, in seconds, up to 3600.", default = 300)] expires_in_seconds: i32,
    ) -> Result<String> {
        let version = self.location.version.version_id;
        Ok(file::download_url(ctx.app()?, &ctx.viewer()?, version, self.name, expires_in_seconds)?)
    }
}
