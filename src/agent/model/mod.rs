//! Language models behind one trait: given the conversation so far, the next thing that the agent does.
//!
//! A model is a function of the conversation alone. That is what lets another worker go on from the recorded turns when
//! this process dies.

pub mod extractive;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// A model that an agent can be given.
pub trait Model: Send + Sync {
    /// The name under which runs ask for it, as in `builtin/extractive`.
    fn name(&self) -> &str;

    /// The next turn of the conversation: text, tool calls, or both. A reply without tool calls is the answer.
    fn reply<'a>(&'a self, conversation: &'a Conversation) -> BoxFuture<'a, Result<Reply>>;
}

/// What a model is shown.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// Oldest first: the instructions, the session's earlier prompts with their answers, this run's prompt, and this run's
    /// turns up to now.
    pub messages: Vec<Message>,
    /// The tools that it may call.
    pub tools: Vec<ToolSpec>,
}

/// One entry of a conversation. Stored in the private turn records, so a variant that was ever written stays readable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// Who the agent is and what it may do.
    System {
        /// The instructions.
        text: String,
    },
    /// What a person asked.
    User {
        /// The prompt.
        text: String,
        /// Paths in the drive of the files that it is about; none named means all of them.
        files: Vec<String>,
    },
    /// What the model answered.
    Assistant {
        /// What it said, perhaps nothing.
        text: String,
        /// What it wants done, all at once.
        calls: Vec<ToolCall>,
    },
    /// What a tool answered.
    Tool {
        /// The call that it answers.
        call_id: String,
        /// What came of it; a JSON object.
        output: serde_json::Value,
        /// The tool refused or failed; `output` then has an `error` that says why.
        is_error: bool,
    },
}

/// One call of a tool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Unique within the run.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// Its arguments; a JSON object.
    pub input: serde_json::Value,
}

/// A tool as a model is told of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its name.
    pub name: &'static str,
    /// What it does and when to use it.
    pub description: &'static str,
    /// The JSON Schema of its input.
    pub input_schema: serde_json::Value,
}

/// A model's turn.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What it says, perhaps nothing.
    pub text: String,
    /// What it wants done; empty when `text` is the answer.
    pub calls: Vec<ToolCall>,
    /// What the turn consumed.
    pub usage: Usage,
}

/// Tokens consumed, as the model counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Read.
    pub input_tokens: u64,
    /// Of those read, the ones that a provider had cached.
    pub cached_input_tokens: u64,
    /// Written.
    pub output_tokens: u64,
    /// Of those written, the ones spent on reasoning that is not shown.
    pub reasoning_tokens: u64,
}
