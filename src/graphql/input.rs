//! What mutations take and answer.

pub mod end;
mod file;
pub mod worker;

use async_graphql::{InputObject, SimpleObject};

pub use self::file::{
    CopyFileInput, CopyFilePayload, DeleteFilesInput, DeleteFilesPayload, DeleteResult, MoveFileInput, MoveFilePayload,
    UploadFilesInput, UploadFilesPayload, UploadResult, WriteFileInput, WriteFilePayload,
};
use super::{
    object::{Obj, Rows},
    user_error::UserError,
};
use crate::model::{
    id::{FileId, ProjectId, RunId, SessionId},
    project::Project,
    run::{IfBusy, Run},
    session::WorkspaceSession,
    uint53::UInt53,
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
    /// Which agent: `workroom/general`, which is taken when nothing is said, or one of yours such as `acme/researcher`. A run for
    /// yours waits until a worker claims it that serves this agent, and the project's later runs wait behind it.
    pub agent: Option<String>,
    /// Which model. Of those for `workroom/general`, `server.models` lists them and the first is taken when nothing is said; an
    /// agent of yours is told what stands here, `default` when nothing is said.
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
