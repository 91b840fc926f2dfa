//! Deleting what is kept of a project that is being deleted: its objects, and on a disk their folders.

use std::io::ErrorKind;

use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, path::Path};

use super::{Files, ROOT};
use crate::{
    error::{Error, Result},
    model::{id::ProjectId, scope::Sweep},
};

impl Files {
    /// Deletes objects of a project, at most so many, whatever they are; says how many. None means that nothing is left, on a disk
    /// no folder either.
    pub async fn delete_project(&self, _: &Sweep, project: ProjectId, most: usize) -> Result<usize> {
        let prefix = Path::from(format!("{ROOT}/{project}"));
        let found = self.objects.list(Some(&prefix)).take(most).try_collect::<Vec<_>>();
        let found = found.await.map_err(Error::unavailable)?;
        for object in &found {
            match self.objects.delete(&object.location).await {
                // Another process may sweep the same project.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::unavailable(error)),
            }
        }
        if found.is_empty() && !self.delete_folder(project).await? {
            return Ok(1);
        }
        Ok(found.len())
    }

    /// Deletes what a disk still has of a project without objects: folders that nobody came to remove, half-written files. Says
    /// whether all of it is gone: an upload that was under way may have written beside this.
    async fn delete_folder(&self, project: ProjectId) -> Result<bool> {
        let folder = self.folder.join(ROOT).join(project.to_string());
        let deleted = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(folder)).await;
        match deleted.map_err(Error::internal)? {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(true),
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) => Err(Error::unavailable(error)),
        }
    }
}
