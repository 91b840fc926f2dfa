//! Whether what is kept is still what was recorded: of one run, for its owner; of everything, for whoever runs the server.
//!
//! It only reads, beside servers at work, and holds a few events and one piece of a file at a time. What it reads may be deleted
//! meanwhile, with its project or by the reaper of unreferenced contents, so whatever seems to be wrong is looked at once more before it
//! is told.

pub mod everything;

use super::App;
use crate::{
    error::Result,
    files::{Files, Location, examine::Difference},
    model::{
        event::{ArtifactCreated, EventBody},
        file::FileVersion,
        id::RunId,
        integrity::{Check, IntegrityFinding, IntegrityFindingKind, RunIntegrity, SealedRun},
        scope::{Inspection, Viewer},
    },
    store::{Store, event::Span, integrity},
};

/// What is read at once.
const SPAN: Span = Span { rows: 64, bytes: 256 << 10 };

/// How much one check may read.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Events.
    pub events: u64,
    /// Bytes of their bodies.
    pub text: u64,
    /// Bytes of artifacts.
    pub bytes: u64,
}

impl Budget {
    /// What a request may take, which is about a second of work.
    pub const REQUEST: Self = Self { events: 20_000, text: 16 << 20, bytes: 64 << 20 };
    /// All there is.
    pub const UNLIMITED: Self = Self { events: u64::MAX, text: u64::MAX, bytes: u64::MAX };
}

/// Whether a run of the viewer's is still what was recorded.
pub async fn run(app: &App, viewer: &Viewer, id: RunId) -> Result<Option<RunIntegrity>> {
    let examiner = Examiner::new(app.store.clone(), app.files.clone(), Inspection::of(viewer));
    examiner.run(id, Budget::REQUEST).await
}

/// Whoever checks.
#[derive(Clone)]
pub struct Examiner {
    store: Store,
    files: Files,
    inspection: Inspection,
}

impl Examiner {
    /// Checks rows against each other and against the bytes that they name, as far as the inspection goes.
    pub fn new(store: Store, files: Files, inspection: Inspection) -> Self {
        Self { store, files, inspection }
    }

    /// Checks a run; `None` if it is not there, or is gone before the check is done.
    pub async fn run(&self, id: RunId, budget: Budget) -> Result<Option<RunIntegrity>> {
        let Some(sealed) = self.sealed(id).await? else { return Ok(None) };
        let mut visit = Visit { check: Check::new(sealed), budget, artifacts: 0, told: 0, left_out: false };
        let read = self.timeline(&mut visit).await?;
        if read {
            visit.check.end();
        }
        self.beyond(&mut visit, read).await?;
        // What was read may have been on its way out.
        if self.sealed(id).await?.is_none() {
            return Ok(None);
        }
        Ok(Some(visit.check.outcome(visit.artifacts, read && !visit.left_out)))
    }

    async fn sealed(&self, id: RunId) -> Result<Option<SealedRun>> {
        integrity::run(&mut self.store.read().await?, &self.inspection, id).await
    }

    /// Reads the timeline up to the last event that the run's row knows: later ones may come at any time. Says whether that was all
    /// within the budget.
    async fn timeline(&self, visit: &mut Visit) -> Result<bool> {
        let (run, last) = (visit.check.run().id, visit.check.run().last_sequence.get());
        let mut after = i64::MIN;
        loop {
            let events = {
                let mut conn = self.store.read().await?;
                integrity::events(&mut conn, &self.inspection, run, (after, last), SPAN).await?
            };
            let Some(end) = events.last() else { return Ok(true) };
            after = end.sequence;
            for event in &events {
                let text = visit.budget.text.checked_sub(event.body.len() as u64);
                let Some(text) = text.filter(|_| visit.check.checked() < visit.budget.events) else {
                    return Ok(false);
                };
                visit.budget.text = text;
                if let Some(EventBody::ArtifactCreated(told)) = visit.check.event(event) {
                    self.artifact(visit, event.sequence, &told).await?;
                }
            }
        }
    }

    /// Looks for what stands beside the run without being told of by its timeline.
    async fn beyond(&self, visit: &mut Visit, read: bool) -> Result<()> {
        let id = visit.check.run().id;
        let last = integrity::last_event(&mut self.store.read().await?, &self.inspection, id).await?;
        // In this order: an event is never there before the row that counts it.
        let Some(now) = self.sealed(id).await? else { return Ok(()) };
        let counted = now.run.last_sequence.get();
        if let Some(last) = last.filter(|last| *last > counted) {
            visit.check.beyond(last, counted);
        }
        if read && visit.check.run().status.is_ended() {
            let count = integrity::artifact_count(&mut self.store.read().await?, &self.inspection, id).await?;
            if u64::try_from(count).is_ok_and(|count| count > visit.told) {
                let message = format!("The run has {count} artifacts, and its timeline tells of {}.", visit.told);
                visit.check.find(IntegrityFinding::new(IntegrityFindingKind::ArtifactChanged, message));
            }
        }
        Ok(())
    }

    /// Compares an artifact with the event that tells of it, and with its bytes.
    async fn artifact(&self, visit: &mut Visit, sequence: i64, told: &ArtifactCreated) -> Result<()> {
        visit.told += 1;
        let (id, name) = (told.artifact_id, &told.name);
        let found = integrity::artifact(&mut self.store.read().await?, &self.inspection, id).await?;
        let run = visit.check.run().id;
        let Some(artifact) = found.filter(|artifact| artifact.run_id == run) else {
            let message = format!("The artifact “{name}” ({id}), of which event {sequence} tells, is missing.");
            visit.check.find(IntegrityFinding::at(IntegrityFindingKind::ArtifactMissing, sequence, message));
            return Ok(());
        };
        let version = &artifact.version;
        if told.sha256.as_ref().is_some_and(|sha256| *sha256 != version.sha256) || artifact.name != *name {
            let message = format!(
                "The artifact “{}” ({id}) is not the “{name}” of which event {sequence} tells: its name, its content or its \
                 SHA-256 was changed.",
                artifact.name
            );
            visit.check.find(IntegrityFinding::at(IntegrityFindingKind::ArtifactChanged, sequence, message));
        }
        if version.size.as_u64() > visit.budget.bytes {
            visit.left_out = true;
            return Ok(());
        }
        visit.budget.bytes -= version.size.as_u64();
        visit.artifacts += 1;
        if let Some(difference) = self.files.examine(&Location::of_artifact(&artifact)).await? {
            let kind = match difference {
                Difference::Missing => IntegrityFindingKind::ArtifactMissing,
                Difference::Size(_) | Difference::Hash(_) => IntegrityFindingKind::ArtifactChanged,
            };
            let message = described(&format!("The artifact “{}” ({id})", artifact.name), version, &difference);
            visit.check.find(IntegrityFinding::at(kind, sequence, message));
        }
        Ok(())
    }
}

/// A check under way.
struct Visit {
    check: Check,
    /// What is left of it.
    budget: Budget,
    /// Artifacts whose bytes were read.
    artifacts: u64,
    /// Artifacts of which events told.
    told: u64,
    /// The bytes of an artifact were too many to be read.
    left_out: bool,
}

/// How bytes differ from their row, in a sentence.
fn described(what: &str, version: &FileVersion, difference: &Difference) -> String {
    match difference {
        Difference::Missing => format!("{what} has lost its bytes."),
        Difference::Size(found) => {
            format!("{what} has other bytes: {found} of them, where {} were kept.", version.size.get())
        }
        Difference::Hash(found) => {
            format!("{what} has other bytes: their SHA-256 is {found}, and was {}.", version.sha256)
        }
    }
}
