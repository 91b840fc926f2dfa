//! Workspace sessions: the runtime context of one user in one project.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

use super::{
    id::{ProjectId, SessionId, UserId},
    uint53::UInt53,
};

/// The runtime context of a user in a project. At most one is active at a time; its end cancels its runs and loses live
/// shells, browser tabs and session knowledge. Nothing else is lost.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct WorkspaceSession {
    /// Opaque and stable.
    pub id: SessionId,
    /// Of which project.
    #[graphql(skip)]
    pub project_id: ProjectId,
    /// Whose.
    #[graphql(skip)]
    pub user_id: UserId,
    /// When it was provisioned.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself. Absolute: coming back to it does not move it.
    pub expires_at: DateTime<Utc>,
    /// How long it was given at its start, in seconds.
    pub ttl_seconds: UInt53,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<SessionEndReason>,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SessionStatus {
    /// Runs can work in it.
    Active,
    /// It is over; `endReason` says why.
    Ended,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionEndReason {
    /// Its user logged out.
    Logout,
    /// Its project was deleted.
    ProjectDeleted,
    /// An admin revoked it.
    RevokedByAdmin,
    /// Its user revoked it.
    RevokedByUser,
    /// Its time was up.
    TtlExpired,
}

impl WorkspaceSession {
    /// Shows the session as it is at `now`: one whose time is up reads as ended, before anything has written so.
    pub fn see_at(&mut self, now: DateTime<Utc>) {
        if self.ended_at.is_none() && self.expires_at <= now {
            self.ended_at = Some(self.expires_at);
            self.end_reason = Some(SessionEndReason::TtlExpired);
        }
    }

    /// Where it stands.
    pub fn status(&self) -> SessionStatus {
        if self.ended_at.is_some() { SessionStatus::Ended } else { SessionStatus::Active }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn an_expired_session_reads_as_ended_at_its_expiry() {
        let now = clock::now();
        let session = |expires_in: i64| WorkspaceSession {
            id: SessionId::new(),
            project_id: ProjectId::new(),
            user_id: UserId::new(),
            created_at: now,
            expires_at: now + chrono::Duration::seconds(expires_in),
            ttl_seconds: UInt53::default(),
            ended_at: None,
            end_reason: None,
        };
        let (mut going, mut over) = (session(1), session(0));
        going.see_at(now);
        over.see_at(now);
        assert_eq!(going.status(), SessionStatus::Active);
        assert_eq!(over.status(), SessionStatus::Ended);
        assert_eq!((over.ended_at, over.end_reason), (Some(now), Some(SessionEndReason::TtlExpired)));
    }
}
