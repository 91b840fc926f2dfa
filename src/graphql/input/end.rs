//! What the mutations take and answer that end sessions and delete projects.

use async_graphql::{InputObject, SimpleObject};

use super::super::{
    object::{Obj, Rows},
    user_error::UserError,
};
use crate::model::{
    admin::AdminSession,
    id::{ProjectId, SessionId},
    uint53::UInt53,
};

/// What `deleteProject` takes.
#[derive(InputObject)]
pub struct DeleteProjectInput {
    /// Which project.
    pub project_id: ProjectId,
}

/// What `deleteProject` answers.
#[derive(SimpleObject)]
pub struct DeleteProjectPayload {
    /// The id of the project that was deleted.
    pub deleted_project_id: Option<ProjectId>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `logout` answers.
#[derive(SimpleObject)]
pub struct LogoutPayload {
    /// How many workspace sessions it ended.
    pub revoked_sessions: UInt53,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `adminRevokeSession` takes.
#[derive(InputObject)]
pub struct AdminRevokeSessionInput {
    /// Which session, whosever it is.
    pub session_id: SessionId,
    /// Why, 1 to 1000 characters. It is kept for ever with what was done.
    pub reason: String,
}

/// What `adminRevokeSession` answers.
#[derive(SimpleObject)]
pub struct AdminRevokeSessionPayload {
    /// The session, ended.
    pub session: Option<Obj<AdminSession>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}
