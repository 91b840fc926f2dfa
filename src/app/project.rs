//! Projects: create, update, delete.

use futures_util::FutureExt;
use serde::Serialize;

use super::{App, idempotency, open, session};
use crate::{
    clock,
    error::{Error, Result},
    hint::Topic,
    model::{
        id::ProjectId,
        project::{self, MAX_DESCRIPTION, MAX_NAME, Project},
        run::CancelledBy,
        scope::Viewer,
        session::SessionEndReason,
        text,
        uint53::UInt53,
    },
    store::{self, idempotency::claim},
    timeline::append,
};

/// A new project, as it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct CreateProject {
    /// What people will call it.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// Words to find it by.
    pub labels: Option<Vec<String>>,
}

/// Creates a project; the same key and input answer with the project that they made before.
pub async fn create(app: &App, viewer: Viewer, input: CreateProject, key: Option<String>) -> Result<Project> {
    let keyed = idempotency::keyed(&viewer, "createProject", key, &input)?;
    let now = clock::now();
    let project = Project {
        id: ProjectId::new(),
        user_id: viewer.user_id(),
        name: text::name("name", &input.name, MAX_NAME)?,
        description: text::prose("description", &input.description.unwrap_or_default(), MAX_DESCRIPTION)?,
        labels: project::labels(&input.labels.unwrap_or_default())?,
        created_at: now,
        updated_at: now,
        version: UInt53::from(1_u64),
    };
    app.store
        .write(move |tx| {
            async move {
                if let Some(keyed) = keyed
                    && let Some(before) = claim(tx, &keyed, project.id.0, now).await?
                {
                    let before = store::project::get(tx, &viewer, ProjectId(before)).await?;
                    return before.ok_or_else(|| Error::conflict("The project that this key made is deleted."));
                }
                store::project::insert(tx, &project).await?;
                Ok(project)
            }
            .boxed()
        })
        .await
}

/// What to change of a project; what is `None` stays.
#[derive(Clone, Debug)]
pub struct UpdateProject {
    /// Which.
    pub project_id: ProjectId,
    /// The version that the caller has seen.
    pub version: u64,
    /// What people will call it.
    pub name: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Words to find it by, in place of those before.
    pub labels: Option<Vec<String>>,
}

/// Changes a project, unless somebody else has since the caller looked.
pub async fn update(app: &App, viewer: Viewer, input: UpdateProject) -> Result<Project> {
    app.store
        .write(move |tx| {
            async move {
                let (mut project, scope) =
                    open(tx, &viewer, input.project_id).await.map_err(|error| error.at(["input", "projectId"]))?;
                let seen = UInt53::from(input.version);
                let stale = |now: UInt53| {
                    Error::conflict(format!(
                        "The project was changed since: it is at version {}. Read it again, then decide.",
                        now.get()
                    ))
                    .at(["input", "version"])
                };
                if project.version != seen {
                    return Err(stale(project.version));
                }
                if let Some(name) = input.name {
                    project.name = text::name("name", &name, MAX_NAME)?;
                }
                if let Some(description) = input.description {
                    project.description = text::prose("description", &description, MAX_DESCRIPTION)?;
                }
                if let Some(labels) = input.labels {
                    project.labels = project::labels(&labels)?;
                }
                project.version = UInt53::from(seen.as_u64() + 1);
                project.updated_at = clock::now();
                let kept = store::project::update(tx, &scope, &project, seen.get()).await?;
                if kept { Ok(project) } else { Err(stale(project.version)) }
            }
            .boxed()
        })
        .await
}

/// Deletes a project: from the commit on it does not exist for anybody. Its session and its runs end with it, whoever holds
/// them; what is left of its rows and files is swept up by the worker.
pub async fn delete(app: &App, viewer: Viewer, id: ProjectId) -> Result<ProjectId> {
    let stopped = app
        .store
        .write(move |tx| {
            async move {
                let absent = || Error::not_found(ProjectId::NOUN).at(["input", "projectId"]);
                let (_, scope) = open(tx, &viewer, id).await.map_err(|error| error.at(["input", "projectId"]))?;
                // Whoever starts a run holds this row too: no run slips in beside the end.
                if !store::project::hold(tx, &scope).await? {
                    return Err(absent());
                }
                let now = clock::now();
                let runs = store::run::unfinished(tx, &scope).await?;
                for run in &runs {
                    append::revoke(tx, viewer.user_id(), run, CancelledBy::ProjectDeleted, now).await?;
                }
                store::session::expire_of(tx, &scope, now).await?;
                if let Some(active) = store::session::active(tx, &scope).await? {
                    store::session::end(tx, viewer.user_id(), active.id, SessionEndReason::ProjectDeleted, now).await?;
                }
                store::project::mark_deleting(tx, &scope, now).await?;
                Ok(runs.into_iter().map(|run| run.id).collect::<Vec<_>>())
            }
            .boxed()
        })
        .await?;
    session::ring(app, &stopped);
    app.hints.ring(Topic::Deletions);
    Ok(id)
}
