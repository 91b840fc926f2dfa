//! A file's and a directory's edges, and lists of both.

use async_graphql::{ComplexObject, Context, Interface, OutputType, Result};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{access::Access, connection::Connection, content::Content, loader::Newest, object::Obj, paging};
use crate::{
    concrete_types,
    error::Error,
    files::Location,
    model::{
        file::{self, Directory, Entry, File, FileArea, name_of},
        id::ProjectId,
        page::{MAX_SIZE, PageArgs, PageRequest},
        project::Project,
    },
    store::{
        self,
        directory::{Folder, key, list_id},
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

#[ComplexObject]
impl Directory {
    /// The last part of its path.
    async fn name(&self) -> &str {
        name_of(&self.path)
    }

    /// When the newest of the files below it came.
    async fn modified_at(&self, ctx: &Context<'_>) -> Result<DateTime<Utc>> {
        let folder = Folder { project_id: self.project_id, area: self.area, path: self.path.clone(), recursive: true };
        Ok(ctx.loader()?.load_one(Newest(folder)).await?.unwrap_or(self.met_at))
    }
}

/// What a directory holds: a file, or another directory.
#[derive(Interface)]
#[graphql(
    field(name = "area", ty = "FileArea", desc = "Which of the four areas it is in."),
    field(name = "path", ty = "&String", desc = "Where in the area: parts separated by `/`, with none at either end."),
    field(name = "name", ty = "&str", desc = "The last part of its path."),
    field(
        name = "modified_at",
        ty = "DateTime<Utc>",
        desc = "When its present content came; of a directory, when the newest of the files below it did."
    )
)]
pub enum FileEntry {
    /// A directory.
    Directory(Directory),
    /// A file.
    File(File),
}

concrete_types!(FileEntry: Directory, File);

impl From<Entry> for FileEntry {
    fn from(entry: Entry) -> Self {
        match entry {
            Entry::Directory(directory) => Self::Directory(directory),
            Entry::File(file) => Self::File(file),
        }
    }
}

/// A list of what a directory holds.
pub(super) async fn files(ctx: &Context<'_>, mut folder: Folder, args: &PageArgs) -> Result<Connection<FileEntry>> {
    folder.path = file::directory(&folder.path).map_err(|error| error.at(["directory"]))?;
    let viewer = ctx.viewer()?;
    let list = list_id(&viewer, &folder);
    let request = PageRequest::new(args, MAX_SIZE, |cursor| list.key(cursor))?;
    let page = {
        let mut conn = ctx.app()?.store.read().await?;
        store::directory::page(&mut conn, &viewer, &folder, &request).await?
    };
    let cursor = move |entry: &Entry| list.cursor(&key(entry));
    Ok(paging::connection(page, cursor, move |ctx| {
        let folder = folder.clone();
        async move {
            let mut conn = ctx.app()?.store.read().await?;
            Ok(store::directory::count(&mut conn, &ctx.viewer()?, &folder).await?)
        }
        .boxed()
    }))
}
