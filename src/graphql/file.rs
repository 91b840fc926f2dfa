//! A file's edges.

use async_graphql::{ComplexObject, Context, OutputType, Result};

use super::{access::Access, content::Content, object::Obj};
use crate::{
    error::Error,
    files::Location,
    model::{
        file::{File, name_of},
        id::ProjectId,
        project::Project,
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

    /// Its bytes.
    #[graphql(flatten)]
    async fn content(&self) -> Content<'_> {
        Content { location: Location::of_file(self), name: name_of(&self.path) }
    }
}
