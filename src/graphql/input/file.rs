//! What the mutations of files take and answer.

use async_graphql::{InputObject, Object, SimpleObject};

use crate::{
    error::Error,
    graphql::{
        file::FileEntry,
        object::{Obj, Rows},
        upload::Upload,
        user_error::UserError,
    },
    model::{
        file::{File, FileArea, IfExists},
        id::{NodeId, ProjectId},
        uint53::UInt53,
    },
};

/// What `uploadFiles` takes. Sent as the GraphQL multipart request specification has it.
#[derive(InputObject)]
pub struct UploadFilesInput {
    /// Into the drive of which project.
    pub project_id: ProjectId,
    /// The files: text, Markdown, CSV or JSON, at most 20 of at most 16 MiB each.
    pub files: Vec<Upload>,
    /// Into which directory of the drive, as in `contracts/2026`; the drive itself when nothing is said.
    pub directory: Option<String>,
    /// When there is a file at the path.
    #[graphql(default)]
    pub if_exists: IfExists,
    /// Makes repeating the request harmless: the same key and files answer with the same files.
    pub idempotency_key: Option<String>,
}

/// What `uploadFiles` answers.
#[derive(SimpleObject)]
pub struct UploadFilesPayload {
    /// What became of each file, in the order in which they were sent.
    pub results: Rows<UploadResult>,
    /// What the caller can mend about the request as a whole; then no file was taken.
    pub user_errors: Rows<UserError>,
}

/// What became of one uploaded file.
pub struct UploadResult(pub Result<File, Error>);

/// What became of one uploaded file.
#[Object]
impl UploadResult {
    /// The file. If it could not be kept for a reason that is not the caller's, this is null
    /// with an error of its own, and the other files are not touched by that.
    async fn file(&self) -> async_graphql::Result<Option<Obj<&File>>> {
        match &self.0 {
            Ok(file) => Ok(Some(Obj(file))),
            Err(error) if UserError::of(error).is_some() => Ok(None),
            Err(error) => Err(error.clone().into()),
        }
    }

    /// What the caller can mend; then nothing of this file was kept.
    async fn user_errors(&self) -> Rows<UserError> {
        self.0.as_ref().err().and_then(UserError::of).into_iter().collect()
    }
}

/// What `writeFile` takes.
#[derive(InputObject)]
pub struct WriteFileInput {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area: the drive or the workspace.
    #[graphql(default_with = "FileArea::Drive")]
    pub area: FileArea,
    /// Where in the area, as in `contracts/2026.md`. Directories need not be made.
    pub path: String,
    /// The whole content.
    pub text: String,
    /// What it is, as in `text/markdown`; by the path's ending when nothing is said.
    pub media_type: Option<String>,
    /// The SHA-256 of the content that the caller has seen there, in lower-case hexadecimal; if there is another or none, nothing is
    /// written and the answer is a `CONFLICT`. Not looked at when it is left out.
    pub expected_sha256: Option<String>,
    /// When there is a file at the path.
    #[graphql(default)]
    pub if_exists: IfExists,
    /// Makes repeating the request harmless: the same key and input answer with the same file.
    pub idempotency_key: Option<String>,
}

/// What `writeFile` answers.
#[derive(SimpleObject)]
pub struct WriteFilePayload {
    /// The file.
    pub file: Option<Obj<File>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `copyFile` takes.
#[derive(InputObject)]
pub struct CopyFileInput {
    /// What to copy: a file of any area, or an artifact.
    pub source_id: NodeId,
    /// Into the drive of which project; it may be another one.
    pub project_id: ProjectId,
    /// To where in the drive; under its own name into the drive itself when nothing is said.
    pub path: Option<String>,
    /// When there is a file at the path.
    #[graphql(default_with = "IfExists::Reject")]
    pub if_exists: IfExists,
    /// Makes repeating the request harmless: the same key and input answer with the same file.
    pub idempotency_key: Option<String>,
}

/// What `copyFile` answers.
#[derive(SimpleObject)]
pub struct CopyFilePayload {
    /// The copy. It has bytes of its own, so it stays whatever becomes of the original.
    pub file: Option<Obj<File>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `moveFile` takes.
#[derive(InputObject)]
pub struct MoveFileInput {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area: the drive or the workspace. A file stays in its area; `copyFile` brings one into a drive.
    #[graphql(default_with = "FileArea::Drive")]
    pub area: FileArea,
    /// From where.
    pub path: String,
    /// To where: the whole new path. If there is something, nothing is moved and the answer is a `CONFLICT`.
    pub to: String,
    /// It is a directory, with all that is below it.
    #[graphql(default)]
    pub recursive: bool,
}

/// What `moveFile` answers.
#[derive(SimpleObject)]
pub struct MoveFilePayload {
    /// What stands at the new path. A file keeps its id.
    pub entry: Option<Obj<FileEntry>>,
    /// How many files were moved.
    pub moved_count: UInt53,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `deleteFiles` takes.
#[derive(InputObject)]
pub struct DeleteFilesInput {
    /// In which project.
    pub project_id: ProjectId,
    /// In which area: the drive or the workspace.
    #[graphql(default_with = "FileArea::Drive")]
    pub area: FileArea,
    /// What, at most 100 paths.
    pub paths: Vec<String>,
    /// What is below each path is deleted as well, as with a directory.
    #[graphql(default)]
    pub recursive: bool,
}

/// What `deleteFiles` answers.
#[derive(SimpleObject)]
pub struct DeleteFilesPayload {
    /// What became of each path, in the order in which they were given.
    pub results: Rows<DeleteResult>,
    /// What the caller can mend about the request as a whole; then nothing was deleted.
    pub user_errors: Rows<UserError>,
}

/// What became of one path.
#[derive(SimpleObject)]
pub struct DeleteResult {
    /// The path as it was given.
    pub path: String,
    /// How many files were deleted.
    pub deleted_count: UInt53,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}
