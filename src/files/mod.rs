//! Bytes: an object store behind a project's four areas.
//!
//! An object is written once, to its final key `projects/<project>/<area>/<version>/<name>`, and never again. The row that
//! names it comes after it, so a row never lacks its bytes, and bytes never stand under another content's hash.

mod deletion;
pub mod examine;
pub mod format;
pub mod signature;
pub mod stage;
pub mod sweep;

use std::{ops::Range, path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload, local::LocalFileSystem,
    path::Path,
};
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Kind, Result},
    model::{
        artifact::Artifact,
        file::{File, FileArea, FileVersion, MAX_PATH_PART},
        id::{ProjectId, VersionId},
        scope::ProjectScope,
        uint53::UInt53,
    },
};

/// The files of all projects. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    objects: Arc<dyn ObjectStore>,
    folder: Arc<FilePath>,
    staging: Arc<FilePath>,
}

/// The folder that all objects are in.
const ROOT: &str = "projects";

/// Where a content's bytes are.
#[derive(Clone, Debug)]
pub struct Location<'a> {
    /// The project.
    pub project_id: ProjectId,
    /// The area.
    pub area: FileArea,
    /// The content.
    pub version: &'a FileVersion,
}

impl<'a> Location<'a> {
    /// Where a file's present content is.
    pub fn of_file(file: &'a File) -> Self {
        Self { project_id: file.project_id, area: file.area, version: &file.version }
    }

    /// Where an artifact's content is.
    pub fn of_artifact(artifact: &'a Artifact) -> Self {
        Self { project_id: artifact.project_id, area: FileArea::Artifacts, version: &artifact.version }
    }

    fn key(&self) -> Path {
        // Ids and areas are plain, and the name was made by `object_name`: nothing here is encoded.
        Path::from(format!(
            "{ROOT}/{}/{}/{}/{}",
            self.project_id,
            self.area.prefix(),
            self.version.version_id,
            self.version.object_name
        ))
    }
}

impl Files {
    /// Opens the files at `url`, a folder or a `file://` URL; `staging` is a folder for uploads on their way.
    pub fn open(url: &str, staging: &FilePath) -> Result<Self> {
        let folder = match url.split_once("://") {
            Some(("file", path)) => path,
            Some((scheme, _)) => {
                return Err(Error::invalid(format!(
                    "Files can be kept in a folder (`file:///…`); `{scheme}://` is not available in this version."
                )));
            }
            None => url,
        };
        for folder in [FilePath::new(folder), staging] {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::new(Kind::Unavailable, format!("The folder {} cannot be made: {error}.", folder.display()))
            })?;
        }
        // Durable before its row is: a power cut after an acknowledged upload loses nothing.
        let objects = LocalFileSystem::new_with_prefix(folder).map_err(Error::unavailable)?.with_fsync(true);
        // What is swept leaves no empty folders behind.
        let objects = objects.with_automatic_cleanup(true);
        Ok(Self { objects: Arc::new(objects), folder: FilePath::new(folder).into(), staging: staging.into() })
    }

    /// Writes a new object and says what it is. Nothing shows it until a row names it.
    pub async fn put(&self, scope: &ProjectScope, area: FileArea, new: NewObject<'_>) -> Result<FileVersion> {
        let bytes = new.bytes.clone();
        // Off the thread that serves others: sixteen MiB take a while.
        let digest = tokio::task::spawn_blocking(move || Sha256::digest(&bytes)).await.map_err(Error::internal)?;
        let version = FileVersion {
            version_id: VersionId::new(),
            object_name: object_name(new.name),
            size: UInt53::from(new.bytes.len()),
            sha256: hex::encode(digest),
            media_type: new.media_type.to_owned(),
        };
        let key = Location { project_id: scope.project_id(), area, version: &version }.key();
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        self.objects.put_opts(&key, PutPayload::from_bytes(new.bytes), options).await.map_err(Error::unavailable)?;
        Ok(version)
    }

    /// A content's first bytes, at most `most`.
    pub async fn head(&self, location: &Location<'_>, most: u64) -> Result<Bytes> {
        let end = most.min(location.version.size.as_u64());
        if end == 0 {
            return Ok(Bytes::new());
        }
        self.objects.get_range(&location.key(), 0..end).await.map_err(unreadable)
    }

    /// A whole content, if it is what it was: bytes that have changed on the disk are not handed on.
    pub async fn whole(&self, location: &Location<'_>) -> Result<Bytes> {
        let bytes = self.head(location, location.version.size.as_u64()).await?;
        let (again, version) = (bytes.clone(), location.version);
        let digest = tokio::task::spawn_blocking(move || Sha256::digest(&again)).await.map_err(Error::internal)?;
        if hex::encode(digest) != version.sha256 {
            return Err(Error::internal(format!("the bytes of {} have changed", version.version_id)));
        }
        Ok(bytes)
    }

    /// A content, or a part of it that is not empty, as a stream.
    pub async fn stream(
        &self,
        location: &Location<'_>,
        part: Option<Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let options = GetOptions { range: part.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.objects.get_opts(&location.key(), options).await.map_err(unreadable)?;
        Ok(found.into_stream().map(|chunk| chunk.map_err(unreadable)).boxed())
    }

    /// Answers when the store does.
    pub async fn ping(&self) -> Result<()> {
        tokio::fs::metadata(&*self.folder).await.map(drop).map_err(Error::unavailable)
    }
}

/// A row without its bytes is a fault of ours, which trying again does not mend; anything else may pass.
fn unreadable(error: object_store::Error) -> Error {
    match error {
        object_store::Error::NotFound { .. } => Error::internal(error),
        other => Error::unavailable(other),
    }
}

/// What to write.
#[derive(Clone, Debug)]
pub struct NewObject<'a> {
    /// The file's name; the object's is made from it.
    pub name: &'a str,
    /// As found in the bytes and the name.
    pub media_type: &'a str,
    /// The content.
    pub bytes: Bytes,
}

/// A name that every object store takes, still readable to a person who looks into the folder.
fn object_name(name: &str) -> String {
    let safe: String = name
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { '_' })
        .collect();
    let start = safe.len().saturating_sub(MAX_PATH_PART / 2);
    let short = safe[start..].trim_matches('.');
    if short.is_empty() { "file".into() } else { short.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_are_plain() {
        assert_eq!(object_name("Vertrag (final).md"), "Vertrag__final_.md");
        assert_eq!(object_name("..."), "file");
        assert_eq!(object_name("письмо.txt"), "______.txt");
        assert_eq!(object_name("a#12"), "a_12");
        assert!(object_name(&"x".repeat(5000)).len() < 200);
    }
}
