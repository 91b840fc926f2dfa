//! What a worker does with a lease: read the run, read and write the project's files, record its turns, end the run.
//!
//! Every change goes through the timeline's one door in the same unit as the events that tell of it, fenced by the lease. A
//! tool's effect, its `ToolReturned` and the private record of the call are one unit too, so that a worker that takes over
//! finds either all of it or nothing: no finished call is repeated, and none is lost.

use bytes::Bytes;
use futures_util::FutureExt;

use super::App;
use crate::{
    clock,
    error::{Error, Result},
    files::{Location, NewObject},
    hint::Topic,
    model::{
        artifact::Artifact,
        event::{ArtifactCreated, EventBody, FileWritten, RunEventType, RunFailed},
        file::{self, Entry, File, FileArea, FileVersion, PinnedFile},
        id::ArtifactId,
        page::{PageRequest, Take},
        run::{Run, RunFailure},
        scope::{RunLease, Viewer},
        user::UserRole,
    },
    store::{
        self, Tx,
        directory::Folder,
        event::Append,
        file::Placing,
        lease,
        turn::{self, Turn},
    },
    timeline::append,
};

/// Files that a listing shows at the most.
const MAX_LISTED: i64 = 1000;
/// The version of the private turn records.
const TURN_VERSION: i64 = 1;

/// A worker's place at one run.
#[derive(Clone)]
pub struct Desk {
    app: App,
    lease: RunLease,
}

/// What a tool call changes, ready to be committed: its bytes are durable, its rows are not there yet.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A content to be put at a path.
    Write {
        /// The content.
        version: FileVersion,
        /// Where it goes.
        placing: Placing,
    },
    /// A deliverable.
    Output(Artifact),
}

/// One step of the agent, committed as a whole.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// What it changes.
    pub effect: Option<Effect>,
    /// What the timeline tells of it, after what it tells of the effect.
    pub events: Vec<EventBody>,
    /// What another worker needs to go on: the index of the record, and the record.
    pub turn: Option<(i64, String)>,
}

impl Desk {
    /// The place at the lease's run.
    pub fn new(app: App, lease: RunLease) -> Self {
        Self { app, lease }
    }

    /// The lease.
    pub fn lease(&self) -> &RunLease {
        &self.lease
    }

    /// The run's owner, as a viewer.
    fn owner(&self) -> Viewer {
        Viewer::authenticated(self.lease.scope().user_id(), UserRole::User, None)
    }

    /// The run, as long as the lease is held.
    pub async fn run(&self) -> Result<Option<Run>> {
        lease::run_of(&mut self.app.store.read().await?, &self.lease).await
    }

    /// Ends the run if it was taken up too often in a row without a step in between, or more often than `grants` at all: something
    /// about it ends its workers. Says whether it did.
    pub async fn gave_up(&self, grants: i64) -> Result<bool> {
        let most = self.app.rules.max_attempts;
        let message = if self.lease.generation() > grants {
            format!("It was taken up {grants} times, and no worker came to its end.")
        } else if self.fruitless_attempts(most).await? >= most {
            format!("It was taken up {most} times in a row, and no worker got a step further.")
        } else {
            return Ok(false);
        };
        let failure = RunFailure { code: "TOO_MANY_ATTEMPTS".into(), message, retryable: true };
        self.finish(RunFailed { failure }.into()).await?;
        Ok(true)
    }

    /// How often in a row the run was taken up without a step in between, up to now; at most `most`.
    async fn fruitless_attempts(&self, most: usize) -> Result<usize> {
        // Beside each taking-up there may be a notice that tells of it.
        let size = i64::try_from(most * 2).map_err(Error::internal)?;
        let request = PageRequest { size, after: None, before: None, take: Take::Last };
        let mut conn = self.app.store.read().await?;
        let page = store::event::page(&mut conn, &self.owner(), self.lease.run_id(), None, &request).await?;
        let kinds = page.items.iter().rev().map(|event| event.body.kind());
        let since_the_last_step = kinds.take_while(|kind| {
            matches!(kind, RunEventType::RunStarted | RunEventType::RunResumed | RunEventType::Notice)
        });
        Ok(since_the_last_step.filter(|kind| *kind != RunEventType::Notice).count())
    }

    /// The session's earlier prompts with their answers, oldest first.
    pub async fn earlier(&self, run: &Run, most: i64) -> Result<Vec<Run>> {
        let mut conn = self.app.store.read().await?;
        let mut runs = store::run::answered_before(&mut conn, self.lease.scope(), run, most).await?;
        runs.reverse();
        Ok(runs)
    }

    /// The files that the run was given.
    pub async fn inputs(&self) -> Result<Vec<PinnedFile>> {
        store::run::inputs(&mut self.app.store.read().await?, &self.owner(), &[self.lease.run_id()]).await
    }

    /// The records of the run's turns up to now, in order.
    pub async fn turns(&self) -> Result<Vec<String>> {
        let rows = turn::all(&mut self.app.store.read().await?, &self.lease).await?;
        rows.into_iter()
            .map(|(version, body)| match version {
                TURN_VERSION => Ok(body),
                unknown => Err(Error::internal(format!("a turn record of the unknown version {unknown}"))),
            })
            .collect()
    }

    /// The files of an area below `directory` (all of them when it is empty), by path, and whether there are more.
    pub async fn list(&self, area: FileArea, directory: &str) -> Result<(Vec<File>, bool)> {
        let mut conn = self.app.store.read().await?;
        let folder = Folder {
            project_id: self.lease.scope().project_id(),
            area,
            path: directory.trim_matches('/').to_owned(),
            recursive: true,
        };
        let request = PageRequest { size: MAX_LISTED, after: None, before: None, take: Take::First };
        let page = store::directory::page(&mut conn, &self.owner(), &folder, &request).await?;
        let files = page.items.into_iter().filter_map(|entry| match entry {
            Entry::File(file) => Some(file),
            Entry::Directory(_) => None,
        });
        Ok((files.collect(), page.has_next_page))
    }

    /// A file's content. A file that the run was given reads as it was then, whatever stands there now.
    pub async fn read(&self, area: FileArea, path: &str) -> Result<Option<(FileVersion, Bytes)>> {
        let path = file::path(path)?;
        let scope = self.lease.scope();
        let version = {
            let mut conn = self.app.store.read().await?;
            let inputs = store::run::inputs(&mut conn, &self.owner(), &[self.lease.run_id()]).await?;
            let pinned = inputs.iter().find(|input| area == FileArea::Drive && input.path == path);
            match pinned {
                Some(input) => {
                    store::file::version(&mut conn, &self.owner(), input.version_id).await?.map(|found| found.2)
                }
                None => store::file::at(&mut conn, scope, area, &path).await?.map(|file| file.version),
            }
        };
        let Some(version) = version else { return Ok(None) };
        let location = Location { project_id: scope.project_id(), area, version: &version };
        let bytes = self.app.files.head(&location, version.size.as_u64()).await?;
        Ok(Some((version, bytes)))
    }

    /// Makes a content durable that is to stand at a path of the workspace.
    pub async fn prepare_write(&self, path: &str, media_type: &str, bytes: Bytes) -> Result<Effect> {
        let path = file::path(path)?;
        let name = file::name_of(&path).to_owned();
        let version = self.put(FileArea::Workspace, &name, media_type, bytes).await?;
        let placing = Placing { area: FileArea::Workspace, path, original_name: name, version_id: version.version_id };
        Ok(Effect::Write { version, placing })
    }

    /// Makes a deliverable's content durable.
    pub async fn prepare_output(&self, name: &str, media_type: &str, bytes: Bytes) -> Result<Effect> {
        let name = file::path(name)?;
        if name.contains('/') {
            return Err(Error::invalid("A deliverable's name has no `/`."));
        }
        let version = self.put(FileArea::Artifacts, &name, media_type, bytes).await?;
        Ok(Effect::Output(Artifact {
            id: ArtifactId::new(),
            run_id: self.lease.run_id(),
            project_id: self.lease.scope().project_id(),
            name,
            created_at: clock::now(),
            version,
        }))
    }

    async fn put(&self, area: FileArea, name: &str, media_type: &str, bytes: Bytes) -> Result<FileVersion> {
        self.app.files.put(self.lease.scope(), area, NewObject { name, media_type, bytes }).await
    }

    /// Commits a step. An error of kind `Expired` if the lease is lost; then nothing of it happened.
    pub async fn commit(&self, step: Step) -> Result<()> {
        let Step { effect, events, turn } = step;
        let turn = turn.map(|(index, record)| Turn { index, version: TURN_VERSION, record });
        let mut append = Append { lease: self.lease, after: None, at: clock::now(), bodies: events, turn };
        if let Some(effect) = effect {
            // An effect also locks rows of the project's files, which an upload may hold: in a unit of its own it waits alone.
            append.bodies.insert(0, effect.event());
            effect.version().fresh(append.at, self.app.rules.keep_unreferenced)?;
            self.app.store.write(move |tx| async move { write(tx, &append, &effect).await }.boxed()).await?;
        } else {
            append::commit(&self.app.store, append).await?;
        }
        self.app.hints.ring(Topic::Run(self.lease.run_id()));
        Ok(())
    }

    /// Ends the run with a terminal event.
    pub async fn finish(&self, end: EventBody) -> Result<()> {
        let lease = self.lease;
        self.app
            .store
            .write(move |tx| async move { append::finish(tx, &lease, clock::now(), end).await }.boxed())
            .await?;
        self.app.hints.ring(Topic::Run(lease.run_id()));
        // The project's next run can be claimed now.
        self.app.hints.ring(Topic::Queue);
        Ok(())
    }

    /// Hands the run back, for another worker to go on with at once.
    pub async fn hand_back(&self) -> Result<()> {
        let lease = self.lease;
        self.app.store.write(move |tx| async move { lease::hand_back(tx, &lease).await }.boxed()).await
    }
}

async fn write(tx: &mut Tx, append: &Append, effect: &Effect) -> Result<()> {
    let Append { lease, at, .. } = append;
    // The append comes first: it is the fence, and it locks the run's row.
    append::append(tx, append).await?;
    match effect {
        Effect::Write { version, placing } => {
            store::file::insert_version(tx, lease.scope(), placing.area, version, *at).await?;
            store::file::place(tx, lease.scope(), placing, *at).await?;
        }
        Effect::Output(artifact) => {
            store::file::insert_version(tx, lease.scope(), FileArea::Artifacts, &artifact.version, *at).await?;
            store::artifact::insert(tx, lease, artifact).await?;
        }
    }
    Ok(())
}

impl Effect {
    fn version(&self) -> &FileVersion {
        match self {
            Self::Write { version, .. } => version,
            Self::Output(artifact) => &artifact.version,
        }
    }

    fn event(&self) -> EventBody {
        match self {
            Self::Write { version, placing } => {
                FileWritten { area: placing.area, path: placing.path.clone(), size: version.size }.into()
            }
            Self::Output(artifact) => ArtifactCreated {
                artifact_id: artifact.id,
                name: artifact.name.clone(),
                sha256: Some(artifact.version.sha256.clone()),
            }
            .into(),
        }
    }
}
