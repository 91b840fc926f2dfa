//! Where a run stands: the conversation, taken apart.

use serde_json::Value;

use super::super::{Message, ToolCall};

/// A conversation as this model sees it.
pub(super) struct Thread<'a> {
    /// What this run was asked.
    pub prompt: &'a str,
    /// The files that it was asked about; none means whatever the drive holds.
    pub files: &'a [String],
    /// The session's earlier prompts with their answers, oldest first.
    pub earlier: Vec<Exchange<'a>>,
    /// The number of the turn to be made, from 1.
    pub turn: usize,
    /// This run's calls in their order, each with what came of it.
    calls: Vec<Call<'a>>,
}

/// An earlier prompt and its answer.
pub(super) struct Exchange<'a> {
    pub prompt: &'a str,
    /// Empty when that run never answered.
    pub answer: &'a str,
}

/// A call of this run.
struct Call<'a> {
    made: &'a ToolCall,
    outcome: Outcome<'a>,
}

/// What came of a call.
#[derive(Clone)]
pub(super) enum Outcome<'a> {
    /// The tool's answer.
    Done(&'a Value),
    /// Why there is none, in the tool's words.
    Failed(String),
}

impl<'a> Thread<'a> {
    /// The thread of these messages, or nothing when nobody asked anything.
    pub fn of(messages: &'a [Message]) -> Option<Self> {
        let asked = messages.iter().rposition(|message| matches!(message, Message::User { .. }))?;
        let Message::User { text, files } = &messages[asked] else { return None };
        let this_run = &messages[asked + 1..];
        let turns = this_run.iter().filter_map(|message| match message {
            Message::Assistant { calls, .. } => Some(calls),
            _ => None,
        });
        let calls = turns.clone().flatten().map(|made| Call { made, outcome: outcome_of(made, this_run) }).collect();
        Some(Self {
            prompt: text,
            files,
            earlier: exchanges(&messages[..asked]),
            turn: turns.filter(|calls| !calls.is_empty()).count() + 1,
            calls,
        })
    }

    /// What came of the last call of this tool in this run.
    pub fn last(&self, tool: &str) -> Option<Outcome<'a>> {
        self.all(tool).last().map(|(_, outcome)| outcome.clone())
    }

    /// This run's calls of this tool: input and outcome, in their order.
    pub fn all(&self, tool: &str) -> impl Iterator<Item = (&'a Value, &Outcome<'a>)> {
        self.calls.iter().filter(move |call| call.made.tool == tool).map(|call| (&call.made.input, &call.outcome))
    }
}

fn outcome_of<'a>(made: &ToolCall, this_run: &'a [Message]) -> Outcome<'a> {
    let answer = this_run.iter().find_map(|message| match message {
        Message::Tool { call_id, output, is_error } if *call_id == made.id => Some((output, *is_error)),
        _ => None,
    });
    match answer {
        None => Outcome::Failed("no answer was recorded".to_owned()),
        Some((output, false)) => Outcome::Done(output),
        Some((output, true)) => {
            let reason = output.get("error").and_then(Value::as_str).unwrap_or("the tool gave no reason");
            Outcome::Failed(reason.to_owned())
        }
    }
}

fn exchanges(messages: &[Message]) -> Vec<Exchange<'_>> {
    let mut exchanges: Vec<Exchange<'_>> = Vec::new();
    for message in messages {
        match message {
            Message::User { text, .. } => exchanges.push(Exchange { prompt: text, answer: "" }),
            Message::Assistant { text, calls } if calls.is_empty() => {
                if let Some(exchange) = exchanges.last_mut() {
                    exchange.answer = text;
                }
            }
            _ => {}
        }
    }
    exchanges
}
