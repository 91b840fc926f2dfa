//! What mutations take and answer.

pub mod end;

use async_graphql::{InputObject, Object, SimpleObject};

use super::{
    object::{Obj, Rows},
    upload::Upload,
    user_error::UserError,
};
use crate::{
    error::Error,
    model::{
        file::File,
        id::{FileId, ProjectId, RunId, SessionId},
        project::Project,
        run::{IfBusy, Run},
        session::WorkspaceSession,
        uint53::UInt53,
    },
};

/// What `createProject` takes.
#[derive(InputObject)]
pub struct CreateProjectInput {
    /// What people will call it: one line, 1 to 200 characters; need not be unique.
    pub name: String,
    /// What it is about, at most 10000 characters.
    pub description: Option<String>,
    /// Words to find it by, at most 20 of at most 50 characters each.
    pub labels: Option<Vec<String>>,
    /// Makes repeating the request harmless: the same key and input answer with the same project.
    pub idempotency_key: Option<String>,
}

/// What `createProject` answers.
#[derive(SimpleObject)]
pub struct CreateProjectPayload {
    /// The project.
    pub project: Option<Obj<Project>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `updateProject` takes. What is left out stays as it is.
#[derive(InputObject)]
pub struct UpdateProjectInput {
    /// Which project.
    pub project_id: ProjectId,
    /// The version that the caller has seen; if it has moved on, nothing is changed and the answer is a `CONFLICT`.
    pub version: UInt53,
    /// What people will call it.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Words to find it by, in place of those before.
    pub labels: Option<Vec<String>>,
}

/// What `updateProject` answers.
#[derive(SimpleObject)]
pub struct UpdateProjectPayload {
    /// The project after the change.
    pub project: Option<Obj<Project>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `openProject` takes.
#[derive(InputObject)]
pub struct OpenProjectInput {
    /// Which project.
    pub project_id: ProjectId,
    /// How long a new session is to live, in seconds. An active session keeps the end that it was given.
    pub ttl_seconds: Option<UInt53>,
}

/// What `openProject` answers.
#[derive(SimpleObject)]
pub struct OpenProjectPayload {
    /// The project's active session.
    pub session: Option<Obj<WorkspaceSession>>,
    /// The session was provisioned now; otherwise the active one was attached.
    pub provisioned: bool,
    /// The project.
    pub project: Option<Obj<Project>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `revokeSession` takes.
#[derive(InputObject)]
pub struct RevokeSessionInput {
    /// Which session.
    pub session_id: SessionId,
}

/// What `revokeSession` answers.
#[derive(SimpleObject)]
pub struct RevokeSessionPayload {
    /// The session, ended.
    pub session: Option<Obj<WorkspaceSession>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `startRun` takes.
#[derive(InputObject)]
pub struct StartRunInput {
    /// In which project.
    pub project_id: ProjectId,
    /// What to do, at most 100000 characters.
    pub prompt: String,
    /// Files of the drive that it is about, at most 50. The run reads them as they are now, whatever happens to them later. None
    /// means that it may read the whole drive.
    pub files: Option<Vec<FileId>>,
    /// Which agent; there is one, `workroom/general`.
    pub agent: Option<String>,
    /// Which model; `server.models` lists them, the first is taken when nothing is said.
    pub model: Option<String>,
    /// What to do when a run of the project is queued or running.
    #[graphql(default)]
    pub if_busy: IfBusy,
    /// Makes repeating the request harmless: the same key and input answer with the same run.
    pub idempotency_key: Option<String>,
}

/// What `startRun` answers.
#[derive(SimpleObject)]
pub struct StartRunPayload {
    /// The run: a new one, or the one that the same request made before.
    pub run: Option<Obj<Run>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `rerun` takes.
#[derive(InputObject)]
pub struct RerunInput {
    /// The run to repeat, whether it has ended or not.
    pub run_id: RunId,
    /// What to do, when it is not the same.
    pub prompt: Option<String>,
    /// What to do when a run of the project is queued or running.
    #[graphql(default)]
    pub if_busy: IfBusy,
    /// Makes repeating the request harmless: the same key and input answer with the same run.
    pub idempotency_key: Option<String>,
}

/// What `rerun` answers.
#[derive(SimpleObject)]
pub struct RerunPayload {
    /// The new run; its `rerunOf` is the run that it repeats.
    pub run: Option<Obj<Run>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `cancelRun` takes.
#[derive(InputObject)]
pub struct CancelRunInput {
    /// Which run.
    pub run_id: RunId,
}

/// What `cancelRun` answers.
#[derive(SimpleObject)]
pub struct CancelRunPayload {
    /// The run. A queued one is cancelled; a running one has `cancelRequestedAt` and ends within a second; one that had ended is
    /// as it was.
    pub run: Option<Obj<Run>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `uploadFiles` takes. Sent as the GraphQL multipart request specification has it.
#[derive(InputObject)]
pub struct UploadFilesInput {
    /// Into the drive of which project.
    pub project_id: ProjectId,
    /// The files: text, Markdown, CSV or JSON, at most 20 of at most 16 MiB each.
    pub files: Vec<Upload>,
    /// Into which folder of the drive, as in `contracts/2026`; the drive itself when nothing is said.
    pub directory: Option<String>,
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
    /// The file, in place of what stood at its path. If it could not be kept for a reason that is not the caller's, this is null
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
