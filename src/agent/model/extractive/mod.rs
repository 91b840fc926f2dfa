//! The built-in model, `builtin/extractive`: no language model, no key, no network.
//!
//! It answers a prompt with what the project's documents say, word for word. A run of it goes like this:
//!
//! 1. It lists the drive, unless the prompt names its files (`thread` tells where the run stands).
//! 2. It reads the documents that the prompt is about, many at once, and goes on with long ones until a bound (`reading`).
//! 3. It cuts them into passages (`passage`), ranks these against the prompt (`question`, `ranking`) and saves a
//!    Markdown brief of the best (`brief`).
//! 4. It answers with the first few, each quoted verbatim under its file and line.
//!
//! Every step follows from the conversation alone, so a run is taken up again from its recorded turns by asking for the
//! next reply. Nothing here is random, and nothing depends on the time or on the order of a hash table.
//!
//! Tokens are counted as words: runs of characters between white space, in every text and every tool answer that the turn
//! was shown (input) and in what it said and wrote (output). There is no price to them; the figures make the accounting
//! of runs visible without a provider.

mod brief;
mod passage;
mod question;
mod ranking;
mod reading;
mod terms;
mod thread;

#[cfg(test)]
mod fake_tools;
#[cfg(test)]
mod fixtures_tests;
#[cfg(test)]
mod story_tests;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use self::{
    brief::{Findings, SaveOutcome},
    question::Question,
    reading::Reading,
    thread::{Outcome, Thread},
};
use super::{Conversation, Message, Model, Reply, ToolCall, Usage};
use crate::error::{Error, Result};

/// The name under which runs ask for it.
pub const NAME: &str = "builtin/extractive";

/// The built-in model. It holds nothing: all that it knows is in the conversation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extractive;

impl Model for Extractive {
    fn name(&self) -> &'static str {
        NAME
    }

    fn reply<'a>(&'a self, conversation: &'a Conversation) -> BoxFuture<'a, Result<Reply>> {
        // Ranking a mebibyte of text takes a good part of a second, which is too long for a thread that others wait on.
        let messages = conversation.messages.clone();
        Box::pin(
            async move { tokio::task::spawn_blocking(move || next_reply(&messages)).await.map_err(Error::internal) },
        )
    }
}

/// The turn that follows these messages.
fn next_reply(messages: &[Message]) -> Reply {
    let turn = match Thread::of(messages) {
        Some(thread) => next_turn(&thread),
        None => Turn::answer("There is no prompt to answer.".to_owned()),
    };
    let usage = Usage { input_tokens: words_shown(messages), output_tokens: words_written(&turn), ..Usage::default() };
    Reply { text: turn.text, calls: turn.calls, usage }
}

/// What the model says and does in one turn.
struct Turn {
    text: String,
    calls: Vec<ToolCall>,
}

impl Turn {
    fn answer(text: String) -> Self {
        Self { text, calls: Vec::new() }
    }

    /// A turn that does something. Ids count the calls of a turn, so that the same conversation gives the same ids.
    fn acting(text: String, turn: usize, requests: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let calls = requests
            .into_iter()
            .enumerate()
            .map(|(n, (tool, input))| ToolCall { id: format!("call_{turn}_{}", n + 1), tool: tool.to_owned(), input })
            .collect();
        Self { text, calls }
    }
}

fn next_turn(thread: &Thread<'_>) -> Turn {
    if thread.files.is_empty() {
        match thread.last("list_files") {
            None => {
                let request = ("list_files", json!({ "area": "drive" }));
                return Turn::acting(brief::plan(None), thread.turn, [request]);
            }
            Some(Outcome::Failed(reason)) => return Turn::answer(brief::drive_not_listed(&reason)),
            Some(Outcome::Done(_)) => {}
        }
    }
    let question = Question::of(thread);
    let reading = Reading::of(thread, &question);
    if !reading.wanted.is_empty() {
        let text = if thread.turn == 1 { brief::plan(Some(reading.wanted.len())) } else { String::new() };
        return Turn::acting(text, thread.turn, reading.wanted.iter().map(|wanted| ("read_file", wanted.input())));
    }
    if reading.documents.is_empty() {
        return Turn::answer(brief::nothing_to_read(&reading));
    }
    let findings = Findings::new(thread.prompt, &question, &reading);
    let saved = match thread.last("save_output") {
        None => {
            let input = json!({
                "name": brief::file_name(&question),
                "mediaType": "text/markdown",
                "text": findings.brief(),
            });
            return Turn::acting(String::new(), thread.turn, [("save_output", input)]);
        }
        Some(Outcome::Done(output)) => {
            SaveOutcome::Saved(output.get("name").and_then(Value::as_str).unwrap_or("brief.md").to_owned())
        }
        Some(Outcome::Failed(reason)) => SaveOutcome::Failed(reason),
    };
    Turn::answer(findings.answer(&saved))
}

fn words_shown(messages: &[Message]) -> u64 {
    messages
        .iter()
        .map(|message| match message {
            Message::System { text } => words(text),
            Message::User { text, files } => words(text) + files.iter().map(|file| words(file)).sum::<u64>(),
            Message::Assistant { text, calls } => words(text) + words_of_calls(calls),
            Message::Tool { output, .. } => words_of_json(output),
        })
        .sum()
}

fn words_written(turn: &Turn) -> u64 {
    words(&turn.text) + words_of_calls(&turn.calls)
}

fn words_of_calls(calls: &[ToolCall]) -> u64 {
    calls.iter().map(|call| 1 + words_of_json(&call.input)).sum()
}

/// The words of all strings in it, names of fields not counted; a number or a truth value is a word.
fn words_of_json(value: &Value) -> u64 {
    match value {
        Value::Null => 0,
        Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => words(text),
        Value::Array(items) => items.iter().map(words_of_json).sum(),
        Value::Object(fields) => fields.values().map(words_of_json).sum(),
    }
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}
