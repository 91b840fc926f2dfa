//! Workspace sessions: attach or provision, revoke, log out, expire.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{App, open};
use crate::{
    clock,
    error::{Error, Result},
    hint::Topic,
    model::{
        id::{ProjectId, RunId, SessionId, UserId},
        project::Project,
        run::CancelledBy,
        scope::{ProjectScope, Sweep, Viewer},
        session::{SessionEndReason, WorkspaceSession},
        uint53::UInt53,
    },
    store::{self, Tx},
    timeline::append,
};

/// A project with its active session.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The project.
    pub project: Project,
    /// Its active session.
    pub session: WorkspaceSession,
    /// The session is new.
    pub provisioned: bool,
}

/// Opens a project: attaches its active session or provisions a new one. A `ttl` counts only for a new one.
pub async fn open_project(
    app: &App,
    viewer: Viewer,
    project_id: ProjectId,
    ttl_seconds: Option<u64>,
) -> Result<Opened> {
    let most = app.rules.session_ttl_max;
    let ttl = match ttl_seconds.map(Duration::from_secs) {
        None => app.rules.session_ttl,
        Some(ttl) if (Duration::from_secs(1)..=most).contains(&ttl) => ttl,
        Some(_) => {
            return Err(Error::invalid(format!("A session lives from 1 to {} seconds here.", most.as_secs()))
                .at(["input", "ttlSeconds"]));
        }
    };
    let (opened, stopped) = app
        .store
        .write(move |tx| {
            async move {
                let (project, scope) =
                    open(tx, &viewer, project_id).await.map_err(|error| error.at(["input", "projectId"]))?;
                let attached = attach(tx, &scope, ttl, clock::now()).await?;
                let Attached { session, provisioned, stopped } = attached;
                Ok((Opened { project, session, provisioned }, stopped))
            }
            .boxed()
        })
        .await?;
    ring(app, &stopped);
    Ok(opened)
}

/// An active session, and the runs that an expired one before it took with it.
pub(super) struct Attached {
    pub(super) session: WorkspaceSession,
    pub(super) provisioned: bool,
    pub(super) stopped: Vec<RunId>,
}

/// Attaches the project's active session or provisions one. An expired one gives way in this same unit.
pub(super) async fn attach(tx: &mut Tx, scope: &ProjectScope, ttl: Duration, now: DateTime<Utc>) -> Result<Attached> {
    let mut stopped = Vec::new();
    if let Some(expired) = store::session::expire_of(tx, scope, now).await? {
        stopped = stop_runs(tx, scope.user_id(), expired, CancelledBy::SessionExpired, now).await?;
    }
    let fresh = WorkspaceSession {
        id: SessionId::new(),
        project_id: scope.project_id(),
        user_id: scope.user_id(),
        created_at: now,
        expires_at: clock::after(now, ttl),
        ttl_seconds: UInt53::from(ttl.as_secs()),
        ended_at: None,
        end_reason: None,
    };
    // The database lets one in, whoever asks at the same time; the others find that one.
    if store::session::insert_if_none_is_active(tx, &fresh).await? {
        return Ok(Attached { session: fresh, provisioned: true, stopped });
    }
    let active = store::session::active(tx, scope).await?;
    let session = active.ok_or_else(|| Error::conflict("The session ended just now. Try again."))?;
    Ok(Attached { session, provisioned: false, stopped })
}

/// Ends a session of the viewer's and cancels its runs. On one that has ended: simply the session.
pub async fn revoke(app: &App, viewer: Viewer, id: SessionId) -> Result<WorkspaceSession> {
    let (session, stopped) = app
        .store
        .write(move |tx| {
            async move {
                let now = clock::now();
                let mut stopped = Vec::new();
                if store::session::end(tx, viewer.user_id(), id, SessionEndReason::RevokedByUser, now).await? {
                    stopped = stop_runs(tx, viewer.user_id(), id, CancelledBy::SessionRevoked, now).await?;
                }
                let found = store::session::by_ids(tx, &viewer, &[id]).await?.pop();
                let session = found.ok_or_else(|| Error::not_found(SessionId::NOUN).at(["input", "sessionId"]))?;
                Ok((session, stopped))
            }
            .boxed()
        })
        .await?;
    ring(app, &stopped);
    Ok(session)
}

/// Ends all active sessions of the viewer's, cancels their runs, and revokes the token that was presented; in development mode
/// there is none. Answers with how many sessions it ended.
pub async fn logout(app: &App, viewer: Viewer) -> Result<usize> {
    let (ended, stopped) = app
        .store
        .write(move |tx| {
            async move {
                let now = clock::now();
                let ended = store::session::end_all(tx, &viewer, now).await?;
                let mut stopped = Vec::new();
                for session in &ended {
                    stopped.extend(stop_runs(tx, viewer.user_id(), *session, CancelledBy::SessionLogout, now).await?);
                }
                if let Some(token) = viewer.token_id() {
                    store::token::revoke(tx, token, now).await?;
                }
                Ok((ended.len(), stopped))
            }
            .boxed()
        })
        .await?;
    ring(app, &stopped);
    Ok(ended)
}

/// Ends the sessions whose time is up, some at a time, and cancels their runs; answers with how many it ended.
pub async fn expire_due(app: &App, sweep: Sweep) -> Result<usize> {
    const AT_ONCE: i64 = 100;
    let (ended, stopped) = app
        .store
        .write(move |tx| {
            async move {
                let now = clock::now();
                let expired = store::session::expire(tx, &sweep, now, AT_ONCE).await?;
                let mut stopped = Vec::new();
                for (session, owner) in &expired {
                    stopped.extend(stop_runs(tx, *owner, *session, CancelledBy::SessionExpired, now).await?);
                }
                Ok((expired.len(), stopped))
            }
            .boxed()
        })
        .await?;
    ring(app, &stopped);
    Ok(ended)
}

/// A run never outlives its session.
pub(super) async fn stop_runs(
    tx: &mut Tx,
    owner: UserId,
    session: SessionId,
    by: CancelledBy,
    now: DateTime<Utc>,
) -> Result<Vec<RunId>> {
    let runs = store::run::unfinished_of_session(tx, owner, session).await?;
    for run in &runs {
        append::cancel(tx, owner, run, by, now).await?;
    }
    Ok(runs.into_iter().map(|run| run.id).collect())
}

/// Rings for runs that were stopped, after the commit.
pub(super) fn ring(app: &App, stopped: &[RunId]) {
    for run in stopped {
        app.hints.ring(Topic::Run(*run));
    }
    if !stopped.is_empty() {
        app.hints.ring(Topic::Cancellations);
        app.hints.ring(Topic::Queue);
    }
}
