//! The agent's tools, behind one trait. A tool sees the project through the run's lease: no prompt can widen that.

mod files;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::model::ToolSpec;
use crate::{
    app::work::{Desk, Effect},
    error::{Error, Result},
    model::event::EventBody,
};

/// Something that an agent can do.
pub trait Tool: Send + Sync {
    /// What the model is told of it.
    fn spec(&self) -> ToolSpec;

    /// Does it. An error of kind `Invalid`, `NotFound` or `Conflict` is told to the model, which may try otherwise.
    fn call<'a>(&'a self, desk: &'a Desk, input: Value) -> BoxFuture<'a, Result<Outcome>>;
}

/// What came of a call; its effect is committed together with the event that tells of its return.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// A JSON object for the model.
    pub output: Value,
    /// It was refused or failed; `output.error` says why.
    pub is_error: bool,
    /// What it changes.
    pub effect: Option<Effect>,
    /// What the timeline tells of it.
    pub events: Vec<EventBody>,
}

impl Outcome {
    /// An output without an effect.
    pub fn of(output: Value) -> Self {
        Self { output, is_error: false, effect: None, events: Vec::new() }
    }

    /// A refusal, in words for the model.
    pub fn refused(error: &Error) -> Self {
        Self { is_error: true, ..Self::of(json!({ "error": error.message() })) }
    }
}

/// The tools of every run.
pub fn all() -> Vec<Arc<dyn Tool>> {
    vec![Arc::new(files::ListFiles), Arc::new(files::ReadFile), Arc::new(files::WriteFile), Arc::new(files::SaveOutput)]
}

/// Reads a tool's input; the error names the field.
fn input<T: DeserializeOwned>(input: Value) -> Result<T> {
    serde_json::from_value(input)
        .map_err(|error| Error::invalid(format!("The input is not as the tool takes it: {error}.")))
}
