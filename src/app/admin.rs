//! What admins do: look at everybody's sessions, end one, and read what was done. Never a look into a project.

use futures_util::FutureExt;

use super::{App, session};
use crate::{
    clock,
    error::{Error, Kind, Result},
    model::{
        admin::{AdminActionKind, AdminSession, MAX_REASON},
        id::SessionId,
        run::CancelledBy,
        scope::{Admin, Viewer},
        session::{SessionEndReason, SessionStatus},
        text,
    },
    store::{self, admin::NewAction},
};

/// The viewer as an admin.
pub fn admitted(viewer: &Viewer) -> Result<Admin> {
    Admin::of(viewer).ok_or_else(|| Error::new(Kind::Denied, "Only an admin may do this."))
}

/// Ends somebody's session, cancels its runs, and writes down who did so and why. On one that has ended: simply the session,
/// and nothing is written down.
pub async fn revoke_session(app: &App, viewer: Viewer, id: SessionId, reason: &str) -> Result<AdminSession> {
    let admin = admitted(&viewer)?;
    let reason = text::prose("reason", reason.trim(), MAX_REASON)?;
    if reason.is_empty() {
        return Err(Error::invalid("A reason is needed: it is kept with what is done.").at(["input", "reason"]));
    }
    let (session, stopped) = app
        .store
        .write(move |tx| {
            async move {
                let absent = || Error::not_found(SessionId::NOUN).at(["input", "sessionId"]);
                let found = store::admin::session(tx, &admin, id).await?.ok_or_else(absent)?;
                let (owner, now) = (found.session.user_id, clock::now());
                if found.session.status() == SessionStatus::Ended
                    || !store::session::end(tx, owner, id, SessionEndReason::RevokedByAdmin, now).await?
                {
                    return Ok((store::admin::session(tx, &admin, id).await?.ok_or_else(absent)?, Vec::new()));
                }
                let stopped = session::stop_runs(tx, owner, id, CancelledBy::SessionRevokedByAdmin, now).await?;
                let action =
                    NewAction { kind: AdminActionKind::SessionRevoked, user_id: owner, session_id: id, reason };
                store::admin::record(tx, &admin, &action, now).await?;
                Ok((store::admin::session(tx, &admin, id).await?.ok_or_else(absent)?, stopped))
            }
            .boxed()
        })
        .await?;
    session::ring(app, &stopped);
    Ok(session)
}
