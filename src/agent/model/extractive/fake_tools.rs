//! The agent's tools over files in memory, and a loop that drives the model through them.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Value, json};

use super::next_reply;
use crate::agent::model::{Message, Reply, ToolCall};

/// Turns after which a run counts as one that never ends.
const MOST_TURNS: usize = 40;

/// A drive in memory.
#[derive(Default)]
pub(super) struct FakeTools {
    files: BTreeMap<String, Option<String>>,
    /// A cap on the text of one answer of `read_file`, beside the one that is asked for.
    pub bytes_per_answer: Option<usize>,
    /// The listing says that there are more files.
    pub listing_cut: bool,
    /// The refusal of `save_output`.
    pub saving_fails: Option<&'static str>,
    /// What was saved: name and text.
    pub saved: Vec<(String, String)>,
}

/// A run that came to its answer.
pub(super) struct Ran {
    /// The conversation up to the answer, answer included.
    pub messages: Vec<Message>,
    pub answer: String,
}

impl FakeTools {
    pub fn with(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), Some((*text).to_owned()))).collect();
        Self { files, ..Self::default() }
    }

    pub fn with_unreadable(mut self, path: &str) -> Self {
        self.files.insert(path.to_owned(), None);
        self
    }

    /// Runs a prompt to its answer, after the messages of earlier runs.
    pub fn run(&mut self, earlier: &[Message], prompt: &str, files: &[&str]) -> Ran {
        let files = files.iter().map(|path| (*path).to_owned()).collect();
        let mut messages = earlier.to_vec();
        messages.push(Message::User { text: prompt.to_owned(), files });
        let mut ids = HashSet::new();
        for _ in 0..MOST_TURNS {
            let Reply { text, calls, .. } = next_reply(&messages);
            messages.push(Message::Assistant { text: text.clone(), calls: calls.clone() });
            if calls.is_empty() {
                return Ran { messages, answer: text };
            }
            for call in calls {
                assert!(ids.insert(call.id.clone()), "the id {} was used twice", call.id);
                messages.push(self.answer(&call));
            }
        }
        panic!("no answer after {MOST_TURNS} turns");
    }

    fn answer(&mut self, call: &ToolCall) -> Message {
        let outcome = match call.tool.as_str() {
            "list_files" => Ok(self.list()),
            "read_file" => self.read(&call.input),
            "save_output" => self.save(&call.input),
            other => Err(format!("there is no tool {other}")),
        };
        let is_error = outcome.is_err();
        let output = outcome.unwrap_or_else(|error| json!({ "error": error }));
        Message::Tool { call_id: call.id.clone(), output, is_error }
    }

    fn list(&self) -> Value {
        let files: Vec<Value> = self
            .files
            .iter()
            .map(|(path, text)| {
                let media_type = if text.is_some() { "text/plain" } else { "application/octet-stream" };
                json!({
                    "path": path, "size": text.as_ref().map_or(9, String::len), "mediaType": media_type,
                    "modifiedAt": "2026-06-09T10:00:00.000000Z",
                })
            })
            .collect();
        json!({ "files": files, "truncated": self.listing_cut })
    }

    fn read(&self, input: &Value) -> Result<Value, String> {
        assert_eq!(input["area"], "drive");
        let path = input["path"].as_str().unwrap_or_default();
        let text = self.files.get(path).ok_or("there is no such file")?.as_deref().ok_or("the file is not text")?;
        let first = input["firstLine"].as_u64().unwrap_or(1);
        let asked = usize::try_from(input["maxBytes"].as_u64().unwrap_or(65536)).unwrap_or(usize::MAX);
        let most = asked.min(self.bytes_per_answer.unwrap_or(usize::MAX));
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut part = String::new();
        let mut last = first - 1;
        for line in lines.iter().skip(usize::try_from(first - 1).unwrap_or(usize::MAX)) {
            if part.len() + line.len() > most {
                break;
            }
            part.push_str(line);
            last += 1;
        }
        Ok(json!({
            "area": "drive", "path": path, "firstLine": first, "lastLine": last, "totalLines": lines.len(),
            "size": text.len(), "text": part, "truncated": last < lines.len() as u64,
        }))
    }

    fn save(&mut self, input: &Value) -> Result<Value, String> {
        if let Some(refusal) = self.saving_fails {
            return Err(refusal.to_owned());
        }
        assert_eq!(input["mediaType"], "text/markdown");
        let (name, text) = (input["name"].as_str().unwrap_or_default(), input["text"].as_str().unwrap_or_default());
        self.saved.push((name.to_owned(), text.to_owned()));
        Ok(json!({ "artifactId": "artifact_1", "name": name, "size": text.len(), "sha256": "00" }))
    }
}
