//! What the mutations take and answer by which workers that live elsewhere execute runs.

use async_graphql::{ID, InputObject, OneofObject, SimpleObject};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::super::{
    object::{Obj, Rows},
    user_error::UserError,
};
use crate::{
    app::outside::{Held, Outcome, Told},
    error::{Error, Result},
    model::{
        event::NoticeLevel,
        file::FileArea,
        run::{Run, RunFailure, TokenUsage},
        uint53::UInt53,
    },
};

/// What `claimRun` takes.
#[derive(InputObject)]
pub struct ClaimRunInput {
    /// The agents that the worker serves, as in `acme/researcher`; at most 20.
    pub agents: Vec<String>,
    /// The worker's name, for those who read timelines: one line, 1 to 100 characters.
    pub worker: String,
    /// How long to wait for a run when there is none, in seconds, at most 20.
    #[graphql(default_with = "UInt53::from(0_u64)")]
    pub wait_seconds: UInt53,
}

/// What `claimRun` answers.
#[derive(SimpleObject)]
pub struct ClaimRunPayload {
    /// The run; null when there is nothing to do.
    pub run: Option<Obj<Run>>,
    /// The right to execute it.
    pub lease: Option<Obj<Lease>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// The right to execute a run, until it runs out or the run ends.
#[derive(SimpleObject)]
pub struct Lease {
    /// Is shown with each call about the run. It opens nothing without an access token of a worker of the same user.
    token: ID,
    /// When another worker may have the run, if this one does not renew the lease before. A third of the time that is left is a
    /// good interval.
    expires_at: DateTime<Utc>,
}

impl From<&Held> for Lease {
    fn from(held: &Held) -> Self {
        Self { token: ID(held.token.clone()), expires_at: held.expires_at }
    }
}

/// What `appendRunEvents` takes.
#[derive(InputObject)]
pub struct AppendRunEventsInput {
    /// The lease's token.
    pub lease_token: ID,
    /// The sequence of the last event that the worker knows of: `run.lastSequence` after the claim, `lastSequence` after an append.
    /// So repeating a call whose answer was lost is harmless.
    pub expected_sequence: UInt53,
    /// What happened, in its order: from 1 to 500 events of at most 64 KiB each, and 1 MiB in the whole request.
    pub events: Vec<RunEventInput>,
}

/// What `appendRunEvents` answers.
#[derive(SimpleObject)]
pub struct AppendRunEventsPayload {
    /// The sequence of the last of the appended events.
    pub last_sequence: Option<UInt53>,
    /// The run. If it has `cancelRequestedAt`, the worker is to stop and to finish it as cancelled.
    pub run: Option<Obj<Run>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// An event as a worker tells it: exactly one of these.
#[derive(OneofObject)]
pub enum RunEventInput {
    /// The agent said something.
    AgentMessage(AgentMessageInput),
    /// The agent read a file.
    FileRead(FileReadInput),
    /// Something that a reader of the timeline should know.
    Notice(NoticeInput),
    /// The agent called a tool.
    ToolCalled(ToolCalledInput),
    /// A tool answered.
    ToolReturned(ToolReturnedInput),
    /// A turn of a model consumed tokens, which are added to the run's totals.
    UsageRecorded(UsageRecordedInput),
}

/// The agent said something.
#[derive(InputObject)]
pub struct AgentMessageInput {
    /// What it said.
    pub text: String,
    /// This is the run's answer.
    #[graphql(name = "final", default)]
    pub is_final: bool,
}

/// The agent read a file.
#[derive(InputObject)]
pub struct FileReadInput {
    /// In which area.
    pub area: FileArea,
    /// Where in the area.
    pub path: String,
}

/// Something that a reader of the timeline should know.
#[derive(InputObject)]
pub struct NoticeInput {
    /// How much it matters.
    pub level: NoticeLevel,
    /// What it is.
    pub text: String,
}

/// The agent called a tool.
#[derive(InputObject)]
pub struct ToolCalledInput {
    /// Names the call, in 1 to 200 characters; its `toolReturned` has the same.
    pub call_id: String,
    /// Which tool.
    pub tool: String,
    /// With which arguments.
    pub input: Json,
}

/// A tool answered.
#[derive(InputObject)]
pub struct ToolReturnedInput {
    /// Names the call that it answers.
    pub call_id: String,
    /// Which tool.
    pub tool: String,
    /// What it answered.
    pub output: Json,
    /// It refused or failed.
    #[graphql(default)]
    pub is_error: bool,
    /// How long it took, in milliseconds.
    pub duration_ms: UInt53,
}

/// A turn of a model consumed tokens.
#[derive(InputObject)]
pub struct UsageRecordedInput {
    /// Which model.
    pub model: String,
    /// Read by the model.
    pub input_tokens: UInt53,
    /// Of those read, the ones that the provider had cached.
    #[graphql(default_with = "UInt53::from(0_u64)")]
    pub cached_input_tokens: UInt53,
    /// Written by the model.
    pub output_tokens: UInt53,
    /// Of those written, the ones spent on reasoning that is not shown.
    #[graphql(default_with = "UInt53::from(0_u64)")]
    pub reasoning_tokens: UInt53,
}

impl From<RunEventInput> for Told {
    fn from(event: RunEventInput) -> Self {
        match event {
            RunEventInput::AgentMessage(AgentMessageInput { text, is_final }) => Self::Message { text, is_final },
            RunEventInput::FileRead(FileReadInput { area, path }) => Self::Read { area, path },
            RunEventInput::Notice(NoticeInput { level, text }) => Self::Notice { level, text },
            RunEventInput::ToolCalled(ToolCalledInput { call_id, tool, input }) => {
                Self::Called { call_id, tool, input }
            }
            RunEventInput::ToolReturned(ToolReturnedInput { call_id, tool, output, is_error, duration_ms }) => {
                Self::Returned { call_id, tool, output, is_error, duration_ms }
            }
            RunEventInput::UsageRecorded(used) => {
                let UsageRecordedInput { model, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens } =
                    used;
                let usage = TokenUsage { input_tokens, cached_input_tokens, output_tokens, reasoning_tokens };
                Self::Usage { model, usage }
            }
        }
    }
}

/// What `renewLease` takes.
#[derive(InputObject)]
pub struct RenewLeaseInput {
    /// The lease's token.
    pub lease_token: ID,
}

/// What `renewLease` answers.
#[derive(SimpleObject)]
pub struct RenewLeasePayload {
    /// The lease with its new end; its token is the same.
    pub lease: Option<Obj<Lease>>,
    /// The run. If it has `cancelRequestedAt`, the worker is to stop and to finish it as cancelled.
    pub run: Option<Obj<Run>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}

/// What `finishRun` takes.
#[derive(InputObject)]
pub struct FinishRunInput {
    /// The lease's token.
    pub lease_token: ID,
    /// How the run ends.
    pub outcome: RunOutcomeInput,
}

/// How a run ends: exactly one of these.
#[derive(OneofObject)]
pub enum RunOutcomeInput {
    /// True: it was stopped, because its cancellation was asked for.
    Cancelled(bool),
    /// It is done.
    Completed(RunCompletedInput),
    /// It cannot be done.
    Failed(RunFailedInput),
}

/// A run is done.
#[derive(InputObject)]
pub struct RunCompletedInput {
    /// What came of it, at most 500,000 characters.
    pub answer: String,
}

/// A run cannot be done.
#[derive(InputObject)]
pub struct RunFailedInput {
    /// A word for programs, such as `MODEL_UNAVAILABLE`.
    pub code: String,
    /// A sentence for people, at most 500,000 characters.
    pub message: String,
    /// Running it again may help.
    #[graphql(default)]
    pub retryable: bool,
}

impl TryFrom<RunOutcomeInput> for Outcome {
    type Error = Error;

    fn try_from(outcome: RunOutcomeInput) -> Result<Self> {
        match outcome {
            RunOutcomeInput::Cancelled(true) => Ok(Self::Cancelled),
            RunOutcomeInput::Cancelled(false) => {
                let message = "`cancelled` is true or left out. A run that was not stopped has completed or failed.";
                Err(Error::invalid(message).at(["input", "outcome", "cancelled"]))
            }
            RunOutcomeInput::Completed(RunCompletedInput { answer }) => Ok(Self::Completed { answer }),
            RunOutcomeInput::Failed(RunFailedInput { code, message, retryable }) => {
                Ok(Self::Failed(RunFailure { code, message, retryable }))
            }
        }
    }
}

/// What `finishRun` answers.
#[derive(SimpleObject)]
pub struct FinishRunPayload {
    /// The run, ended.
    pub run: Option<Obj<Run>>,
    /// What the caller can mend.
    pub user_errors: Rows<UserError>,
}
