//! `workroom demo`: the whole story once, through the front door.
//!
//! It starts a server as `serve --dev` does and then speaks to it as any client: GraphQL over HTTP, a multipart upload, and a
//! subscription over server-sent events, whose events are printed as they arrive.

use std::{process::ExitCode, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use reqwest::{
    Client,
    header::ACCEPT,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::{house::House, serve::stop_signal};
use crate::{
    agent::model::{Conversation, Model, Reply},
    clock,
    config::{DemoFlags, Settings},
    error::{Error, Kind, Result},
    http::graphiql,
    worker::Crew,
};

const PROMPT: &str = "What happens when a payment is late, and was the late payment discussed in the meeting?";

/// The longest that the story may take.
const LONGEST: Duration = Duration::from_mins(5);

pub(super) async fn run(settings: Settings, flags: DemoFlags) -> Result<ExitCode> {
    let stop = stop_signal()?;
    let mut settings = settings.in_development()?;
    settings.no_worker = false;
    if std::net::TcpListener::bind(settings.listen).is_err() {
        println!("{} is taken, so the demonstration takes a free port.", settings.listen);
        settings.listen.set_port(0);
    }
    let pace = *flags.pace;
    let mut crew = Crew::default();
    crew.models = crew.models.into_iter().map(|inner| Arc::new(Paced { inner, pace }) as Arc<dyn Model>).collect();
    let house = House::start(&settings, crew).await?;
    let story = Story { http: Client::new(), base: format!("http://{}", house.address()) };
    println!("Workroom serves {}/graphql, with everything in {}.", story.base, settings.data.display());
    tokio::pin!(stop);
    let told = tokio::select! {
        told = tokio::time::timeout(LONGEST, story.tell(&flags)) => {
            told.unwrap_or_else(|_| Err(broken("it took too long")))
        }
        () = &mut stop => Err(broken("it was stopped")),
    };
    if let Err(error) = &told {
        println!("\nThe story broke off: {}", super::told(error));
    } else if !flags.once {
        if graphiql::is_built_in() {
            println!("\nTry the API in a browser: {}/graphiql", story.base);
        }
        println!("\nIt keeps serving {}/graphql until Ctrl-C. No token is needed on this machine.", story.base);
        stop.await;
    }
    house.stop().await;
    Ok(if told.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A model that rests before each turn, so that a person can watch.
struct Paced {
    inner: Arc<dyn Model>,
    pace: Duration,
}

impl Model for Paced {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn reply<'a>(&'a self, conversation: &'a Conversation) -> BoxFuture<'a, Result<Reply>> {
        async move {
            tokio::time::sleep(self.pace).await;
            self.inner.reply(conversation).await
        }
        .boxed()
    }
}

/// The client's side.
struct Story {
    http: Client,
    base: String,
}

impl Story {
    async fn tell(&self, flags: &DemoFlags) -> Result<()> {
        let project = self.create_project().await?;
        println!("\n1. A project: {project}");
        println!("\n2. Its documents:");
        self.upload(&project, flags).await?;
        let run = self.start_run(&project).await?;
        println!("\n3. A run: {run}\n   “{PROMPT}”");
        println!(
            "\n4. Its events, as they arrive (when each was written, and how much later it was\n   shown; the agent rests {} before each turn, for the eye):",
            flags.pace
        );
        self.watch(&run).await?;
        println!("\n5. What it made:");
        self.show_outcome(&run).await
    }

    async fn create_project(&self) -> Result<String> {
        let data = self
            .ask(
                "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } userErrors { message } } }",
                json!({ "input": { "name": "Supplier dispute", "labels": ["demo"] } }),
            )
            .await?;
        text(&data, "/createProject/project/id")
    }

    async fn upload(&self, project: &str, flags: &DemoFlags) -> Result<()> {
        let files = documents(flags)?;
        let query = "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) {
            results { file { path size sha256 } userErrors { message } } userErrors { message } } }";
        let none = vec![Value::Null; files.len()];
        let operations = json!({ "query": query, "variables": { "input": { "projectId": project, "files": none } } });
        let places: serde_json::Map<_, _> = (0..files.len())
            .map(|index| (index.to_string(), json!([format!("variables.input.files.{index}")])))
            .collect();
        let mut form = Form::new().text("operations", operations.to_string()).text("map", json!(places).to_string());
        for (index, (name, bytes)) in files.into_iter().enumerate() {
            form = form.part(index.to_string(), Part::bytes(bytes).file_name(name));
        }
        let request = self.http.post(self.graphql()).header("GraphQL-Require-Preflight", "1").multipart(form);
        let data = answered(request).await?;
        for result in data.pointer("/uploadFiles/results").and_then(Value::as_array).into_iter().flatten() {
            if let Some(refusal) = result.pointer("/userErrors/0/message").and_then(Value::as_str) {
                return Err(broken(format!("an upload was refused: {refusal}")));
            }
            let (path, hash) = (text(result, "/file/path")?, text(result, "/file/sha256")?);
            println!("   {path:<24} {:>7} bytes  sha256 {}…", result["file"]["size"], &hash[..12]);
        }
        Ok(())
    }

    async fn start_run(&self, project: &str) -> Result<String> {
        let data = self
            .ask(
                "mutation($input: StartRunInput!) { startRun(input: $input) { run { id } userErrors { message } } }",
                json!({ "input": { "projectId": project, "prompt": PROMPT } }),
            )
            .await?;
        text(&data, "/startRun/run/id")
    }

    /// Prints a run's events as a subscription brings them. The first must be here before the last is written: otherwise it
    /// was no live stream.
    async fn watch(&self, run: &str) -> Result<()> {
        let query = "subscription($run: ID!) { runEvents(runId: $run) { endCursor events {
            sequence at type
            ... on AgentMessage { text } ... on ToolCalled { tool input } ... on ToolReturned { tool isError durationMs }
            ... on FileRead { path } ... on FileWritten { path } ... on ArtifactCreated { name } ... on RunStarted { worker }
            ... on UsageRecorded { usage { totalTokens } } ... on RunFailed { failure { message } } } } }";
        let request = self.http.post(self.graphql()).header(ACCEPT, "text/event-stream");
        let request = request.json(&json!({ "query": query, "variables": { "run": run } }));
        let mut stream = request.send().await.map_err(Error::unavailable)?.bytes_stream();
        let (mut pending, mut first, mut last) = (Vec::new(), None, None);
        while let Some(bytes) = stream.next().await {
            pending.extend_from_slice(&bytes.map_err(Error::unavailable)?);
            while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
                let message: Vec<u8> = pending.drain(..end + 2).collect();
                let Some(data) = sse_data(&message) else { continue };
                let answer: Value = serde_json::from_str(&data).map_err(Error::internal)?;
                for event in
                    data_of(answer)?.pointer("/runEvents/events").and_then(Value::as_array).into_iter().flatten()
                {
                    let shown = clock::now();
                    first.get_or_insert(shown);
                    last = Some((print_event(event, shown)?, text(event, "/type")?));
                }
            }
        }
        match (first, last) {
            (Some(first), Some((written, kind))) if kind == "RUN_COMPLETED" => {
                if first < written {
                    println!("   The first was shown {} ms before the last was written.", millis(first, written));
                    return Ok(());
                }
                Err(broken("the first event was shown only after the last was written"))
            }
            (_, Some((_, kind))) => Err(broken(format!("the run ended with {kind}"))),
            _ => Err(broken("the stream brought no events")),
        }
    }

    async fn show_outcome(&self, run: &str) -> Result<()> {
        let data = self
            .ask(
                "query($run: ID!) { run(id: $run) { status durationMs answer
                    artifacts { nodes { name size sha256 text(maxBytes: 700) downloadUrl(expiresInSeconds: 3600) } } } }",
                json!({ "run": run }),
            )
            .await?;
        let artifact = data.pointer("/run/artifacts/nodes/0").ok_or_else(|| broken("the run saved nothing"))?;
        println!("   {} after {} ms", text(&data, "/run/status")?, data["run"]["durationMs"]);
        println!("   {} ({} bytes)", text(artifact, "/name")?, artifact["size"]);
        for line in text(artifact, "/text")?.lines().take(16) {
            println!("   | {line}");
        }
        let url = text(artifact, "/downloadUrl")?;
        let bytes = self.http.get(&url).send().await.map_err(Error::unavailable)?;
        if !bytes.status().is_success() {
            return Err(broken(format!("the artifact could not be loaded: {}", bytes.status())));
        }
        println!("   Open the whole of it, for an hour: {url}");
        Ok(())
    }

    fn graphql(&self) -> String {
        format!("{}/graphql", self.base)
    }

    async fn ask(&self, query: &str, variables: Value) -> Result<Value> {
        let request = self.http.post(self.graphql()).json(&json!({ "query": query, "variables": variables }));
        answered(request).await
    }
}

fn documents(flags: &DemoFlags) -> Result<Vec<(String, Vec<u8>)>> {
    let cannot = |error: std::io::Error| {
        Error::new(
            Kind::Unavailable,
            format!("The documents in {} cannot be read: {error}.", flags.documents.display()),
        )
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&flags.documents).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "README.md" && entry.path().is_file() {
            files.push((name, std::fs::read(entry.path()).map_err(cannot)?));
        }
    }
    files.sort();
    Ok(files)
}

/// Prints an event on a line; answers with the time at which it was written.
fn print_event(event: &Value, shown: DateTime<Utc>) -> Result<DateTime<Utc>> {
    let written: DateTime<Utc> = text(event, "/at")?.parse().map_err(Error::internal)?;
    let brief = |field: &str| event[field].as_str().map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let detail = ["text", "path", "name", "worker"]
        .into_iter()
        .find_map(brief)
        .or_else(|| brief("tool").map(|tool| format!("{tool} {}", event.get("input").unwrap_or(&Value::Null))))
        .unwrap_or_default();
    let detail: String = detail.trim_end_matches(" null").chars().take(96).collect();
    println!(
        "   {} (+{:>2} ms) {:>3} {:<16} {detail}",
        written.format("%T%.3f"),
        millis(written, shown),
        event["sequence"].as_u64().unwrap_or_default(),
        text(event, "/type")?,
    );
    Ok(written)
}

fn millis(from: DateTime<Utc>, to: DateTime<Utc>) -> u64 {
    clock::millis_between(from, to)
}

/// The data of a server-sent event, if it has some.
fn sse_data(message: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let data: String = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
    (!data.is_empty()).then_some(data)
}

async fn answered(request: reqwest::RequestBuilder) -> Result<Value> {
    let response = request.send().await.map_err(Error::unavailable)?;
    data_of(response.json().await.map_err(Error::unavailable)?)
}

fn data_of(mut answer: Value) -> Result<Value> {
    if let Some(message) = answer.pointer("/errors/0/message").and_then(Value::as_str) {
        return Err(broken(format!("the server answered: {message}")));
    }
    Ok(answer["data"].take())
}

fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| broken(format!("the answer has no {pointer}: {value}")))
}

fn broken(message: impl Into<String>) -> Error {
    Error::new(Kind::Conflict, message.into())
}
