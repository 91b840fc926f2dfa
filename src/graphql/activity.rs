//! What a watcher of projects is told.

use async_graphql::{Object, SimpleObject, Union};

use super::{
    object::{Obj, Rows},
    paging,
};
use crate::{
    app::activity::{Happening, Snapshot},
    concrete_types,
    model::{file::FileArea, id::ProjectId, project::Project, run::Run, session::WorkspaceSession},
};

/// Something that a watcher is told: first an `ActivitySnapshot`, then what changes. More kinds may come.
#[derive(Union)]
pub enum ProjectActivity {
    /// How things are.
    ActivitySnapshot(ActivitySnapshot),
    /// Files changed.
    FilesChanged(FilesChanged),
    /// A project was made or changed.
    ProjectChanged(ProjectChanged),
    /// A project was deleted.
    ProjectDeleted(ProjectDeleted),
    /// A run was asked for or changed its status.
    RunChanged(RunChanged),
    /// A workspace session was provisioned or ended.
    SessionChanged(SessionChanged),
}

concrete_types!(
    ProjectActivity: ActivitySnapshot, FilesChanged, ProjectChanged, ProjectDeleted, RunChanged, SessionChanged
);

impl From<Happening> for ProjectActivity {
    fn from(happening: Happening) -> Self {
        match happening {
            Happening::Snapshot(snapshot) => Self::ActivitySnapshot(ActivitySnapshot(snapshot)),
            Happening::Project(project) => Self::ProjectChanged(ProjectChanged { project: Obj(project) }),
            Happening::ProjectDeleted(project_id) => Self::ProjectDeleted(ProjectDeleted { project_id }),
            Happening::Session(session) => Self::SessionChanged(SessionChanged { session: Obj(session) }),
            Happening::Run(run) => Self::RunChanged(RunChanged { run: Obj(run) }),
            Happening::Files(project, area) => Self::FilesChanged(FilesChanged { project: Obj(project), area }),
        }
    }
}

/// How things are. Comes first, and again when so much changed that a reader could not follow: then forget what you knew.
pub struct ActivitySnapshot(Snapshot);

/// How things are. Comes first, and again when so much changed that a reader could not follow: then forget what you knew.
#[Object]
impl ActivitySnapshot {
    /// The watched project; or of all the viewer's the hundred that changed last.
    #[graphql(complexity = "paging::batch(child_complexity)")]
    async fn projects(&self) -> Rows<Project> {
        Rows(self.0.projects.clone())
    }

    /// The active workspace sessions, newest first, at most a hundred.
    #[graphql(complexity = "paging::batch(child_complexity)")]
    async fn sessions(&self) -> Rows<WorkspaceSession> {
        Rows(self.0.sessions.clone())
    }

    /// The runs that have not ended, newest first, at most a hundred.
    #[graphql(complexity = "paging::batch(child_complexity)")]
    async fn runs(&self) -> Rows<Run> {
        Rows(self.0.runs.clone())
    }
}

/// A project was made or changed.
#[derive(SimpleObject)]
pub struct ProjectChanged {
    /// The project, as it is now.
    project: Obj<Project>,
}

/// A project was deleted. Only in `activity`; the stream `projectActivity` of a project that is deleted ends with an error.
#[derive(SimpleObject)]
pub struct ProjectDeleted {
    /// Which it was.
    project_id: ProjectId,
}

/// A workspace session was provisioned or ended.
#[derive(SimpleObject)]
pub struct SessionChanged {
    /// The session, as it is now.
    session: Obj<WorkspaceSession>,
}

/// A run was asked for, changed its status, or is to stop. What it does meanwhile is told by `runEvents`.
#[derive(SimpleObject)]
pub struct RunChanged {
    /// The run, as it is now.
    run: Obj<Run>,
}

/// Files of an area were written, moved or deleted, or an artifact was saved: list them again.
#[derive(SimpleObject)]
pub struct FilesChanged {
    /// In which project.
    project: Obj<Project>,
    /// In which area.
    area: FileArea,
}
