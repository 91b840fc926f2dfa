//! What the reaper takes away: contents that nothing names, objects that no row knows, and what an interrupted write left.
//!
//! A content's id begins with the time at which its bytes were begun. That is the age that counts here: a copy on a disk may have
//! the time of its original, and a clock of the store is not ours.

use std::path::{Path as FilePath, PathBuf};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{ObjectStoreExt, path::Path};

use super::{Files, ROOT};
use crate::{
    error::{Error, Result},
    model::{
        file::FileArea,
        id::{ProjectId, VersionId},
    },
};

/// Objects looked at in one go.
const AT_ONCE: usize = 500;

/// An object as the reaper finds it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Which content it is, or was to be.
    pub version_id: VersionId,
    key: Path,
}

impl Files {
    /// The objects that were begun before this time, some at a time.
    pub fn begun_before(&self, time: DateTime<Utc>) -> BoxStream<'static, Result<Vec<Found>>> {
        let old = move |key: Path| {
            let version_id = version_in(key.parts().nth(3)?.as_ref())?;
            version_id.made_before(time).then_some(Found { version_id, key })
        };
        let found = self.objects.list(Some(&Path::from(ROOT))).map_err(Error::unavailable);
        let found = found.try_filter_map(move |object| std::future::ready(Ok(old(object.location))));
        found.try_chunks(AT_ONCE).map_err(|error| error.1).boxed()
    }

    /// Takes an object away. One that is gone is no error.
    pub async fn remove(&self, found: &Found) -> Result<()> {
        match self.objects.delete(&found.key).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::unavailable(error)),
        }
    }

    /// Takes the bytes of a content away that no row knows any more.
    pub async fn remove_content(&self, project: ProjectId, area: FileArea, version: VersionId) -> Result<()> {
        let place = Path::from(format!("{ROOT}/{project}/{}/{version}", area.prefix()));
        let mut objects = self.objects.list(Some(&place));
        while let Some(object) = objects.next().await {
            let key = object.map_err(Error::unavailable)?.location;
            self.remove(&Found { version_id: version, key }).await?;
        }
        Ok(())
    }

    /// Clears away what object stores do not list: on a disk, the temporary file of a write that was interrupted before this time,
    /// and the folder of an object that is gone.
    pub async fn tidy(&self, time: DateTime<Utc>) -> Result<()> {
        let root = self.folder.join(ROOT);
        let tidied = tokio::task::spawn_blocking(move || tidy(&root, time)).await.map_err(Error::internal)?;
        tidied.map_err(Error::unavailable)
    }
}

fn version_in(part: &str) -> Option<VersionId> {
    part.parse().ok()
}

fn tidy(root: &FilePath, time: DateTime<Utc>) -> std::io::Result<()> {
    for project in entries(root)? {
        for area in entries(&project)? {
            for version in entries(&area)? {
                let name = version.file_name().and_then(|name| name.to_str()).unwrap_or_default();
                // A write of a younger one may be under way.
                if !version_in(name).is_some_and(|version| version.made_before(time)) {
                    continue;
                }
                for file in entries(&version)? {
                    if is_temporary(&file) {
                        unless_gone(std::fs::remove_file(&file))?;
                    }
                }
                // Stays if there is something in it.
                let _ = std::fs::remove_dir(&version);
            }
        }
    }
    Ok(())
}

/// What is in a folder; nothing if there is none, or if it is a file.
fn entries(folder: &FilePath) -> std::io::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let Some(entries) = unless_gone(std::fs::read_dir(folder))? else { return Ok(Vec::new()) };
    entries.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Others may clear away at the same time: what has just gone is no error.
fn unless_gone<T>(outcome: std::io::Result<T>) -> std::io::Result<Option<T>> {
    match outcome {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// A name that `object_store` gives a file while it is written: the object's, `#` and a number. Ours have no `#`.
fn is_temporary(file: &FilePath) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}
