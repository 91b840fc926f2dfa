//! The agent: model turn, tool calls, results, until done, cancelled or over its limits.
//!
//! Every step is committed as a whole before the next begins: what the model said with the calls that it wants, then each
//! call with its effect and its result. The private turn records in those commits are the conversation, so an agent that is
//! started at a run which another worker left goes on exactly where that one stopped.

pub mod model;
pub mod tool;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    app::work::{Desk, Step},
    config::RunLimits,
    error::{Error, Kind, Result},
    model::{
        event::{
            AgentMessage, Budget, BudgetWarning, EventBody, Notice, NoticeLevel, RunCancelled, RunCompleted, RunFailed,
            ToolCalled, ToolReturned, UsageRecorded,
        },
        run::{CancelledBy, Run, RunFailure, TokenUsage},
    },
};
use model::{Conversation, Message, Model, Reply, ToolCall, Usage};
use tool::{Outcome, Tool};

/// How many earlier prompts of the session the model is told of.
const EARLIER: i64 = 10;
/// How many characters of each earlier prompt and answer.
const EARLIER_CHARACTERS: usize = 4_000;
/// The part of a budget after which its use is warned of, in percent.
const WARN_AT: u64 = 80;

const INSTRUCTIONS: &str = "You work in a project's workspace. The drive holds the user's documents, which you may read; the \
    workspace is your scratch. Save what is worth keeping with save_output. Answer from the documents, and name file and line.";

/// How an agent's work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The run has ended.
    Finished,
    /// It was told to stop; the run has not ended.
    Stopped,
}

/// What an agent works with.
pub struct Agent<'a> {
    /// Its place at the run.
    pub desk: &'a Desk,
    /// The model that it was given.
    pub model: &'a dyn Model,
    /// The tools that it may use.
    pub tools: &'a [Arc<dyn Tool>],
    /// What it may use up.
    pub limits: RunLimits,
    /// Ends the run as cancelled.
    pub cancelled: CancellationToken,
    /// Stops the work and leaves the run for another worker.
    pub stopped: CancellationToken,
}

/// How the run is to end.
enum Verdict {
    Answered(String),
    Failed(RunFailure),
    Cancelled,
}

/// Where the work stands.
struct Progress {
    run: Run,
    conversation: Conversation,
    /// Records written up to now.
    records: i64,
    /// How long earlier workers worked at it, in milliseconds; the time in between does not count.
    worked_before: u64,
    since: Instant,
    turns: u64,
    tokens: u64,
    warned: Vec<Budget>,
}

impl Agent<'_> {
    /// Works until the run has ended or the worker is told to stop.
    ///
    /// An error of kind `Expired` means that the lease is lost; any other, that the run was left as it stands and can be
    /// taken up again.
    pub async fn work(&self) -> Result<End> {
        let Some(run) = self.desk.run().await? else { return Err(crate::timeline::append::lost()) };
        if run.cancel_requested_at.is_some() {
            self.desk.finish(self.cancellation().await?).await?;
            return Ok(End::Finished);
        }
        let mut progress = self.take_up(run).await?;
        self.note_interrupted(&progress).await?;
        let time_left = self.limits.wall_time.saturating_sub(Duration::from_millis(progress.worked_before));
        let verdict = tokio::select! {
            biased;
            () = self.stopped.cancelled() => return Ok(End::Stopped),
            () = self.cancelled.cancelled() => Verdict::Cancelled,
            () = tokio::time::sleep(time_left) => Verdict::Failed(out_of(Budget::WallTime)),
            done = AssertUnwindSafe(self.go_on(&mut progress)).catch_unwind() => match done.unwrap_or_else(|_| {
                // Another worker would only fall into the same hole.
                Err(Error::internal("the model or a tool panicked"))
            }) {
                Ok(verdict) => verdict,
                // The end of the lease and the house's own troubles are the worker's business, not the end of the run.
                Err(error) if matches!(error.kind(), Kind::Expired | Kind::Unavailable | Kind::Busy) => return Err(error),
                Err(error) => Verdict::Failed(failure(&error)),
            },
        };
        let end = match verdict {
            Verdict::Answered(answer) => RunCompleted { answer }.into(),
            Verdict::Failed(failure) => RunFailed { failure }.into(),
            Verdict::Cancelled => self.cancellation().await?,
        };
        self.desk.finish(end).await?;
        Ok(End::Finished)
    }

    /// The conversation up to now: what is told at the start, and what the records of earlier turns say.
    async fn take_up(&self, run: Run) -> Result<Progress> {
        let mut messages = vec![Message::System { text: INSTRUCTIONS.into() }];
        for earlier in self.desk.earlier(&run, EARLIER).await? {
            messages.push(Message::User { text: shortened(&earlier.prompt), files: Vec::new() });
            let text = shortened(earlier.answer.as_deref().unwrap_or_default());
            messages.push(Message::Assistant { text, calls: Vec::new() });
        }
        let files = self.desk.inputs().await?.into_iter().map(|input| input.path).collect();
        messages.push(Message::User { text: run.prompt.clone(), files });
        let records = self.desk.turns().await?;
        let mut worked_before = 0;
        for record in &records {
            let Record { message, worked_ms } = serde_json::from_str(record).map_err(Error::internal)?;
            messages.push(message);
            worked_before = worked_ms;
        }
        let turns = messages.iter().rev().take_while(|message| !matches!(message, Message::User { .. }));
        let turns = turns.filter(|message| matches!(message, Message::Assistant { .. })).count() as u64;
        let tools = self.tools.iter().map(|tool| tool.spec()).collect();
        let mut progress = Progress {
            tokens: run.usage.total(),
            run,
            conversation: Conversation { messages, tools },
            records: i64::try_from(records.len()).map_err(Error::internal)?,
            turns,
            worked_before,
            since: Instant::now(),
            warned: Vec::new(),
        };
        // What is nearly used up already, the worker before has warned of.
        progress.warnings(&self.limits);
        Ok(progress)
    }

    /// Tells the timeline which calls were cut short when the worker before stopped: they are made once more. What a call
    /// changes is committed with its result, so one that has no result has changed nothing.
    async fn note_interrupted(&self, progress: &Progress) -> Result<()> {
        let Open::Calls(calls) = progress.open_calls() else { return Ok(()) };
        let ids: Vec<_> = calls.iter().map(|call| call.id.as_str()).collect();
        if progress.records == 0 || ids.is_empty() {
            return Ok(());
        }
        let text = format!("Interrupted when the worker before stopped, and made once more: {}.", ids.join(", "));
        let events = vec![Notice { level: NoticeLevel::Info, text }.into()];
        self.desk.commit(Step { events, ..Step::default() }).await
    }

    /// Turns and calls, until there is an answer or a limit is reached.
    async fn go_on(&self, progress: &mut Progress) -> Result<Verdict> {
        loop {
            match progress.open_calls() {
                Open::Answered(text) => return Ok(Verdict::Answered(text)),
                Open::Calls(calls) => {
                    for call in calls {
                        self.call(progress, call).await?;
                    }
                }
                Open::Nothing => {}
            }
            if progress.turns >= self.limits.turns {
                return Ok(Verdict::Failed(out_of(Budget::Turns)));
            }
            if progress.tokens >= self.limits.tokens {
                return Ok(Verdict::Failed(out_of(Budget::Tokens)));
            }
            self.turn(progress).await?;
        }
    }

    /// One turn of the model, committed with the calls that it wants.
    async fn turn(&self, progress: &mut Progress) -> Result<()> {
        let Reply { text, calls, usage } = self.model.reply(&progress.conversation).await.map_err(|error| {
            // Whatever a model's provider does is this run's failure, never a reason to leave the run lying.
            Error::new(Kind::Internal, format!("The model failed: {}", error.message())).because(error)
        })?;
        // PostgreSQL's text cannot hold NUL, and nobody can read it.
        let text = text.replace('\0', "\u{fffd}");
        let usage = tokens(usage);
        progress.turns += 1;
        progress.tokens += usage.total();
        let mut events: Vec<EventBody> = Vec::with_capacity(calls.len() + 3);
        if !text.is_empty() || calls.is_empty() {
            events.push(AgentMessage { text: text.clone(), is_final: calls.is_empty() }.into());
        }
        events.push(UsageRecorded { model: progress.run.model.clone(), usage }.into());
        events.extend(progress.warnings(&self.limits));
        for call in &calls {
            let ToolCall { id, tool, input } = call.clone();
            events.push(ToolCalled { call_id: id, tool, input }.into());
        }
        self.commit(progress, Message::Assistant { text, calls }, Step { events, ..Step::default() }).await
    }

    /// One call of a tool, committed with its effect and its result.
    async fn call(&self, progress: &mut Progress, call: ToolCall) -> Result<()> {
        let started = Instant::now();
        let tool = self.tools.iter().find(|tool| tool.spec().name == call.tool);
        let outcome = match tool {
            None => Outcome::refused(&Error::invalid(format!("There is no tool `{}`.", call.tool))),
            Some(tool) => match tool.call(self.desk, call.input).await {
                Ok(outcome) => outcome,
                Err(error) if matches!(error.kind(), Kind::Invalid | Kind::NotFound | Kind::Conflict) => {
                    Outcome::refused(&error)
                }
                Err(error) => return Err(error),
            },
        };
        let duration_ms = millis(started.elapsed()).into();
        let Outcome { output, is_error, effect, mut events } = outcome;
        events.push(
            ToolReturned { call_id: call.id.clone(), tool: call.tool, output: output.clone(), is_error, duration_ms }
                .into(),
        );
        let message = Message::Tool { call_id: call.id, output, is_error };
        self.commit(progress, message, Step { effect, events, ..Step::default() }).await
    }

    /// Commits a step with its message, and then counts the message as said.
    async fn commit(&self, progress: &mut Progress, message: Message, mut step: Step) -> Result<()> {
        let worked_ms = progress.worked_before + millis(progress.since.elapsed());
        let record = serde_json::to_string(&RecordRef { message: &message, worked_ms }).map_err(Error::internal)?;
        step.turn = Some((progress.records, record));
        self.desk.commit(step).await?;
        progress.records += 1;
        progress.conversation.messages.push(message);
        Ok(())
    }

    async fn cancellation(&self) -> Result<EventBody> {
        let run = self.desk.run().await?;
        let by = run.and_then(|run| run.cancel_requested_by).unwrap_or(CancelledBy::User);
        Ok(RunCancelled { by }.into())
    }
}

/// What the last message leaves open.
enum Open {
    Nothing,
    Calls(Vec<ToolCall>),
    Answered(String),
}

impl Progress {
    /// The calls of the last turn that have no result yet, or the answer that it gave.
    fn open_calls(&self) -> Open {
        let messages = &self.conversation.messages;
        let last = messages.iter().rposition(|message| !matches!(message, Message::Tool { .. }));
        match last.map(|last| (&messages[last], &messages[last + 1..])) {
            Some((Message::Assistant { text, calls }, _)) if calls.is_empty() => Open::Answered(text.clone()),
            Some((Message::Assistant { calls, .. }, results)) => {
                let returned = |call: &ToolCall| {
                    results.iter().any(|result| matches!(result, Message::Tool { call_id, .. } if *call_id == call.id))
                };
                Open::Calls(calls.iter().filter(|call| !returned(call)).cloned().collect())
            }
            _ => Open::Nothing,
        }
    }

    /// A warning for each budget that is nearly used up, once.
    fn warnings(&mut self, limits: &RunLimits) -> Vec<EventBody> {
        let budgets = [(Budget::Turns, self.turns, limits.turns), (Budget::Tokens, self.tokens, limits.tokens)];
        let mut warnings = Vec::new();
        for (budget, used, limit) in budgets {
            // The first turn of a small budget is no news.
            if used * 100 >= limit * WARN_AT && used > 1 && !self.warned.contains(&budget) {
                self.warned.push(budget);
                warnings.push(BudgetWarning { budget, used: used.into(), limit: limit.into() }.into());
            }
        }
        warnings
    }
}

/// What is kept of a step, for another worker to go on from.
#[derive(Deserialize)]
struct Record {
    message: Message,
    /// How long was worked at the run up to here, over all workers.
    worked_ms: u64,
}

/// A [`Record`] on its way out.
#[derive(Serialize)]
struct RecordRef<'a> {
    message: &'a Message,
    worked_ms: u64,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn shortened(text: &str) -> String {
    text.chars().take(EARLIER_CHARACTERS).collect()
}

fn tokens(usage: Usage) -> TokenUsage {
    TokenUsage {
        input_tokens: usage.input_tokens.into(),
        cached_input_tokens: usage.cached_input_tokens.into(),
        output_tokens: usage.output_tokens.into(),
        reasoning_tokens: usage.reasoning_tokens.into(),
    }
}

fn out_of(budget: Budget) -> RunFailure {
    let (code, what) = match budget {
        Budget::Tokens => ("OUT_OF_TOKENS", "tokens"),
        Budget::Turns => ("OUT_OF_TURNS", "turns"),
        Budget::WallTime => ("OUT_OF_TIME", "time"),
    };
    RunFailure {
        code: code.into(),
        message: format!("The run used up its {what} before it was done."),
        retryable: true,
    }
}

fn failure(error: &Error) -> RunFailure {
    tracing::warn!(?error, "a run failed");
    RunFailure { code: "AGENT_FAILED".into(), message: error.message().to_owned(), retryable: true }
}
