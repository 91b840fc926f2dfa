//! Deleting the objects of a project that is being deleted.

use futures_util::{StreamExt, TryStreamExt};
use object_store::{ObjectStoreExt, path::Path};

use super::Files;
use crate::{
    error::{Error, Result},
    model::{id::ProjectId, scope::Sweep},
};

impl Files {
    /// Deletes objects of a project, at most so many, whatever they are; says how many. None means that none is left.
    pub async fn delete_project(&self, _: &Sweep, project: ProjectId, most: usize) -> Result<usize> {
        let prefix = Path::from(format!("projects/{project}"));
        let found = self.objects.list(Some(&prefix)).take(most).try_collect::<Vec<_>>();
        let found = found.await.map_err(Error::unavailable)?;
        for object in &found {
            match self.objects.delete(&object.location).await {
                // Another process may sweep the same project.
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(Error::unavailable(error)),
            }
        }
        Ok(found.len())
    }
}
