//! How files come: uploaded, written, copied. The bytes are durable first; then one unit makes the row that shows them.

use futures_util::FutureExt;
use serde::Serialize;

use super::{super::idempotency::keyed, changeable};
use crate::{
    app::{App, open},
    clock,
    error::{Detail, Error, Kind, Result},
    files::{Location, NewObject, format, stage::Staged},
    model::{
        file::{self, File, FileArea, FileVersion, IfExists},
        id::{FileId, NodeId, ProjectId},
        scope::{ProjectScope, Viewer},
    },
    store::{
        self, Tx,
        file::Placing,
        idempotency::{Keyed, claim},
    },
};

/// How many names are tried for a file that is to be kept beside another.
const NAMES: usize = 100;

/// A request's uploads, as they are asked for.
#[derive(Clone, Debug)]
pub struct UploadFiles {
    /// Into the drive of which project.
    pub project_id: ProjectId,
    /// Into which directory; none is the drive itself.
    pub directory: Option<String>,
    /// When there is a file at the path.
    pub if_exists: IfExists,
    /// Makes repeating the request harmless.
    pub idempotency_key: Option<String>,
}

/// Where a request's files go: a directory of a project's drive.
#[derive(Clone, Debug)]
pub struct Destination {
    viewer: Viewer,
    scope: ProjectScope,
    directory: String,
    if_exists: IfExists,
    key: Option<String>,
}

/// Where so many uploads go; asked once for all of a request's files.
pub async fn destination(app: &App, viewer: Viewer, input: UploadFiles, files: usize) -> Result<Destination> {
    let most = app.rules.uploads.files;
    if !(1..=most).contains(&files) {
        return Err(Error::invalid(format!("Send 1 to {most} files at once.")).at(["input", "files"]));
    }
    let directory = file::directory(&input.directory.unwrap_or_default());
    let directory = directory.map_err(|error| error.at(["input", "directory"]))?;
    // A key that is refused is refused before the first file is kept.
    keyed(&viewer, "uploadFiles", input.idempotency_key.clone(), &())?;
    let mut conn = app.store.read().await?;
    let opened = open(&mut conn, &viewer, input.project_id).await;
    let (_, scope) = opened.map_err(|error| error.at(["input", "projectId"]))?;
    Ok(Destination { viewer, scope, directory, if_exists: input.if_exists, key: input.idempotency_key })
}

/// Puts one upload, the request's `index`th, into the drive.
pub async fn upload(app: &App, to: &Destination, index: usize, staged: &Staged) -> Result<File> {
    let (scope, name) = (to.scope, staged.name());
    let refused = Detail::File { expected: format::TAKEN, detected: None };
    let path = path_of(to, name).map_err(|error| error.with(refused))?;
    let (bytes, media_type) = staged.checked().await?;
    let version = app.files.put(&scope, FileArea::Drive, NewObject { name, media_type, bytes }).await?;
    let input = (scope.project_id(), &path, &version.sha256, to.if_exists);
    let keyed = keyed(&to.viewer, "uploadFiles", to.key.clone(), &input)?;
    // Each file of a request is a thing of its own.
    let keyed = keyed.map(|keyed| Keyed { key: format!("{} {index}", keyed.key), ..keyed });
    let placing =
        Placing { area: FileArea::Drive, path, original_name: name.to_owned(), version_id: version.version_id };
    let new = New { placing, version, if_exists: to.if_exists, expected: None, keyed };
    bring(app, to.viewer, scope.project_id(), new).await
}

fn path_of(to: &Destination, name: &str) -> Result<String> {
    if name.is_empty() {
        return Err(Error::invalid("The file has no name."));
    }
    if name.contains(['/', '\\']) {
        return Err(Error::invalid("A file's name has no `/` or `\\`; give `directory` to put it into a folder."));
    }
    if to.directory.is_empty() { file::path(name) } else { file::path(&format!("{}/{name}", to.directory)) }
}

/// A text to be kept as a file, as it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct WriteFile {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area.
    pub area: FileArea,
    /// Where in the area.
    pub path: String,
    /// The content.
    pub text: String,
    /// What it is; by the path's ending when nothing is said.
    pub media_type: Option<String>,
    /// What the caller has seen there.
    pub expected_sha256: Option<String>,
    /// When there is a file at the path.
    pub if_exists: IfExists,
}

/// Keeps a text as a file.
pub async fn write(app: &App, viewer: Viewer, input: WriteFile, key: Option<String>) -> Result<File> {
    let keyed = keyed(&viewer, "writeFile", key, &input)?;
    changeable(input.area)?;
    let path = file::path(&input.path).map_err(|error| error.at(["input", "path"]))?;
    let name = file::name_of(&path);
    let media_type = match &input.media_type {
        None => mime_guess::from_path(name).first_raw().unwrap_or("text/plain"),
        Some(media_type) if media_type.parse::<mime::Mime>().is_ok() => media_type,
        Some(_) => {
            let refused = Error::invalid("`mediaType` is not a media type such as `text/markdown`.");
            return Err(refused.at(["input", "mediaType"]));
        }
    };
    if input.text.contains('\0') {
        return Err(Error::invalid("The NUL character is not taken here.").at(["input", "text"]));
    }
    let scope = {
        let mut conn = app.store.read().await?;
        if let Some(before) = made_before(&mut conn, &viewer, keyed.as_ref()).await? {
            return Ok(before);
        }
        let opened = open(&mut conn, &viewer, input.project_id).await;
        let (_, scope) = opened.map_err(|error| error.at(["input", "projectId"]))?;
        // Asked again in the unit; asked here so that a stale editor leaves no bytes behind.
        let there = store::file::at(&mut conn, &scope, input.area, &path).await?;
        if keyed.is_none() {
            check(there.as_ref(), input.if_exists, input.expected_sha256.as_deref())?;
        }
        scope
    };
    let bytes = input.text.into_bytes().into();
    let version = app.files.put(&scope, input.area, NewObject { name, media_type, bytes }).await?;
    let original_name = name.to_owned();
    let placing = Placing { area: input.area, path, original_name, version_id: version.version_id };
    let new = New { placing, version, if_exists: input.if_exists, expected: input.expected_sha256, keyed };
    bring(app, viewer, scope.project_id(), new).await
}

/// A copy into a drive, as it is asked for.
#[derive(Clone, Debug)]
pub struct CopyFile {
    /// A file or an artifact.
    pub source_id: NodeId,
    /// Into the drive of which project.
    pub project_id: ProjectId,
    /// To where; under its own name into the drive itself when nothing is said.
    pub path: Option<String>,
    /// When there is a file at the path.
    pub if_exists: IfExists,
}

/// Copies a file or an artifact into the drive of any of the viewer's projects. Objects never cross projects, so the copy has
/// bytes of its own.
pub async fn copy(app: &App, viewer: Viewer, input: CopyFile, key: Option<String>) -> Result<File> {
    let asked = (input.source_id.to_string(), input.project_id, &input.path, input.if_exists);
    let keyed = keyed(&viewer, "copyFile", key, &asked)?;
    let path = input.path.as_deref().map(file::path).transpose().map_err(|error| error.at(["input", "path"]))?;
    let (source, scope) = {
        let mut conn = app.store.read().await?;
        // Before the source is looked for: it may have gone since the same request was answered.
        if let Some(before) = made_before(&mut conn, &viewer, keyed.as_ref()).await? {
            return Ok(before);
        }
        let source = source(&mut conn, &viewer, input.source_id).await?;
        let source = source.ok_or_else(|| Error::not_found("file or artifact").at(["input", "sourceId"]))?;
        let opened = open(&mut conn, &viewer, input.project_id).await;
        let (_, scope) = opened.map_err(|error| error.at(["input", "projectId"]))?;
        (source, scope)
    };
    let path = path.unwrap_or(source.name);
    let location = Location { project_id: source.project_id, area: source.area, version: &source.version };
    let bytes = app.files.whole(&location).await?;
    let (name, media_type) = (file::name_of(&path), source.version.media_type.as_str());
    let version = app.files.put(&scope, FileArea::Drive, NewObject { name, media_type, bytes }).await?;
    let version_id = version.version_id;
    let placing = Placing { area: FileArea::Drive, path, original_name: source.original_name, version_id };
    let new = New { placing, version, if_exists: input.if_exists, expected: None, keyed };
    bring(app, viewer, scope.project_id(), new).await
}

/// The file that the same request made before, if it is still there. So a repeated one stores no bytes.
async fn made_before(conn: &mut store::Conn, viewer: &Viewer, keyed: Option<&Keyed>) -> Result<Option<File>> {
    let Some(keyed) = keyed else { return Ok(None) };
    let Some(id) = store::idempotency::made(conn, keyed).await? else { return Ok(None) };
    Ok(store::file::by_ids(conn, viewer, &[FileId(id)]).await?.pop())
}

/// What is copied.
struct Source {
    project_id: ProjectId,
    area: FileArea,
    name: String,
    original_name: String,
    version: FileVersion,
}

async fn source(conn: &mut store::Conn, viewer: &Viewer, id: NodeId) -> Result<Option<Source>> {
    Ok(match id {
        NodeId::File(id) => store::file::by_ids(conn, viewer, &[id]).await?.pop().map(|file| Source {
            project_id: file.project_id,
            area: file.area,
            name: file::name_of(&file.path).to_owned(),
            original_name: file.original_name,
            version: file.version,
        }),
        NodeId::Artifact(id) => store::artifact::by_ids(conn, viewer, &[id]).await?.pop().map(|artifact| Source {
            project_id: artifact.project_id,
            area: FileArea::Artifacts,
            name: artifact.name.clone(),
            original_name: artifact.name,
            version: artifact.version,
        }),
        _ => None,
    })
}

/// A content that is durable, and where it is to stand.
#[derive(Clone)]
struct New {
    placing: Placing,
    version: FileVersion,
    if_exists: IfExists,
    expected: Option<String>,
    keyed: Option<Keyed>,
}

/// Makes the row of a new content, in one unit.
async fn bring(app: &App, viewer: Viewer, project: ProjectId, new: New) -> Result<File> {
    let kept = app.rules.keep_unreferenced;
    app.store
        .write(move |tx| {
            async move {
                let now = clock::now();
                // The project can have gone while the bytes were written.
                let opened = open(tx, &viewer, project).await;
                let (_, scope) = opened.map_err(|error| error.at(["input", "projectId"]))?;
                new.version.fresh(now, kept)?;
                let there = store::file::at(tx, &scope, new.placing.area, &new.placing.path).await?;
                let id = match &there {
                    Some(file) if new.if_exists == IfExists::Replace => file.id,
                    _ => FileId::new(),
                };
                if let Some(keyed) = &new.keyed
                    && let Some(before) = claim(tx, keyed, id.0, now).await?
                {
                    let before = store::file::by_ids(tx, &viewer, &[FileId(before)]).await?.pop();
                    return before.ok_or_else(|| Error::conflict("The file that this key made is deleted."));
                }
                check(there.as_ref(), new.if_exists, new.expected.as_deref())?;
                store::file::insert_version(tx, &scope, new.placing.area, &new.version, now).await?;
                let id = stand(tx, &scope, (there, id), new, now).await?;
                let placed = store::file::by_ids(tx, &viewer, &[id]).await?.pop();
                // What was just placed is away only with its project, which can have been deleted beside this unit.
                placed.ok_or_else(|| Error::not_found(ProjectId::NOUN).at(["input", "projectId"]))
            }
            .boxed()
        })
        .await
}

/// Whether the caller knew what stands at the path.
fn check(there: Option<&File>, if_exists: IfExists, expected: Option<&str>) -> Result<()> {
    let found = there.map(|file| file.version.sha256.as_str());
    if expected.is_some() && expected != found {
        let stands =
            found.map_or("there is no file".to_owned(), |found| format!("its content has the SHA-256 {found}"));
        return Err(Error::conflict(format!("The file was changed since: {stands}. Read it again, then decide."))
            .at(["input", "expectedSha256"]));
    }
    if found.is_some() && if_exists == IfExists::Reject {
        return Err(Error::conflict("There is a file at this path already."));
    }
    Ok(())
}

/// Puts a content at its path, in place of what stood there or beside it.
async fn stand(
    tx: &mut Tx,
    scope: &ProjectScope,
    (there, id): (Option<File>, FileId),
    mut new: New,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<FileId> {
    let moved_on = || Error::new(Kind::Busy, "Too many changes at once. Try again.");
    let done = match (there, new.if_exists) {
        (Some(there), IfExists::Replace) if new.expected.is_some() => {
            store::file::replace(tx, scope, &there, &new.placing, now).await?
        }
        // Whoever is last stands.
        (_, IfExists::Replace) if new.keyed.is_none() => {
            return store::file::place(tx, scope, &new.placing, now).await;
        }
        // The key names this very file.
        (Some(_), IfExists::Replace) => store::file::place(tx, scope, &new.placing, now).await? == id,
        (there, _) => {
            if there.is_some() {
                new.placing.path = free(tx, scope, &new.placing).await?;
            }
            store::file::place_new(tx, scope, id, &new.placing, now).await?
        }
    };
    // Another unit was there between our look and our change. This one is tried again, and sees it.
    if done { Ok(id) } else { Err(moved_on()) }
}

/// The first path like this one at which there is no file.
async fn free(tx: &mut Tx, scope: &ProjectScope, placing: &Placing) -> Result<String> {
    let paths: Vec<String> = (1..NAMES).map(|number| file::numbered(&placing.path, number)).collect();
    let taken = store::file::taken(tx, scope, placing.area, &paths).await?;
    let free = paths.into_iter().find(|path| !taken.contains(path));
    file::path(&free.ok_or_else(|| Error::conflict("There are too many files of this name already."))?)
}
