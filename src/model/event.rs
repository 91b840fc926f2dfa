//! The vocabulary of a run's timeline.
//!
//! A body is stored as JSON beside its kind, and every kind that was ever written can be read for ever: fields may be
//! added with a default, never renamed or removed (`fixtures/events` holds an example of each, and a test reads them all).

use std::sync::Arc;

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    file::FileArea,
    id::{ArtifactId, RunId},
    run::{CancelledBy, RunFailure, RunStatus, TokenUsage},
    uint53::UInt53,
};
use crate::error::{Error, Result};

/// One entry of a run's timeline, as it was committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Of which run.
    pub run_id: RunId,
    /// 1, 2, 3 … without a gap.
    pub sequence: UInt53,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// What happened.
    pub body: EventBody,
    /// How many bytes its body takes as JSON; batches are bounded by it.
    pub size: usize,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })*) => {
        /// The kinds of event. More may come; clients ignore what they do not know.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enum)]
        pub enum RunEventType { $($(#[$doc])* $kind,)* }

        /// What happened, by kind. Cheap to clone: every follower of a run shares one body.
        #[derive(Clone, Debug, PartialEq)]
        pub enum EventBody { $($(#[$doc])* $kind(Arc<$kind>),)* }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Serialize, Deserialize, SimpleObject)]
            #[graphql(name_type)]
            #[serde(rename_all = "camelCase")]
            pub struct $kind { $($(#[$field_doc])* pub $field: $type,)+ }

            impl async_graphql::TypeName for $kind {
                fn type_name() -> std::borrow::Cow<'static, str> {
                    concat!(stringify!($kind), "Body").into()
                }
            }

            impl From<$kind> for EventBody {
                fn from(body: $kind) -> Self {
                    Self::$kind(Arc::new(body))
                }
            }
        )*

        impl RunEventType {
            /// All kinds.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The kind as it is stored.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => stringify!($kind),)* }
            }
        }

        impl EventBody {
            /// Its kind.
            pub fn kind(&self) -> RunEventType {
                match self { $(Self::$kind(_) => RunEventType::$kind,)* }
            }

            /// Its fields as JSON text, as they are stored.
            pub fn encode(&self) -> Result<String> {
                match self { $(Self::$kind(body) => serde_json::to_string(&**body),)* }.map_err(Error::internal)
            }

            /// Reads what [`Self::encode`] wrote.
            pub fn decode(kind: &str, body: &str) -> Result<Self> {
                match kind {
                    $(stringify!($kind) => serde_json::from_str::<$kind>(body).map(Self::from).map_err(Error::internal),)*
                    unknown => Err(Error::internal(format!("an event of the unknown kind {unknown}"))),
                }
            }
        }
    };
}

kinds! {
    /// The agent said something; `final` marks the answer.
    AgentMessage {
        /// What it said.
        text: String,
        /// This is the run's answer.
        #[serde(rename = "final")]
        #[graphql(name = "final")]
        is_final: bool,
    }
    /// The agent saved a deliverable.
    ArtifactCreated {
        /// Which.
        #[graphql(skip)]
        artifact_id: ArtifactId,
        /// Its name.
        name: String,
        /// SHA-256 of its bytes, in lower-case hexadecimal. Not in the earliest timelines.
        #[graphql(skip)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    }
    /// A budget of the run is nearly used up.
    BudgetWarning {
        /// Which budget.
        budget: Budget,
        /// How much is used: turns, milliseconds or tokens.
        used: UInt53,
        /// How much there is.
        limit: UInt53,
    }
    /// The agent read a file.
    FileRead {
        /// In which area.
        area: FileArea,
        /// Where in the area.
        path: String,
    }
    /// The agent wrote a file.
    FileWritten {
        /// In which area.
        area: FileArea,
        /// Where in the area.
        path: String,
        /// In bytes.
        size: UInt53,
    }
    /// Something that a reader of the timeline should know.
    Notice {
        /// How much it matters.
        level: NoticeLevel,
        /// What it is.
        text: String,
    }
    /// The run was stopped. The last event.
    RunCancelled {
        /// By whom.
        by: CancelledBy,
    }
    /// The agent answered. The last event.
    RunCompleted {
        /// The answer.
        answer: String,
    }
    /// The run could not be done. The last event.
    RunFailed {
        /// Why.
        failure: RunFailure,
    }
    /// The run was asked for. The first event.
    RunQueued {
        /// Which agent is to execute it.
        agent: String,
        /// With which model.
        model: String,
        /// SHA-256 of what the run was asked for, by which its row is known to be what it was. Not in the earliest timelines.
        #[graphql(skip)]
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_sha256: Option<String>,
    }
    /// A worker goes on from where another stopped.
    RunResumed {
        /// Why it had stopped.
        reason: String,
        /// Who goes on.
        worker: String,
    }
    /// A worker took the run up.
    RunStarted {
        /// Who.
        worker: String,
    }
    /// The agent called a tool.
    ToolCalled {
        /// Names the call; its `ToolReturned` has the same.
        call_id: String,
        /// Which tool.
        tool: String,
        /// With which arguments.
        input: Json,
    }
    /// A tool answered.
    ToolReturned {
        /// Names the call that it answers.
        call_id: String,
        /// Which tool.
        tool: String,
        /// What it answered.
        output: Json,
        /// It refused or failed; `output.error` says why.
        is_error: bool,
        /// How long it took, in milliseconds.
        duration_ms: UInt53,
    }
    /// A turn of the model consumed tokens.
    UsageRecorded {
        /// Which model.
        model: String,
        /// How many.
        usage: TokenUsage,
    }
}

/// What a run has a limited amount of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Budget {
    /// Tokens, read and written.
    Tokens,
    /// Turns of the model.
    Turns,
    /// Time on the clock, in milliseconds.
    WallTime,
}

/// How much a notice matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoticeLevel {
    /// Good to know.
    Info,
    /// Something is not as it should be, and the run goes on.
    Warning,
}

impl EventBody {
    /// The run has ended with this event.
    pub fn is_terminal(&self) -> bool {
        self.kind().is_terminal()
    }
}

impl RunEventType {
    /// An event of this kind ends its run.
    pub fn is_terminal(self) -> bool {
        self.end().is_some()
    }

    /// What an event of this kind leaves its run at, if it ends it.
    pub fn end(self) -> Option<RunStatus> {
        match self {
            Self::RunCompleted => Some(RunStatus::Completed),
            Self::RunFailed => Some(RunStatus::Failed),
            Self::RunCancelled => Some(RunStatus::Cancelled),
            _ => None,
        }
    }
}
