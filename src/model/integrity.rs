//! Whether what is kept is still what was recorded: the words for what is found, and the rule by which a timeline is checked.

use async_graphql::{Enum, SimpleObject, resolver_utils::EnumType};
use chrono::{DateTime, Utc};

use super::{
    chain::{Chain, content, link},
    event::{EventBody, RunQueued},
    run::Run,
    text,
    uint53::UInt53,
};

/// Findings of one run that are told; the others are counted.
const TOLD: usize = 20;

/// Whether a run is still what was recorded.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
#[graphql(complex)]
pub struct RunIntegrity {
    /// What the check came to.
    pub status: IntegrityStatus,
    /// How many events were checked, from the first on.
    pub events_checked: UInt53,
    /// How many artifacts' bytes were checked.
    pub artifacts_checked: UInt53,
    /// The first event that is sealed: 1, unless the run was under way before this server sealed timelines. Null if none is.
    pub sealed_from: Option<UInt53>,
    /// The seal of the timeline up to its last event, in hexadecimal. A copy that is kept elsewhere proves later that not even
    /// somebody who can write to the database made the whole timeline anew. Null for a run that is not sealed.
    pub head: Option<String>,
    /// The sequence of the first event that is missing, too many or not what was recorded.
    pub first_broken_sequence: Option<UInt53>,
    /// How much was found to be wrong.
    pub finding_count: UInt53,
    /// What was found, the first twenty.
    #[graphql(skip)]
    pub findings: Vec<IntegrityFinding>,
}

/// What the check of a run came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum IntegrityStatus {
    /// Something is not what was recorded; `findings` says what.
    Broken,
    /// All events are there, those from `sealedFrom` on are what was recorded, and so are the artifacts; the run's row says what
    /// its timeline does.
    Sealed,
    /// Nothing wrong was found in the part that a request has the time to check.
    Unfinished,
    /// The run is from before this server sealed timelines: nothing contradicts itself, but an event that was changed could not be
    /// told.
    Unsealed,
}

/// Something that is not what was recorded.
#[derive(Clone, Debug, PartialEq, Eq, SimpleObject)]
pub struct IntegrityFinding {
    /// What it is about.
    pub kind: IntegrityFindingKind,
    /// The event that it is about, if it is one.
    pub sequence: Option<UInt53>,
    /// What is wrong, and with what, in a sentence.
    pub message: String,
}

/// What a finding is about. More may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum IntegrityFindingKind {
    /// An artifact's bytes, or what its row says of them.
    ArtifactChanged,
    /// An artifact that the timeline tells of, or its bytes.
    ArtifactMissing,
    /// An event does not fit the seal.
    EventChanged,
    /// Events between the first and the last.
    EventMissing,
    /// An event that was not recorded.
    EventUnexpected,
    /// A file's bytes.
    FileChanged,
    /// A file's bytes are not there.
    FileMissing,
    /// The run's row says something else than its timeline.
    RunChanged,
    /// A run of the project.
    RunMissing,
}

impl IntegrityFindingKind {
    /// Its name in the schema.
    pub fn name(self) -> &'static str {
        <Self as EnumType>::items().iter().find(|item| item.value == self).map_or("", |item| item.name)
    }
}

impl IntegrityFinding {
    /// A finding that is about no event.
    pub fn new(kind: IntegrityFindingKind, message: impl Into<String>) -> Self {
        Self { kind, sequence: None, message: message.into() }
    }

    /// A finding about an event.
    pub fn at(kind: IntegrityFindingKind, sequence: i64, message: impl Into<String>) -> Self {
        // A sequence below 1 is one of the things that can be wrong; the message names it.
        Self { kind, sequence: u64::try_from(sequence).ok().map(UInt53::from), message: message.into() }
    }
}

/// A run's row, with its seal.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct SealedRun {
    /// The run.
    #[sqlx(flatten)]
    pub run: Run,
    /// The first event that is sealed.
    pub chain_from: Option<i64>,
    /// The chain's value after the last event.
    pub chain_head: Option<Vec<u8>>,
}

/// An event as it is stored, with nothing made of it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct StoredEvent {
    /// Its place.
    pub sequence: i64,
    /// When, in microseconds.
    pub at: i64,
    /// Of which kind.
    pub kind: String,
    /// The text of its body.
    pub body: String,
    /// Random bytes that went into the seal of the body.
    pub salt: Option<Vec<u8>>,
    /// The chain's value after it.
    pub hash: Option<Vec<u8>>,
}

/// The check of one timeline, event by event. It remembers no event but the last.
pub struct Check {
    sealed: SealedRun,
    /// The sequence that comes next.
    next: i64,
    /// What the next event may have been sealed after: the value that is stored with the one before it, and, where that event was
    /// found to be changed, the value that it has now. Nothing after a gap.
    before: Vec<Vec<u8>>,
    terminal: Option<Terminal>,
    checked: u64,
    first_broken: Option<i64>,
    findings: Vec<IntegrityFinding>,
    found: u64,
}

/// The event that ended the run.
struct Terminal {
    sequence: i64,
    at: Option<DateTime<Utc>>,
    body: EventBody,
}

impl Check {
    /// The check of a run whose row says this.
    pub fn new(sealed: SealedRun) -> Self {
        let start = sealed.chain_from.map(|from| Chain::start(sealed.run.id, from).head.to_vec());
        let mut check = Self {
            sealed,
            next: 1,
            before: Vec::from_iter(start),
            terminal: None,
            checked: 0,
            first_broken: None,
            findings: Vec::new(),
            found: 0,
        };
        if check.sealed.chain_from.is_some() != check.sealed.chain_head.is_some() {
            check.differs("The run's row has lost a part of its seal.");
        }
        check
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.sealed.run
    }

    /// Events checked up to now.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// Takes something down.
    pub fn find(&mut self, finding: IntegrityFinding) {
        self.found += 1;
        if self.findings.len() < TOLD {
            self.findings.push(finding);
        }
    }

    fn broken(&mut self, kind: IntegrityFindingKind, sequence: i64, message: String) {
        self.first_broken = Some(self.first_broken.map_or(sequence, |first| first.min(sequence)));
        self.find(IntegrityFinding::at(kind, sequence, message));
    }

    fn differs(&mut self, message: impl Into<String>) {
        self.find(IntegrityFinding::new(IntegrityFindingKind::RunChanged, message));
    }

    /// Takes the next event; answers with what it says, if that can be read. They come in the order of their sequences.
    pub fn event(&mut self, event: &StoredEvent) -> Option<EventBody> {
        let sequence = event.sequence;
        if sequence < self.next {
            let message = format!("Event {sequence} was not recorded: the first event is 1.");
            self.broken(IntegrityFindingKind::EventUnexpected, sequence, message);
            return None;
        }
        self.missing_up_to(sequence - 1);
        self.next = sequence + 1;
        self.checked += 1;
        self.seal(event);
        if let Some(end) = &self.terminal {
            let message = format!("Event {sequence} comes after event {}, which ended the run.", end.sequence);
            self.broken(IntegrityFindingKind::EventUnexpected, sequence, message);
        }
        let Ok(body) = EventBody::decode(&event.kind, &event.body) else {
            // A newer server may have sealed a kind that this one does not know.
            if !self.is_sealed(sequence) {
                let message = format!("Event {sequence} cannot be read as a {}.", event.kind);
                self.broken(IntegrityFindingKind::EventChanged, sequence, message);
            }
            return None;
        };
        if let (1, EventBody::RunQueued(queued)) = (sequence, &body) {
            self.request(queued);
        }
        if body.is_terminal() && self.terminal.is_none() {
            let at = DateTime::from_timestamp_micros(event.at);
            self.terminal = Some(Terminal { sequence, at, body: body.clone() });
        }
        Some(body)
    }

    fn is_sealed(&self, sequence: i64) -> bool {
        self.sealed.chain_from.is_some_and(|from| sequence >= from)
    }

    /// Names the events up to this one that should have come.
    fn missing_up_to(&mut self, last: i64) {
        if self.next > last {
            return;
        }
        let message = if self.next == last {
            format!("Event {last} is missing.")
        } else {
            format!("Events {} to {last} are missing.", self.next)
        };
        self.broken(IntegrityFindingKind::EventMissing, self.next, message);
        self.next = last + 1;
        self.before.clear();
    }

    /// Checks an event against its seal.
    fn seal(&mut self, event: &StoredEvent) {
        let sequence = event.sequence;
        if self.sealed.chain_from == Some(sequence) {
            self.before = vec![Chain::start(self.sealed.run.id, sequence).head.to_vec()];
        }
        let (sealed, (salt, hash)) = (self.is_sealed(sequence), (&event.salt, &event.hash));
        let message = match (sealed, salt, hash) {
            (false, None, None) => return,
            (false, ..) => format!("Event {sequence} has a seal, and the run's row says that it has none."),
            (true, Some(salt), Some(hash)) => {
                let content = content(salt, &event.body);
                let value = |before: &Vec<u8>| link(before, sequence, event.at, &event.kind, &content).to_vec();
                let values: Vec<Vec<u8>> = self.before.iter().map(value).collect();
                let fits = values.is_empty() || values.contains(hash);
                self.before = vec![hash.clone()];
                if fits {
                    return;
                }
                self.before.extend(values.into_iter().take(1));
                format!(
                    "Event {sequence} does not fit its seal: its text, its time or its kind is not what was recorded, or the \
                     event before it is not the one that it followed."
                )
            }
            (true, ..) => {
                self.before.clear();
                format!("Event {sequence} has lost its seal.")
            }
        };
        self.broken(IntegrityFindingKind::EventChanged, sequence, message);
    }

    /// Compares the row with what the run was asked for.
    fn request(&mut self, queued: &RunQueued) {
        let run = &self.sealed.run;
        let same = match &queued.request_sha256 {
            Some(digest) => *digest == run.request_sha256(),
            None => (&queued.agent, &queued.model) == (&run.agent, &run.model),
        };
        if !same {
            self.differs(
                "The run's row is not what was asked for by event 1: its prompt, agent, model, number, time, project, session or \
                 owner was changed.",
            );
        }
    }

    /// All events were taken, up to the last one of the run's row.
    pub fn end(&mut self) {
        let last = self.sealed.run.last_sequence.get();
        self.missing_up_to(last);
        if let Some(head) = self.sealed.chain_head.clone() {
            let begun = last >= self.sealed.chain_from.unwrap_or(1);
            let start = self.sealed.chain_from.map(|from| Chain::start(self.sealed.run.id, from).head.to_vec());
            let fits = if begun { self.before.is_empty() || self.before.contains(&head) } else { Some(head) == start };
            if !fits {
                self.differs(format!("The run's seal is not that of event {last}, which is its last one by its row."));
            }
        }
        self.row();
    }

    /// Compares the row with the event that ended the run.
    fn row(&mut self) {
        let run = self.sealed.run.clone();
        let Some(Terminal { sequence, at, body }) = self.terminal.take() else {
            if run.status.is_ended() {
                self.differs(format!("The run's status is {}, and no event says so.", run.status.name()));
            }
            return;
        };
        if !run.status.is_ended() {
            return self
                .differs(format!("The run's status is {}, although event {sequence} ended it.", run.status.name()));
        }
        if body.kind().end() != Some(run.status) {
            self.differs(format!(
                "The run's status is {}, and event {sequence} is {}.",
                run.status.name(),
                body.kind().name()
            ));
        }
        let (answer, failure) = match &body {
            EventBody::RunCompleted(body) => (Some(text::without_nul(&body.answer)), None),
            EventBody::RunFailed(body) => (None, Some(&body.failure)),
            _ => (None, None),
        };
        if run.answer != answer {
            self.differs(format!("The run's answer is not that of event {sequence}."));
        }
        if run.failure.as_ref() != failure {
            self.differs(format!("The run's failure is not that of event {sequence}."));
        }
        // An end never reads as earlier than the start.
        if run.completed_at != at.max(run.started_at) {
            self.differs(format!("The run's end is not at the time of event {sequence}."));
        }
    }

    /// The timeline has this event, which is after the last one of the run's row.
    pub fn beyond(&mut self, sequence: i64, last: i64) {
        let message = format!("Event {sequence} was not recorded: the run's last event is {last}.");
        self.broken(IntegrityFindingKind::EventUnexpected, sequence, message);
    }

    /// What the check came to.
    pub fn outcome(self, artifacts: u64, finished: bool) -> RunIntegrity {
        // One whose seal is to begin with an event that has not come yet has none.
        let is_sealed = self.sealed.chain_from.is_some_and(|from| from <= self.sealed.run.last_sequence.get());
        let number =
            |sequence: Option<i64>| sequence.and_then(|sequence| u64::try_from(sequence).ok()).map(UInt53::from);
        RunIntegrity {
            status: match (self.found, finished, is_sealed) {
                (1.., ..) => IntegrityStatus::Broken,
                (0, false, _) => IntegrityStatus::Unfinished,
                (0, true, true) => IntegrityStatus::Sealed,
                (0, true, false) => IntegrityStatus::Unsealed,
            },
            events_checked: self.checked.into(),
            artifacts_checked: artifacts.into(),
            sealed_from: number(self.sealed.chain_from),
            head: self.sealed.chain_head.map(hex::encode),
            first_broken_sequence: number(self.first_broken),
            finding_count: self.found.into(),
            findings: self.findings,
        }
    }
}

#[cfg(test)]
mod tests;
