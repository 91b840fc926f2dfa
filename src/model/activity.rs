//! What changes in a project, as far as those who watch it live have to look again.

use super::{
    file::FileArea,
    id::{ProjectId, RunId, SessionId, UserId},
};

/// Something changed; how it looks now has to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Change {
    /// Whose project.
    pub user_id: UserId,
    /// In which project.
    pub project_id: ProjectId,
    /// What.
    pub what: Changed,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// The project itself: it was made, changed or deleted.
    Project,
    /// A workspace session was provisioned or ended.
    Session(SessionId),
    /// A run was asked for, changed its status, or is to stop.
    Run(RunId),
    /// Files or artifacts of an area.
    Files(FileArea),
}
