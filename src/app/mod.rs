//! The use cases: authorise, one unit, change, append events, ring the bell. A file per noun.

pub mod access;
pub mod activity;
pub mod admin;
pub mod deletion;
pub mod file;
pub mod history;
mod idempotency;
pub mod integrity;
pub mod outside;
pub mod project;
pub mod run;
pub mod session;
pub mod sweep;
pub mod work;

use std::time::Duration;

use self::{activity::Activity, outside::LeaseTokens};
use crate::{
    error::{Error, Result},
    files::{Files, signature::Signer},
    hint::Hints,
    model::{
        id::ProjectId,
        project::Project,
        scope::{ProjectScope, Viewer},
    },
    store::{self, Conn, Store},
    timeline::Timeline,
};

/// What the use cases stand on. Cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Rows.
    pub store: Store,
    /// Bytes.
    pub files: Files,
    /// The runs' logs.
    pub timeline: Timeline,
    /// Doorbells.
    pub hints: Hints,
    /// What changes in projects, for those who watch.
    pub activity: Activity,
    /// Signs download addresses.
    pub signer: Signer,
    /// Seals the leases of workers that live elsewhere.
    pub lease_tokens: LeaseTokens,
    /// What holds here.
    pub rules: Rules,
}

/// Limits and defaults of this server.
#[derive(Clone, Debug)]
pub struct Rules {
    /// A workspace session's life when nothing is said.
    pub session_ttl: Duration,
    /// The longest life of a workspace session.
    pub session_ttl_max: Duration,
    /// The models that runs can ask for; the first is the default.
    pub models: Vec<String>,
    /// How long a worker holds a run without renewing its lease.
    pub lease: Duration,
    /// How often in a row a run is taken up without a step in between before it is given up.
    pub max_attempts: usize,
    /// How clients reach this server, without a slash at the end.
    pub public_url: String,
    /// What an upload may hold.
    pub uploads: UploadRules,
    /// How long bytes are kept after the last file, artifact or run that names them is gone.
    pub keep_unreferenced: Duration,
}

/// What an upload may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadRules {
    /// The largest file, in bytes.
    pub bytes: u64,
    /// The most files at once.
    pub files: usize,
}

impl Default for UploadRules {
    fn default() -> Self {
        Self { bytes: 16 << 20, files: 20 }
    }
}

/// The agent that executes runs when nothing is said.
pub const AGENT: &str = "workroom/general";

/// A project of the viewer's, opened.
async fn open(conn: &mut Conn, viewer: &Viewer, id: ProjectId) -> Result<(Project, ProjectScope)> {
    let absent = || Error::not_found(ProjectId::NOUN);
    let project = store::project::get(conn, viewer, id).await?.ok_or_else(absent)?;
    let scope = ProjectScope::owned(viewer, &project).ok_or_else(absent)?;
    Ok((project, scope))
}
