//! Rows to tell stories with.

use sqlx::AssertSqlSafe;
use uuid::Uuid;
use workroom::{
    clock,
    error::{Error, Result},
    model::{
        artifact::Artifact,
        event::{RunCancelled, RunCompleted, RunFailed},
        file::{FileArea, FileVersion},
        id::{ArtifactId, FileId, ProjectId, RunId, SessionId, VersionId},
        page::{PageRequest, Take},
        project::Project,
        run::{CancelledBy, Run, RunFailure, RunStatus, TokenUsage},
        scope::{ProjectScope, RunLease, Viewer},
        session::WorkspaceSession,
        uint53::UInt53,
        user::UserRole,
    },
    store::{
        Conn, Store, Tx, artifact, file,
        lease::{self, Claimant},
        project, run, session, user,
    },
};

/// A unit of writing: `unit!(store, [what it needs a copy of] tx => what it does)`.
macro_rules! unit {
    ($store:expr, [$($owned:ident),*] $tx:ident => $body:expr) => {{
        $(let $owned = $owned.clone();)*
        $store.write(move |$tx| Box::pin(async move { $body })).await
    }};
}
pub(super) use unit;

/// A connection for reading.
pub(super) async fn reading(store: &Store) -> Conn {
    store.read().await.expect("a connection")
}

/// A user of this name.
pub(super) async fn viewer(store: &Store, name: &'static str) -> Viewer {
    let user = unit!(store, [] tx => user::ensure(tx, name, UserRole::User, clock::now()).await).expect("a user");
    Viewer::authenticated(user.id, user.role, None)
}

/// A project that is not kept yet.
pub(super) fn project_of(viewer: &Viewer, name: &str) -> Project {
    let now = clock::now();
    Project {
        id: ProjectId::new(),
        user_id: viewer.user_id(),
        name: name.to_owned(),
        description: String::new(),
        labels: Vec::new(),
        created_at: now,
        updated_at: now,
        version: UInt53::from(1_u64),
    }
}

pub(super) async fn keep(store: &Store, kept: &Project) {
    unit!(store, [kept] tx => project::insert(tx, &kept).await).expect("a project is kept");
}

pub(super) fn scope(viewer: &Viewer, project: &Project) -> ProjectScope {
    ProjectScope::owned(viewer, project).expect("the viewer's own project")
}

/// A session that is not kept yet.
pub(super) fn session_in(scope: &ProjectScope, seconds: i64) -> WorkspaceSession {
    let now = clock::now();
    WorkspaceSession {
        id: SessionId::new(),
        project_id: scope.project_id(),
        user_id: scope.user_id(),
        created_at: now,
        expires_at: now + chrono::Duration::seconds(seconds),
        ttl_seconds: UInt53::from(seconds.unsigned_abs()),
        ended_at: None,
        end_reason: None,
    }
}

/// A queued run that is not kept yet.
pub(super) fn run_in(scope: &ProjectScope, session: SessionId, number: i64) -> Run {
    Run {
        id: RunId::new(),
        number: UInt53::from(number.unsigned_abs()),
        project_id: scope.project_id(),
        user_id: scope.user_id(),
        session_id: session,
        prompt: format!("question {number}"),
        answer: None,
        agent: "general".into(),
        model: "extractive".into(),
        status: RunStatus::Queued,
        failure: None,
        cancel_requested_at: None,
        cancel_requested_by: None,
        created_at: clock::now(),
        started_at: None,
        completed_at: None,
        rerun_of: None,
        last_sequence: UInt53::default(),
        usage: TokenUsage::default(),
    }
}

/// A user with a project and an active session in it.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) viewer: Viewer,
    pub(super) project: Project,
    pub(super) scope: ProjectScope,
    pub(super) session: WorkspaceSession,
}

impl Desk {
    pub(super) async fn of(store: &Store, name: &'static str) -> Self {
        let viewer = viewer(store, name).await;
        Self::another(store, &viewer).await
    }

    /// Another project of the same user.
    pub(super) async fn another(store: &Store, viewer: &Viewer) -> Self {
        let project = project_of(viewer, "desk");
        keep(store, &project).await;
        let scope = scope(viewer, &project);
        let session = session_in(&scope, 3600);
        let provisioned = unit!(store, [session] tx => session::insert_if_none_is_active(tx, &session).await);
        assert!(provisioned.expect("a session"));
        Self { viewer: *viewer, project, scope, session }
    }

    /// A queued run.
    pub(super) async fn queue(&self, store: &Store) -> Run {
        let Self { scope, session, .. } = self.clone();
        unit!(store, [] tx => {
            let number = project::next_run_number(tx, &scope).await?.ok_or_else(|| Error::not_found("project"))?;
            let queued = run_in(&scope, session.id, number);
            run::insert(tx, &queued).await?;
            Ok(queued)
        })
        .expect("a run is queued")
    }

    /// A run that a worker holds.
    pub(super) async fn start(&self, store: &Store) -> RunLease {
        let queued = self.queue(store).await;
        let lease = claim(store, "worker").await.expect("the run can be claimed");
        assert_eq!(lease.run_id(), queued.id);
        lease
    }

    /// A run that has ended.
    pub(super) async fn finish(&self, store: &Store) -> Run {
        let lease = self.start(store).await;
        end(store, &lease, RunStatus::Completed).await.expect("the run ends");
        let mut conn = reading(store).await;
        run::get(&mut conn, &self.viewer, lease.run_id()).await.expect("a read").expect("the run")
    }

    /// A content that is kept in an area.
    pub(super) async fn content(&self, store: &Store, area: FileArea, name: &str) -> FileVersion {
        let version = FileVersion {
            version_id: VersionId::new(),
            object_name: name.to_owned(),
            size: UInt53::from(7_u64),
            sha256: "00".repeat(32),
            media_type: "text/plain".into(),
        };
        let scope = self.scope;
        unit!(store, [version] tx => file::insert_version(tx, &scope, area, &version, clock::now()).await)
            .expect("a content is kept");
        version
    }

    /// A file at a path of an area.
    pub(super) async fn put(&self, store: &Store, area: FileArea, path: &str) -> (FileId, FileVersion) {
        let version = self.content(store, area, path).await;
        let placing = file::Placing {
            area,
            path: path.to_owned(),
            original_name: path.to_owned(),
            version_id: version.version_id,
        };
        let scope = self.scope;
        let id = unit!(store, [placing] tx => file::place(tx, &scope, &placing, clock::now()).await).expect("a file");
        (id, version)
    }

    /// A deliverable of a run.
    pub(super) async fn deliver(&self, store: &Store, lease: &RunLease, name: &str) -> Artifact {
        let version = self.content(store, FileArea::Artifacts, name).await;
        let delivered = Artifact {
            id: ArtifactId::new(),
            run_id: lease.run_id(),
            project_id: self.scope.project_id(),
            name: name.to_owned(),
            created_at: clock::now(),
            version,
        };
        let lease = *lease;
        unit!(store, [delivered] tx => artifact::insert(tx, &lease, &delivered).await).expect("an artifact");
        delivered
    }
}

pub(super) async fn claim(store: &Store, worker: &'static str) -> Option<RunLease> {
    let claimant = Claimant { name: worker.into(), agents: vec!["general".into(), "other".into()], user_id: None };
    unit!(store, [claimant] tx => lease::claim(tx, &claimant, clock::now()).await).expect("a claim is answered")
}

/// Ends a held run; answers with its last sequence.
pub(super) async fn end(store: &Store, lease: &RunLease, status: RunStatus) -> Option<i64> {
    let ending = ending(status);
    let lease = *lease;
    unit!(store, [ending] tx => lease::end(tx, &lease, &ending).await).expect("an end is answered")
}

pub(super) fn ending(status: RunStatus) -> lease::Ending {
    let answer = (status == RunStatus::Completed).then(|| "42".to_owned());
    let failed = RunFailure { code: "X".into(), message: "x".into(), retryable: false };
    let failure = (status == RunStatus::Failed).then_some(failed);
    let event = match (&answer, &failure) {
        (Some(answer), _) => RunCompleted { answer: answer.clone() }.into(),
        (_, Some(failure)) => RunFailed { failure: failure.clone() }.into(),
        _ => RunCancelled { by: CancelledBy::User }.into(),
    };
    lease::Ending { status, answer, failure, at: clock::now(), event }
}

/// Runs a statement as it stands, with ids bound to it; says how many rows it touched.
pub(super) async fn raw(tx: &mut Tx, statement: &str, ids: &[Uuid]) -> Result<u64> {
    let statement = AssertSqlSafe(statement.to_owned());
    match &mut **tx {
        Conn::Sqlite(connection) => {
            let mut query = sqlx::query(statement);
            for id in ids {
                query = query.bind(*id);
            }
            Ok(query.execute(&mut **connection).await?.rows_affected())
        }
        Conn::Postgres(connection) => {
            let mut query = sqlx::query(statement);
            for id in ids {
                query = query.bind(*id);
            }
            Ok(query.execute(&mut **connection).await?.rows_affected())
        }
    }
}

/// Runs a statement in a unit of its own.
pub(super) async fn change(store: &Store, statement: &'static str, ids: Vec<Uuid>) -> Result<u64> {
    unit!(store, [] tx => raw(tx, statement, &ids).await)
}

/// A page from the start.
pub(super) fn first<K>(size: i64) -> PageRequest<K> {
    PageRequest { size, after: None, before: None, take: Take::First }
}

/// A page from the end.
pub(super) fn last<K>(size: i64) -> PageRequest<K> {
    PageRequest { size, after: None, before: None, take: Take::Last }
}

/// Reads a whole list page by page, forward and backward, and checks that both meet; answers with the rows in order.
///
/// `page` is an async block that reads `$request`, `key` tells a row's key.
macro_rules! walk {
    ($size:expr, $request:ident => $page:expr, $row:ident => $key:expr) => {{
        let mut forward = Vec::new();
        let mut $request = $crate::store::fixture::first($size);
        loop {
            let page = $page;
            assert_eq!(page.has_previous_page, $request.after.is_some());
            $request.after = page.items.last().map(|$row| $key);
            forward.extend(page.items);
            assert!(forward.len() < 10_000, "the pages do not end");
            if !page.has_next_page {
                break;
            }
        }
        let mut backward = Vec::new();
        let mut $request = $crate::store::fixture::last($size);
        loop {
            let page = $page;
            assert_eq!(page.has_next_page, $request.before.is_some());
            $request.before = page.items.first().map(|$row| $key);
            backward.extend(page.items.into_iter().rev());
            assert!(backward.len() < 10_000, "the pages do not end");
            if !page.has_previous_page {
                break;
            }
        }
        backward.reverse();
        assert_eq!(forward, backward, "the pages meet in both directions");
        // Between two cursors: what stands between them, from either end.
        if let [low, .., high] = &forward[..] {
            let after = Some({
                let $row = low;
                $key
            });
            let before = Some({
                let $row = high;
                $key
            });
            for take in [workroom::model::page::Take::First, workroom::model::page::Take::Last] {
                let $request = workroom::model::page::PageRequest {
                    size: 100,
                    after: after.clone(),
                    before: before.clone(),
                    take,
                };
                let between = $page;
                assert_eq!(between.items, forward[1..forward.len() - 1]);
            }
        }
        forward
    }};
}
pub(super) use walk;
