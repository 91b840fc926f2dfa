//! The capabilities: nothing reads or writes a project's data without one of these in hand.
//!
//! | type | who holds it | what it opens |
//! |---|---|---|
//! | [`Viewer`] | who asks | lists and look-ups, always with `user_id = $viewer` in the SQL |
//! | [`ProjectScope`] | a use case, for one project of the viewer's | everything of that project |
//! | [`RunLease`] | a worker, for one run | that run's timeline, and its project's files |
//! | [`Sweep`] | the reapers | ids of what is due, and the transitions that are due |
//! | [`Inspection`] | a check of what is kept | rows and bytes of one user or of all, to compare them with their seals |
//! | [`OutsideWorker`] | a worker that lives elsewhere | claims of its user's runs, and what it does with their leases |
//! | [`Admin`] | an admin's operation | sessions and what admins did to them, never what is in a project |
//!
//! The constructors are few on purpose; the architecture test lists who may call them.

use super::{
    id::{ProjectId, RunId, TokenId, UserId},
    project::Project,
    user::{TokenScope, UserRole},
};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Viewer {
    user_id: UserId,
    role: UserRole,
    token_id: Option<TokenId>,
    scope: TokenScope,
}

impl Viewer {
    /// A user who has proved to be this one: by a token, or as the one local user of development mode.
    pub fn authenticated(user_id: UserId, role: UserRole, token_id: Option<TokenId>) -> Self {
        Self { user_id, role, token_id, scope: TokenScope::User }
    }

    /// The same, by a token that opens this.
    pub fn within(self, scope: TokenScope) -> Self {
        Self { scope, ..self }
    }

    /// Who.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// What they may do.
    pub fn role(&self) -> UserRole {
        self.role
    }

    /// What their token opens.
    pub fn scope(&self) -> TokenScope {
        self.scope
    }

    /// By which token; none in development mode.
    pub fn token_id(&self) -> Option<TokenId> {
        self.token_id
    }
}

/// One project, in the hands of its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProjectScope {
    user_id: UserId,
    project_id: ProjectId,
}

impl ProjectScope {
    /// The ownership rule: a project opens to the user who owns it, and to nobody else.
    pub fn owned(viewer: &Viewer, project: &Project) -> Option<Self> {
        (project.user_id == viewer.user_id).then_some(Self { user_id: viewer.user_id, project_id: project.id })
    }

    /// The owner.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }

    /// The project.
    pub fn project_id(&self) -> ProjectId {
        self.project_id
    }
}

/// The right to execute one run, until somebody else takes it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunLease {
    scope: ProjectScope,
    run_id: RunId,
    generation: i64,
}

impl RunLease {
    /// Granted by the store when a claim or a take-over succeeds: the run's owner and project come from its row, and
    /// `generation` is the count of grants, so that an earlier holder is told apart.
    pub fn granted(user_id: UserId, project_id: ProjectId, run_id: RunId, generation: i64) -> Self {
        Self { scope: ProjectScope { user_id, project_id }, run_id, generation }
    }

    /// The run's project.
    pub fn scope(&self) -> &ProjectScope {
        &self.scope
    }

    /// The run.
    pub fn run_id(&self) -> RunId {
        self.run_id
    }

    /// Which grant this is.
    pub fn generation(&self) -> i64 {
        self.generation
    }
}

/// A viewer who may act for the whole platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admin {
    user_id: UserId,
}

impl Admin {
    /// The viewer as an admin, if they are one and ask by a token that opens all that they may do.
    pub fn of(viewer: &Viewer) -> Option<Self> {
        (viewer.role == UserRole::Admin && viewer.scope == TokenScope::User).then_some(Self { user_id: viewer.user_id })
    }

    /// Who.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }
}

/// A worker that lives elsewhere: it claims runs of its user's, and shows leases that it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutsideWorker {
    viewer: Viewer,
}

impl OutsideWorker {
    /// The viewer as a worker, if their token is one's. The local user of development mode has no token and may do everything.
    pub fn of(viewer: &Viewer) -> Option<Self> {
        (viewer.scope == TokenScope::Worker || viewer.token_id.is_none()).then_some(Self { viewer: *viewer })
    }

    /// Whose runs it executes, and what it may read.
    pub fn viewer(&self) -> Viewer {
        self.viewer
    }

    /// Whether a lease can be one of its own.
    pub fn may_hold(&self, lease: &RunLease) -> bool {
        lease.scope.user_id == self.viewer.user_id
    }
}

/// The reapers' capability: it opens ids and due transitions across all projects, never content.
#[derive(Clone, Copy, Debug)]
pub struct Sweep(());

impl Sweep {
    /// For the worker's reapers.
    pub fn new() -> Self {
        Self(())
    }
}

impl Default for Sweep {
    fn default() -> Self {
        Self::new()
    }
}

/// The right to check what is kept: it reads what is sealed, and tells what is not what it was.
#[derive(Clone, Copy, Debug)]
pub struct Inspection {
    owner: Option<UserId>,
}

impl Inspection {
    /// Of the viewer's own.
    pub fn of(viewer: &Viewer) -> Self {
        Self { owner: Some(viewer.user_id) }
    }

    /// Of everybody's: for whoever runs the server, at its command line.
    pub fn of_everything() -> Self {
        Self { owner: None }
    }

    /// Whose alone; nobody's in particular if it is of everything.
    pub fn owner(&self) -> Option<UserId> {
        self.owner
    }
}
