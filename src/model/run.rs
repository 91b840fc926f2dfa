//! Runs: one execution of an agent against one prompt.

use async_graphql::{Enum, InputObject, SimpleObject, resolver_utils::EnumType};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    chain,
    id::{ProjectId, RunId, SessionId, UserId},
    project::OrderDirection,
    uint53::UInt53,
};
use crate::{
    clock,
    error::{Detail, Error, Result},
};

/// One execution of an agent against one prompt. It does not change once it has ended; running it again makes a new run.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct Run {
    /// Opaque and stable.
    pub id: RunId,
    /// Counts the project's runs from 1.
    pub number: UInt53,
    /// In which project.
    #[graphql(skip)]
    pub project_id: ProjectId,
    /// Whose.
    #[graphql(skip)]
    pub user_id: UserId,
    /// In which workspace session.
    #[graphql(skip)]
    pub session_id: SessionId,
    /// What was asked.
    pub prompt: String,
    /// What the agent answered, once it has completed.
    pub answer: Option<String>,
    /// Which agent executes it.
    pub agent: String,
    /// Which model the agent was given.
    pub model: String,
    /// Where it stands.
    pub status: RunStatus,
    /// Why it failed.
    #[graphql(skip)]
    #[sqlx(json(nullable))]
    pub failure: Option<RunFailure>,
    /// When its cancellation was asked for. A running agent stops within a second; until then the run is still `RUNNING`.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// Who asked for the cancellation.
    #[graphql(skip)]
    pub cancel_requested_by: Option<CancelledBy>,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// When a worker first took it up.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, in whatever way.
    pub completed_at: Option<DateTime<Utc>>,
    /// The run that it repeats.
    #[graphql(skip)]
    pub rerun_of: Option<RunId>,
    /// The sequence of its latest event; 0 for none.
    pub last_sequence: UInt53,
    /// Tokens, over all models.
    #[graphql(skip)]
    #[sqlx(flatten)]
    pub usage: TokenUsage,
}

impl Run {
    /// Milliseconds from its first start to its end, or until now.
    pub fn duration_ms(&self) -> Option<UInt53> {
        let start = self.started_at?;
        let end = self.completed_at.unwrap_or_else(clock::now);
        Some(clock::millis_between(start, end).into())
    }

    /// The digest of all that is said of it when it is asked for, and never changes after: what the first event of its timeline
    /// holds, so that the row cannot be changed unseen.
    pub fn request_sha256(&self) -> String {
        let original = self.rerun_of.map(|run| run.0.into_bytes());
        hex::encode(chain::digest(&[
            b"request",
            self.project_id.0.as_bytes(),
            self.user_id.0.as_bytes(),
            self.session_id.0.as_bytes(),
            &self.number.get().to_be_bytes(),
            self.prompt.as_bytes(),
            self.agent.as_bytes(),
            self.model.as_bytes(),
            &self.created_at.timestamp_micros().to_be_bytes(),
            original.as_ref().map_or(&[], <[u8; 16]>::as_slice),
        ]))
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// Ended: it was stopped before it was done.
    Cancelled,
    /// Ended: the agent answered.
    Completed,
    /// Ended: it could not be done; `failure` says why.
    Failed,
    /// Waits for a worker, or for the run before it in the same project.
    Queued,
    /// A worker executes it.
    Running,
}

/// What can happen to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transition {
    /// A worker takes it up for the first time.
    Start,
    /// A worker goes on from where another stopped.
    Resume,
    /// The agent has answered.
    Complete,
    /// It cannot be done.
    Fail,
    /// It is stopped.
    Cancel,
}

impl RunStatus {
    /// Its name, as the schema and SQL have it.
    pub fn name(self) -> &'static str {
        <Self as EnumType>::items().iter().find(|item| item.value == self).map_or("", |item| item.name)
    }

    /// Nothing changes any more.
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Failed)
    }

    /// The status after `transition`, or why it cannot be made. This is the whole status machine.
    pub fn after(self, transition: Transition) -> Result<Self> {
        match (self, transition) {
            (Self::Queued, Transition::Start) | (Self::Running, Transition::Resume) => Ok(Self::Running),
            (Self::Running, Transition::Complete) => Ok(Self::Completed),
            (Self::Queued | Self::Running, Transition::Fail) => Ok(Self::Failed),
            (Self::Queued | Self::Running, Transition::Cancel) => Ok(Self::Cancelled),
            (Self::Cancelled | Self::Completed | Self::Failed, _) => {
                Err(Error::conflict("The run has ended, and what has ended does not change.").with(Detail::RunEnded))
            }
            (Self::Queued | Self::Running, _) => {
                Err(Error::conflict(format!("A run that is {self:?} cannot take the step {transition:?}.")))
            }
        }
    }
}

/// Why a run failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, SimpleObject)]
pub struct RunFailure {
    /// A word for programs, such as `MODEL_UNAVAILABLE` or `OUT_OF_TURNS`. More may come.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Running it again may help.
    pub retryable: bool,
}

/// Who stopped a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, sqlx::Type, Serialize, Deserialize)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelledBy {
    /// A newer run of the project that was started with `CANCEL_CURRENT`.
    NewerRun,
    /// The deletion of its project.
    ProjectDeleted,
    /// The end of its workspace session: its time was up.
    SessionExpired,
    /// The end of its workspace session: the user logged out.
    SessionLogout,
    /// The end of its workspace session: the user revoked it.
    SessionRevoked,
    /// The end of its workspace session: an admin revoked it.
    SessionRevokedByAdmin,
    /// The user.
    User,
}

/// Tokens, as each model counts its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
#[serde(rename_all = "camelCase")]
pub struct TokenUsage {
    /// Read by the model.
    pub input_tokens: UInt53,
    /// Of those read, the ones that the provider had cached.
    pub cached_input_tokens: UInt53,
    /// Written by the model.
    pub output_tokens: UInt53,
    /// Of those written, the ones spent on reasoning that is not shown.
    pub reasoning_tokens: UInt53,
}

impl TokenUsage {
    /// Read and written together.
    pub fn total(&self) -> u64 {
        self.input_tokens.as_u64() + self.output_tokens.as_u64()
    }

    /// The sum of two.
    pub fn plus(&self, other: &Self) -> Self {
        let add = |a: UInt53, b: UInt53| UInt53::from(a.as_u64() + b.as_u64());
        Self {
            input_tokens: add(self.input_tokens, other.input_tokens),
            cached_input_tokens: add(self.cached_input_tokens, other.cached_input_tokens),
            output_tokens: add(self.output_tokens, other.output_tokens),
            reasoning_tokens: add(self.reasoning_tokens, other.reasoning_tokens),
        }
    }
}

/// What one model consumed in a run.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct ModelUsage {
    /// In which run.
    #[graphql(skip)]
    pub run_id: RunId,
    /// Which model.
    pub model: String,
    /// How many tokens.
    #[graphql(skip)]
    #[sqlx(flatten)]
    pub usage: TokenUsage,
}

/// What `startRun` does when a run of the project is already queued or running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Enum, Serialize)]
pub enum IfBusy {
    /// Cancels what is queued or running, and takes its place.
    CancelCurrent,
    /// Waits in the queue; runs of a project are executed one at a time, in the order in which they were asked for.
    #[default]
    Enqueue,
    /// Answers with a `CONFLICT`, and starts nothing.
    Reject,
}

/// Which runs. All conditions must hold.
// A server that reads a filter in an address and does not know one of its conditions must not show more than was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, InputObject)]
#[serde(deny_unknown_fields)]
pub struct RunFilter {
    /// Stands at one of these.
    pub status: Option<Vec<RunStatus>>,
    /// The prompt or the answer contains this text, of at most 1,000 characters; case does not matter, in any script.
    pub text: Option<String>,
    /// Was given this model.
    pub model: Option<String>,
    /// Is executed by this agent.
    pub agent: Option<String>,
    /// Was asked for at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Was asked for before this time.
    pub created_before: Option<DateTime<Utc>>,
    /// Repeats this run.
    pub rerun_of: Option<RunId>,
}

/// The longest text that is looked for, in characters.
const MAX_NEEDLE: usize = 1_000;

impl RunFilter {
    /// The filter, if no more is looked for than both engines can look for.
    pub fn checked(self) -> Result<Self> {
        if self.text.as_ref().is_some_and(|text| text.chars().count() > MAX_NEEDLE) {
            return Err(
                Error::invalid(format!("At most {MAX_NEEDLE} characters are looked for.")).at(["filterBy", "text"])
            );
        }
        Ok(self)
    }

    /// The same, of runs that have ended.
    pub fn ended(self) -> Self {
        let ended = [RunStatus::Cancelled, RunStatus::Completed, RunStatus::Failed];
        let asked = |status: &RunStatus| self.status.as_ref().is_none_or(|asked| asked.contains(status));
        Self { status: Some(ended.into_iter().filter(asked).collect()), ..self }
    }
}

/// What runs can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum)]
pub enum RunOrderField {
    /// The time at which they were asked for, which is also the order of their numbers.
    CreatedAt,
}

/// How runs are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, InputObject)]
pub struct RunOrder {
    /// By what.
    pub field: RunOrderField,
    /// Which way.
    pub direction: OrderDirection,
}

impl Default for RunOrder {
    fn default() -> Self {
        Self { field: RunOrderField::CreatedAt, direction: OrderDirection::Desc }
    }
}

/// Whether an agent of this name is served by workers elsewhere.
pub fn is_elsewhere(agent: &str) -> bool {
    !agent.starts_with("workroom/")
}

/// Reads the name of an agent that a worker elsewhere serves, as in `acme/researcher`. Those that begin with `workroom/` are
/// served here.
pub fn outside_agent(text: &str) -> Result<String> {
    let part = |part: &str| {
        let letters =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.');
        !part.is_empty() && part.len() <= 100 && part.bytes().all(letters)
    };
    match text.split_once('/') {
        _ if !is_elsewhere(text) => Err(Error::invalid(
            "Agents whose names begin with `workroom/` are this server's own. Take a name of yours.",
        )),
        Some((owner, name)) if part(owner) && part(name) => Ok(text.to_owned()),
        _ => Err(Error::invalid(
            "An agent has a name such as `acme/researcher`: two parts of lower-case letters, digits, `-`, `_` and `.`.",
        )),
    }
}

/// Reads the code of a failure: a word for programs.
pub fn failure_code(text: &str) -> Result<String> {
    let letters = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    if text.is_empty() || text.len() > 100 || !text.bytes().all(letters) {
        return Err(Error::invalid("A code is a word such as `MODEL_UNAVAILABLE`: capital letters, digits and `_`."));
    }
    Ok(text.to_owned())
}

/// The longest prompt, in characters.
pub const MAX_PROMPT: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::{RunStatus::*, Transition::*, *};

    #[test]
    fn the_status_machine_is_this_table() {
        let table = [
            // from        Start          Resume         Complete         Fail          Cancel
            (Queued, [Some(Running), None, None, Some(Failed), Some(Cancelled)]),
            (Running, [None, Some(Running), Some(Completed), Some(Failed), Some(Cancelled)]),
            (Completed, [None; 5]),
            (Failed, [None; 5]),
            (Cancelled, [None; 5]),
        ];
        for (from, expected) in table {
            for (transition, expected) in [Start, Resume, Complete, Fail, Cancel].into_iter().zip(expected) {
                assert_eq!(from.after(transition).ok(), expected, "{from:?} {transition:?}");
            }
        }
    }

    #[test]
    fn an_ended_run_says_that_it_has_ended() {
        for status in [Completed, Failed, Cancelled] {
            assert!(status.is_ended());
            assert_eq!(status.after(Cancel).unwrap_err().detail(), Some(&Detail::RunEnded));
        }
        assert_eq!(Queued.after(Complete).unwrap_err().detail(), None);
    }
}
