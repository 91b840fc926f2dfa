//! Files: read as text, download address; how they come and how they are arranged is in files of its own.

pub mod arrange;
pub mod bring;

use super::{App, access, open};
use crate::{
    clock,
    error::{Error, Result},
    files::{
        Location,
        signature::{Grant, Opens},
    },
    model::{
        file::{self, File, FileArea, FileVersion},
        id::{ProjectId, VersionId},
        scope::Viewer,
    },
    store,
};

/// The most bytes that `text` gives at once.
pub const MAX_TEXT: u64 = 1 << 20;
/// The longest life of a download address, in seconds.
pub const MAX_ADDRESS_LIFE: u64 = 3600;

/// A content as text: its first bytes, cut at a character, or `None` if it is not text.
pub async fn text(app: &App, location: &Location<'_>, most: i32) -> Result<Option<String>> {
    let most = u64::try_from(most).ok().filter(|most| (1..=MAX_TEXT).contains(most)).ok_or_else(|| {
        Error::invalid(format!("`maxBytes` is from 1 to {MAX_TEXT}; it was {most}.")).at(["maxBytes"])
    })?;
    let mut bytes = app.files.head(location, most).await?.to_vec();
    match std::str::from_utf8(&bytes) {
        Ok(_) => {}
        // A character that was cut in half at the end is left away; anything else means that this is not text.
        Err(error) if error.error_len().is_none() => bytes.truncate(error.valid_up_to()),
        Err(_) => return Ok(None),
    }
    Ok(String::from_utf8(bytes).ok())
}

/// An address at which the viewer's browser can load a content, for so many seconds.
pub fn download_url(app: &App, viewer: &Viewer, version: VersionId, name: &str, seconds: i32) -> Result<String> {
    let seconds =
        u64::try_from(seconds).ok().filter(|seconds| (1..=MAX_ADDRESS_LIFE).contains(seconds)).ok_or_else(|| {
            Error::invalid(format!("`expiresInSeconds` is from 1 to {MAX_ADDRESS_LIFE}; it was {seconds}."))
                .at(["expiresInSeconds"])
        })?;
    let grant = Grant {
        user_id: viewer.user_id(),
        token_id: viewer.token_id(),
        opens: Opens::Content { version_id: version, name: name.to_owned() },
        expires_at: clock::now() + std::time::Duration::from_secs(seconds),
    };
    Ok(format!("{}{}", app.rules.public_url, app.signer.address(&grant)))
}

/// A content that a download address opens.
#[derive(Clone, Debug)]
pub struct Download {
    /// Of which project.
    pub project_id: ProjectId,
    /// In which area.
    pub area: FileArea,
    /// The content.
    pub version: FileVersion,
}

/// Opens a download address. What was not made here, or not for this, does not exist; a token that has ended takes its
/// addresses with it.
pub async fn open_download(app: &App, grant: &Grant, signature: &str) -> Result<Download> {
    app.signer.check(grant, signature, clock::now())?;
    let absent = || Error::not_found(grant.opens.noun());
    let Opens::Content { version_id, .. } = grant.opens else { return Err(absent()) };
    let mut conn = app.store.read().await?;
    let viewer = access::holder(&mut conn, grant).await?;
    let found = store::file::version(&mut conn, &viewer, version_id).await?.ok_or_else(absent)?;
    let (project_id, area, version) = found;
    Ok(Download { project_id, area, version })
}

/// The file at a path of one of the viewer's projects.
pub async fn at(app: &App, viewer: &Viewer, project: ProjectId, area: FileArea, path: &str) -> Result<Option<File>> {
    let path = file::path(path).map_err(|error| error.at(["path"]))?;
    let mut conn = app.store.read().await?;
    let (_, scope) = open(&mut conn, viewer, project).await?;
    store::file::at(&mut conn, &scope, area, &path).await
}

/// The areas that are the user's to change; what runs saved and what sessions remember is not.
fn changeable(area: FileArea) -> Result<()> {
    match area {
        FileArea::Drive | FileArea::Workspace => Ok(()),
        FileArea::Artifacts | FileArea::Knowledge => {
            Err(Error::invalid("Files of the drive and of the workspace can be changed.").at(["input", "area"]))
        }
    }
}
