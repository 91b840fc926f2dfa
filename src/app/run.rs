//! Runs: start, run again, cancel.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use serde::Serialize;

use super::{AGENT, App, Rules, idempotency, open, session};
use crate::{
    clock,
    error::{Error, Result},
    hint::Topic,
    model::{
        file::{FileArea, PinnedFile},
        id::{FileId, ProjectId, RunId},
        run::{CancelledBy, IfBusy, MAX_PROMPT, Run, RunStatus, TokenUsage, outside_agent},
        scope::{ProjectScope, Viewer},
        text,
        uint53::UInt53,
    },
    store::{
        self, Tx,
        idempotency::{Keyed, claim},
    },
    timeline::append,
};

/// Files that a run may be given by name.
const MAX_INPUTS: usize = 50;
/// The model of a run whose agent is served elsewhere, when nothing is said: that worker chooses.
const ANY_MODEL: &str = "default";
/// The longest name of such a model, in characters.
const MAX_MODEL: usize = 200;

/// A run, as it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct StartRun {
    /// In which project.
    pub project_id: ProjectId,
    /// What to do.
    pub prompt: String,
    /// The files of the drive that it is about; none named means all of them.
    pub files: Vec<FileId>,
    /// Which agent.
    pub agent: Option<String>,
    /// Which model.
    pub model: Option<String>,
    /// What to do when a run of the project has not ended.
    pub if_busy: IfBusy,
}

/// A run that was asked for.
#[derive(Clone, Debug)]
pub struct Started {
    /// The run: a new one, or the one that the same request made before.
    pub run: Run,
    /// The run was made by an earlier request with the same key.
    pub repeated: bool,
}

/// Starts a run: it is queued, in the project's active session or a new one.
pub async fn start(app: &App, viewer: Viewer, input: StartRun, key: Option<String>) -> Result<Started> {
    let keyed = idempotency::keyed(&viewer, "startRun", key, &input)?;
    let prompt = prompt(&input.prompt)?;
    if input.files.len() > MAX_INPUTS {
        return Err(Error::invalid(format!("At most {MAX_INPUTS} files.")).at(["input", "files"]));
    }
    let rules = app.rules.clone();
    let queued = app
        .store
        .write(move |tx| {
            async move {
                let (_, scope) =
                    open(tx, &viewer, input.project_id).await.map_err(|error| error.at(["input", "projectId"]))?;
                let place = match take_place(tx, &viewer, &scope, keyed).await? {
                    Place::Taken(place) => place,
                    Place::Repeated(queued) => return Ok(*queued),
                };
                let agent = agent(input.agent)?;
                let draft = Draft {
                    prompt,
                    model: model(&rules, &agent, input.model)?,
                    agent,
                    rerun_of: None,
                    if_busy: input.if_busy,
                    ttl: rules.session_ttl,
                    inputs: pin(tx, &viewer, &scope, &input.files).await?,
                };
                queue(tx, &scope, place, draft).await
            }
            .boxed()
        })
        .await?;
    Ok(queued.announced(app))
}

/// A run again, as it is asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Rerun {
    /// Which run.
    pub run_id: RunId,
    /// What to do, when it is not the same.
    pub prompt: Option<String>,
    /// What to do when a run of the project has not ended.
    pub if_busy: IfBusy,
}

/// Makes a new run of one that there is: the same prompt or another. Files that the run was given are given again with the
/// same contents; a run that was given none reads the drive as it is now.
pub async fn rerun(app: &App, viewer: Viewer, input: Rerun, key: Option<String>) -> Result<Started> {
    let keyed = idempotency::keyed(&viewer, "rerun", key, &input)?;
    let changed = input.prompt.as_deref().map(prompt).transpose()?;
    let rules = app.rules.clone();
    let queued = app
        .store
        .write(move |tx| {
            async move {
                let absent = || Error::not_found(RunId::NOUN).at(["input", "runId"]);
                let original = store::run::get(tx, &viewer, input.run_id).await?.ok_or_else(absent)?;
                let (_, scope) =
                    open(tx, &viewer, original.project_id).await.map_err(|error| error.at(["input", "runId"]))?;
                let place = match take_place(tx, &viewer, &scope, keyed).await? {
                    Place::Taken(place) => place,
                    Place::Repeated(queued) => return Ok(*queued),
                };
                let draft = Draft {
                    prompt: changed.unwrap_or(original.prompt),
                    model: model(&rules, &original.agent, Some(original.model))
                        .map_err(|error| error.at(["input", "runId"]))?,
                    agent: original.agent,
                    rerun_of: Some(original.id),
                    if_busy: input.if_busy,
                    ttl: rules.session_ttl,
                    inputs: store::run::inputs(tx, &viewer, &[original.id]).await?,
                };
                queue(tx, &scope, place, draft).await
            }
            .boxed()
        })
        .await?;
    Ok(queued.announced(app))
}

/// Cancels a run: a queued one at once, a running one within a second. On one that has ended: simply the run.
pub async fn cancel(app: &App, viewer: Viewer, id: RunId) -> Result<Run> {
    let run = app
        .store
        .write(move |tx| {
            async move {
                let absent = || Error::not_found(RunId::NOUN).at(["input", "runId"]);
                let run = store::run::get(tx, &viewer, id).await?.ok_or_else(absent)?;
                if run.status.is_ended() {
                    return Ok(run);
                }
                append::cancel(tx, viewer.user_id(), &run, CancelledBy::User, clock::now()).await?;
                store::run::get(tx, &viewer, id).await?.ok_or_else(absent)
            }
            .boxed()
        })
        .await?;
    session::ring(app, &[id]);
    Ok(run)
}

/// A run that is checked and ready to be queued.
#[derive(Clone)]
struct Draft {
    prompt: String,
    agent: String,
    model: String,
    rerun_of: Option<RunId>,
    if_busy: IfBusy,
    ttl: Duration,
    inputs: Vec<PinnedFile>,
}

/// A new run's place in its project's order.
struct Taken {
    id: RunId,
    number: i64,
    now: DateTime<Utc>,
}

/// What became of the wish for a place.
enum Place {
    Taken(Taken),
    /// The same request made a run before.
    Repeated(Box<Queued>),
}

/// What a unit did, to be announced after its commit.
struct Queued {
    started: Started,
    stopped: Vec<RunId>,
}

impl Queued {
    fn announced(self, app: &App) -> Started {
        session::ring(app, &self.stopped);
        app.hints.ring(Topic::Queue);
        self.started
    }
}

/// Takes the next place, unless the same request did so before; that is asked before anything about the input, which may have
/// become wrong since.
async fn take_place(tx: &mut Tx, viewer: &Viewer, scope: &ProjectScope, keyed: Option<Keyed>) -> Result<Place> {
    let absent = || Error::not_found(ProjectId::NOUN).at(["input", "projectId"]);
    // From here on the project's row is held: nobody else starts a run of it before this unit ends. The id and the time come
    // after, so that ids, times and numbers are in one order, which is that of the queue.
    if !store::project::hold(tx, scope).await? {
        return Err(absent());
    }
    let (id, now) = (RunId::new(), clock::now());
    if let Some(keyed) = keyed
        && let Some(before) = claim(tx, &keyed, id.0, now).await?
    {
        let before = store::run::get(tx, viewer, RunId(before)).await?;
        let run = before.ok_or_else(|| Error::internal("an idempotency key without its run"))?;
        let queued = Queued { started: Started { run, repeated: true }, stopped: Vec::new() };
        return Ok(Place::Repeated(Box::new(queued)));
    }
    let number = store::project::next_run_number(tx, scope).await?.ok_or_else(absent)?;
    Ok(Place::Taken(Taken { id, number, now }))
}

async fn queue(tx: &mut Tx, scope: &ProjectScope, place: Taken, draft: Draft) -> Result<Queued> {
    let Taken { id, number, now } = place;
    let attached = session::attach(tx, scope, draft.ttl, now).await?;
    let mut stopped = attached.stopped;
    stopped.extend(make_way(tx, scope, draft.if_busy, now).await?);
    let run = Run {
        id,
        number: UInt53::from(number.unsigned_abs()),
        project_id: scope.project_id(),
        user_id: scope.user_id(),
        session_id: attached.session.id,
        prompt: draft.prompt,
        answer: None,
        agent: draft.agent,
        model: draft.model,
        status: RunStatus::Queued,
        failure: None,
        cancel_requested_at: None,
        cancel_requested_by: None,
        created_at: now,
        started_at: None,
        completed_at: None,
        rerun_of: draft.rerun_of,
        last_sequence: UInt53::from(1_u64),
        usage: TokenUsage::default(),
    };
    append::open(tx, &run).await?;
    let mut inputs = draft.inputs;
    for input in &mut inputs {
        input.run_id = id;
    }
    store::run::insert_inputs(tx, &inputs).await?;
    Ok(Queued { started: Started { run, repeated: false }, stopped })
}

/// Does with the project's unfinished runs what the caller asked for.
async fn make_way(tx: &mut Tx, scope: &ProjectScope, if_busy: IfBusy, now: DateTime<Utc>) -> Result<Vec<RunId>> {
    if if_busy == IfBusy::Enqueue {
        return Ok(Vec::new());
    }
    let unfinished = store::run::unfinished(tx, scope).await?;
    if if_busy == IfBusy::Reject {
        return match unfinished.first() {
            None => Ok(Vec::new()),
            Some(run) => Err(Error::conflict(format!(
                "Run {} of this project has not ended. Wait for it, or ask with ifBusy ENQUEUE or CANCEL_CURRENT.",
                run.number.get()
            ))
            .at(["input", "ifBusy"])),
        };
    }
    for run in &unfinished {
        append::cancel(tx, scope.user_id(), run, CancelledBy::NewerRun, now).await?;
    }
    Ok(unfinished.into_iter().map(|run| run.id).collect())
}

/// The present contents of the files that a run is given.
async fn pin(tx: &mut Tx, viewer: &Viewer, scope: &ProjectScope, files: &[FileId]) -> Result<Vec<PinnedFile>> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let found = store::file::by_ids(tx, viewer, files).await?;
    let mut pinned: Vec<PinnedFile> = Vec::with_capacity(files.len());
    for id in files {
        let file = found
            .iter()
            .find(|file| file.id == *id && file.project_id == scope.project_id() && file.area == FileArea::Drive)
            .ok_or_else(|| Error::not_found(FileId::NOUN).at(["input", "files"]))?;
        if pinned.iter().all(|pinned| pinned.path != file.path) {
            pinned.push(PinnedFile {
                run_id: RunId(uuid::Uuid::nil()),
                path: file.path.clone(),
                version_id: file.version.version_id,
                sha256: file.version.sha256.clone(),
                size: file.version.size,
            });
        }
    }
    Ok(pinned)
}

fn prompt(prompt: &str) -> Result<String> {
    let prompt = text::prose("prompt", prompt.trim(), MAX_PROMPT)?;
    if prompt.is_empty() {
        return Err(Error::invalid("A prompt is needed: say what to do.").at(["input", "prompt"]));
    }
    Ok(prompt)
}

fn agent(agent: Option<String>) -> Result<String> {
    match agent {
        None => Ok(AGENT.into()),
        Some(agent) if agent == AGENT => Ok(agent),
        Some(agent) => outside_agent(&agent).map_err(|error| error.at(["input", "agent"])),
    }
}

/// The model for an agent. Those of an agent that is served elsewhere are not known here.
fn model(rules: &Rules, agent: &str, model: Option<String>) -> Result<String> {
    if agent != AGENT {
        return text::name("model", model.as_deref().unwrap_or(ANY_MODEL), MAX_MODEL);
    }
    let models = &rules.models;
    match model {
        None => models.first().cloned().ok_or_else(|| Error::internal("no model is set up")),
        Some(model) if models.contains(&model) => Ok(model),
        Some(_) => Err(Error::invalid(format!("The models here are: {}.", models.join(", "))).at(["input", "model"])),
    }
}
