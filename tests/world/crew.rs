//! Models and tools that do what a story needs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::sync::watch;
use workroom::{
    agent::{
        model::{Conversation, Message, Model, Reply, ToolCall, ToolSpec, Usage},
        tool::{Outcome, Tool},
    },
    app::work::Desk,
    error::Result,
};

/// What a scripted model says at which turn.
type Script = dyn Fn(usize, &Conversation) -> Reply + Send + Sync;

/// A model that says its script, a turn at a time. It is a function of the conversation, as every model is, so a run that is taken
/// up again goes on with the right line.
pub struct Scripted {
    pub name: &'static str,
    /// Called with the number of the turn, from 0, and the conversation.
    pub script: Box<Script>,
    /// How long it thinks before each turn.
    pub thinks: Duration,
}

impl Scripted {
    pub fn new(
        name: &'static str,
        script: impl Fn(usize, &Conversation) -> Reply + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { name, script: Box::new(script), thinks: Duration::ZERO })
    }
}

impl Model for Scripted {
    fn name(&self) -> &str {
        self.name
    }

    fn reply<'a>(&'a self, conversation: &'a Conversation) -> BoxFuture<'a, Result<Reply>> {
        async move {
            tokio::time::sleep(self.thinks).await;
            let this_run =
                conversation.messages.iter().rev().take_while(|message| !matches!(message, Message::User { .. }));
            let turn = this_run.filter(|message| matches!(message, Message::Assistant { .. })).count();
            Ok((self.script)(turn, conversation))
        }
        .boxed()
    }
}

/// An answer.
pub fn says(text: &str) -> Reply {
    let usage = Usage { input_tokens: 10, output_tokens: 2, ..Usage::default() };
    Reply { text: text.into(), calls: Vec::new(), usage }
}

/// A turn that calls tools: each a name and its input.
pub fn calls(turn: usize, tools: &[(&str, Value)]) -> Reply {
    let calls = tools
        .iter()
        .enumerate()
        .map(|(index, (tool, input))| ToolCall {
            id: format!("call_{turn}_{index}"),
            tool: (*tool).into(),
            input: input.clone(),
        })
        .collect();
    Reply { calls, ..says("") }
}

/// A tool that takes `ms` milliseconds and counts how often it was begun and finished.
#[derive(Default)]
pub struct Wait {
    pub begun: AtomicUsize,
    pub finished: AtomicUsize,
}

impl Tool for Wait {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "wait", description: "Waits.", input_schema: json!({ "type": "object" }) }
    }

    fn call<'a>(&'a self, _: &'a Desk, input: Value) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            self.begun.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(input["ms"].as_u64().unwrap_or(0))).await;
            self.finished.fetch_add(1, Ordering::SeqCst);
            Ok(Outcome::of(json!({ "waited": input["ms"] })))
        }
        .boxed()
    }
}

/// A tool `gate` that returns when it is let, and counts how often it was begun and finished.
pub struct Gate {
    pub begun: watch::Sender<usize>,
    pub finished: AtomicUsize,
    open: watch::Sender<bool>,
}

impl Gate {
    pub fn closed() -> Arc<Self> {
        Arc::new(Self { begun: watch::Sender::new(0), finished: AtomicUsize::new(0), open: watch::Sender::new(false) })
    }

    /// Lets all calls return, those to come as well.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    pub fn begun(&self) -> usize {
        *self.begun.borrow()
    }

    pub fn finished(&self) -> usize {
        self.finished.load(Ordering::SeqCst)
    }

    /// Waits at the gate until it is open.
    pub async fn pass(&self) {
        let mut open = self.open.subscribe();
        self.begun.send_modify(|begun| *begun += 1);
        open.wait_for(|open| *open).await.expect("the gate stands");
        self.finished.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until so many calls were begun.
    pub async fn until_begun(&self, count: usize) {
        let mut begun = self.begun.subscribe();
        let waiting = begun.wait_for(|begun| *begun >= count);
        let begun = tokio::time::timeout(super::PATIENCE, waiting).await;
        begun.unwrap_or_else(|_| panic!("{count} calls are begun in time")).expect("the gate stands");
    }
}

impl Tool for Gate {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "gate", description: "Waits.", input_schema: json!({ "type": "object" }) }
    }

    fn call<'a>(&'a self, _: &'a Desk, _: Value) -> BoxFuture<'a, Result<Outcome>> {
        async move {
            self.pass().await;
            Ok(Outcome::of(json!({})))
        }
        .boxed()
    }
}

/// A model that goes through the gate once and answers.
pub fn through_the_gate() -> Arc<Scripted> {
    Scripted::new("test/gate", |turn, _| if turn == 0 { calls(0, &[("gate", json!({}))]) } else { says("through") })
}

/// A model that answers at once, with its prompt.
pub fn echo() -> Arc<Scripted> {
    Scripted::new("test/echo", |_, conversation| match conversation.messages.last() {
        Some(Message::User { text, .. }) => says(text),
        other => says(&format!("{other:?}")),
    })
}
