//! What a worker that lives elsewhere may tell a timeline.

use serde_json::Value as Json;

use crate::{
    error::{Error, Result},
    model::{
        event::{AgentMessage, EventBody, FileRead, Notice, NoticeLevel, ToolCalled, ToolReturned, UsageRecorded},
        file::{self, FileArea},
        run::TokenUsage,
        uint53::UInt53,
    },
};

/// Events in one call at the most.
pub const MAX_EVENTS: usize = 500;
/// The largest event, in bytes of JSON. What is larger belongs into a file.
pub const MAX_EVENT: usize = 64 << 10;
/// The longest name of a tool, a call or a model, in characters.
const MAX_NAME: usize = 200;
/// Tokens that one event may record, of each sort: enough for any turn, and too few to overflow a total.
const MAX_TOKENS: u64 = 1_000_000_000;

/// An event as a worker tells it.
#[derive(Clone, Debug)]
pub enum Told {
    /// The agent said something.
    Message {
        /// What.
        text: String,
        /// This is the run's answer.
        is_final: bool,
    },
    /// The agent read a file.
    Read {
        /// In which area.
        area: FileArea,
        /// Where in the area.
        path: String,
    },
    /// Something that a reader of the timeline should know.
    Notice {
        /// How much it matters.
        level: NoticeLevel,
        /// What it is.
        text: String,
    },
    /// The agent called a tool.
    Called {
        /// Names the call.
        call_id: String,
        /// Which tool.
        tool: String,
        /// With which arguments.
        input: Json,
    },
    /// A tool answered.
    Returned {
        /// Names the call that it answers.
        call_id: String,
        /// Which tool.
        tool: String,
        /// What it answered.
        output: Json,
        /// It refused or failed.
        is_error: bool,
        /// How long it took, in milliseconds.
        duration_ms: UInt53,
    },
    /// A turn of a model consumed tokens.
    Usage {
        /// Which model.
        model: String,
        /// How many.
        usage: TokenUsage,
    },
}

/// The events as a timeline keeps them, or what is wrong with one of them, by its place.
pub(super) fn checked(events: Vec<Told>) -> Result<Vec<EventBody>> {
    if events.is_empty() || events.len() > MAX_EVENTS {
        return Err(Error::invalid(format!("From 1 to {MAX_EVENTS} events at once.")).at(["input", "events"]));
    }
    events
        .into_iter()
        .enumerate()
        .map(|(index, event)| {
            body(event).map_err(|error| error.at(["input".to_owned(), "events".to_owned(), index.to_string()]))
        })
        .collect()
}

fn body(event: Told) -> Result<EventBody> {
    let body: EventBody = match event {
        Told::Message { text, is_final } => AgentMessage { text, is_final }.into(),
        Told::Read { area, path } => FileRead { area, path: file::path(&path)? }.into(),
        Told::Notice { level, text } => Notice { level, text }.into(),
        Told::Called { call_id, tool, input } => {
            ToolCalled { call_id: name("callId", call_id)?, tool: name("tool", tool)?, input }.into()
        }
        Told::Returned { call_id, tool, output, is_error, duration_ms } => {
            let (call_id, tool) = (name("callId", call_id)?, name("tool", tool)?);
            ToolReturned { call_id, tool, output, is_error, duration_ms }.into()
        }
        Told::Usage { model, usage } => {
            let TokenUsage { input_tokens, cached_input_tokens, output_tokens, reasoning_tokens } = usage;
            let counts = [input_tokens, cached_input_tokens, output_tokens, reasoning_tokens];
            if counts.iter().any(|count| count.as_u64() > MAX_TOKENS) {
                return Err(Error::invalid(format!("At most {MAX_TOKENS} tokens of each sort in one event.")));
            }
            UsageRecorded { model: name("model", model)?, usage }.into()
        }
    };
    let text = body.encode()?;
    let size = text.len();
    if size > MAX_EVENT {
        let message =
            format!("At most {MAX_EVENT} bytes of JSON in one event; these are {size}. Save what is larger as a file.");
        return Err(Error::invalid(message));
    }
    // As it will be read: what is written and cannot be read would end the timeline for everybody.
    match EventBody::decode(body.kind().name(), &text) {
        Ok(_) => Ok(body),
        Err(error) => Err(Error::invalid("This JSON is nested too deeply to be kept in an event.").because(error)),
    }
}

/// A name as programs give them, which is kept to the letter.
fn name(field: &str, text: String) -> Result<String> {
    let length = text.chars().count();
    if length == 0 || length > MAX_NAME || text.chars().any(char::is_control) {
        return Err(Error::invalid(format!("`{field}` has 1 to {MAX_NAME} characters, and no control characters.")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Told {
        Told::Message { text: text.into(), is_final: false }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        let call = |id: &str| Told::Called { call_id: id.into(), tool: "t".into(), input: Json::Null };
        let usage = |count: u64| TokenUsage { input_tokens: count.into(), ..TokenUsage::default() };
        let used = |count| Told::Usage { model: "m".into(), usage: usage(count) };
        let read = |path: &str| Told::Read { area: FileArea::Drive, path: path.into() };
        let deep = |depth| (0..depth).fold(Json::Null, |inner, _| Json::Array(vec![inner]));
        let nested = |depth| Told::Called { call_id: "1".into(), tool: "t".into(), input: deep(depth) };
        for wrong in [
            call(""),
            call("a\nb"),
            call(&"x".repeat(201)),
            used(MAX_TOKENS + 1),
            read("../x"),
            said(&"x".repeat(MAX_EVENT)),
            nested(200),
        ] {
            let error = checked(vec![said("well"), wrong.clone()]).unwrap_err();
            assert_eq!(error.path(), ["input", "events", "1"], "{wrong:?}");
        }
        assert!(checked(vec![]).is_err());
        assert!(checked(vec![said("x"); MAX_EVENTS + 1]).is_err());
        assert_eq!(checked(vec![said("a\0b"), call("1"), used(MAX_TOKENS), read("a/b.md")]).unwrap().len(), 4);
    }
}
