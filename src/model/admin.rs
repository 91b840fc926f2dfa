//! What admins see and do: sessions of everybody, and the record of what was done to them.
//!
//! An admin's view of a session is a type of its own without a way on: the edges of a [`WorkspaceSession`] lead into a project,
//! and nothing that an admin is given may lead there. So it is no matter of a check that somebody has to remember.

use async_graphql::{Enum, InputObject, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    id::{AdminActionId, SessionId, UserId},
    session::{SessionStatus, WorkspaceSession},
};

/// The longest reason that an admin may give, in characters.
pub const MAX_REASON: usize = 1000;

/// Somebody's session, as an admin sees it.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct AdminSession {
    /// The session.
    #[sqlx(flatten)]
    pub session: WorkspaceSession,
    /// The name of the user whose it is.
    pub user_name: String,
}

/// Which sessions. All conditions must hold.
#[derive(Clone, Copy, Debug, Default, InputObject)]
pub struct AdminSessionFilter {
    /// Stands at this.
    pub status: Option<SessionStatus>,
    /// Of this user.
    pub user_id: Option<UserId>,
}

/// What an admin can do to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AdminActionKind {
    /// Revoked a workspace session.
    SessionRevoked,
}

/// Something that an admin did: who did what to whom, why, and when. Kept for ever.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
pub struct AdminAction {
    /// Opaque and stable.
    pub id: AdminActionId,
    /// What was done.
    pub kind: AdminActionKind,
    /// Who did it.
    pub admin_id: UserId,
    /// The name of the admin.
    pub admin_name: String,
    /// To whom.
    pub user_id: UserId,
    /// The name of the user to whom it was done.
    pub user_name: String,
    /// To which of the user's sessions.
    pub session_id: SessionId,
    /// Why, in the admin's words.
    pub reason: String,
    /// When.
    pub created_at: DateTime<Utc>,
}
