//! Artifacts: deliverables that runs saved.

use async_graphql::SimpleObject;
use chrono::{DateTime, Utc};

use super::{
    file::FileVersion,
    id::{ArtifactId, ProjectId, RunId},
};

/// A deliverable: an immutable file that a run saved. It outlives its session and the files it was made from.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct Artifact {
    /// Opaque and stable.
    pub id: ArtifactId,
    /// Which run saved it.
    #[graphql(skip)]
    pub run_id: RunId,
    /// In which project.
    #[graphql(skip)]
    pub project_id: ProjectId,
    /// The file's name.
    pub name: String,
    /// When it was saved.
    pub created_at: DateTime<Utc>,
    /// The content.
    #[graphql(skip)]
    #[sqlx(flatten)]
    pub version: FileVersion,
}
