//! One of the crowd: does everything that a client can do, in an order of its own.

use std::{sync::Arc, time::Duration};

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::tally::{REFUSED, Tally};
use crate::world::{
    User,
    form::{BOUNDARY, Body},
    live::{Events, FOLLOW, Socket},
};

/// The longest that a request may take. The server gives up sooner, and says so.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long somebody watches something that does not end.
const WATCHED: Duration = Duration::from_secs(8);
/// Projects that one client has at the most.
const PROJECTS: usize = 3;

const LISTS: &str = "query($first: Int) { viewer { name } projects(first: $first) { totalCount pageInfo { hasNextPage endCursor }
    nodes { id name session { id status } runs(first: 5) { nodes { id status prompt durationMs answer
        artifacts(first: 3) { nodes { name size } } } }
        files(area: DRIVE, first: 5) { edges { node { __typename ... on File { path size sha256 } } } } storage { fileCount } } } }";
const HISTORY: &str = "query($id: ID!) { project(id: $id) { history {
    audit { runCount completed inputTokens } runs(first: 10) { totalCount nodes { id number status } } } } }";
const RUN: &str = "query($id: ID!) { run(id: $id) { status durationMs usage { totalTokens } models { model } inputs { path }
    events(first: 100) { nodes { sequence type at } } artifacts { nodes { name text downloadUrl } } } node(id: $id) { id } }";

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

pub struct Client {
    user: User,
    tally: Arc<Tally>,
    dice: Dice,
    /// Somebody else's project.
    foreign: String,
    projects: Vec<String>,
    runs: Vec<String>,
    addresses: Vec<String>,
}

impl Client {
    pub fn new(user: User, number: u64, foreign: String, tally: Arc<Tally>) -> Self {
        let dice = Dice(0x9e37_79b9_7f4a_7c15 ^ (number + 1).wrapping_mul(0x2545_f491_4f6c_dd1d));
        let (projects, runs, addresses) = (Vec::new(), Vec::new(), Vec::new());
        Self { user, tally, dice, foreign, projects, runs, addresses }
    }

    /// Does one thing after another, and leaves nothing behind.
    pub async fn until(mut self, end: Instant) {
        while Instant::now() < end {
            self.act().await;
        }
        while let Some(project) = self.projects.pop() {
            self.change("deleteProject", json!({ "projectId": project }), "deletedProjectId").await;
        }
    }

    async fn act(&mut self) {
        let Some(project) = self.project().await else { return };
        match self.dice.roll(24) {
            0..=3 => {
                let first = 1 + self.dice.roll(10);
                self.ask("lists", LISTS, json!({ "first": first })).await;
            }
            4 => drop(self.ask("history", HISTORY, json!({ "id": project })).await),
            5 | 6 => self.read_run().await,
            7 | 8 => self.upload(&project).await,
            9 | 10 => self.write(&project).await,
            11 => self.arrange(&project).await,
            12 | 13 => self.download().await,
            14 => self.run_and_follow(&project).await,
            15 => self.run_on_a_socket(&project).await,
            16 => self.run_and_cancel(&project).await,
            17 => self.ask_twice(&project).await,
            18 => self.rerun().await,
            19 => self.sessions(&project).await,
            20 => self.watch(&project).await,
            21 => self.leave(&project).await,
            22 => self.err().await,
            _ => self.tidy(&project).await,
        }
    }

    /// One of its projects; a new one if there are few.
    async fn project(&mut self) -> Option<String> {
        if self.projects.is_empty() || (self.projects.len() < PROJECTS && self.dice.roll(8) == 0) {
            let made = self.change("createProject", json!({ "name": "Crowd", "labels": ["load"] }), "project { id }");
            if let Some(project) = made.await.and_then(|made| made["project"]["id"].as_str().map(str::to_owned)) {
                self.projects.push(project);
            }
        }
        let count = self.projects.len() as u64;
        (count > 0).then(|| self.projects[usize::try_from(self.dice.roll(count)).unwrap_or(0)].clone())
    }

    async fn read_run(&mut self) {
        if let Some(run) = self.runs.last().cloned()
            && let Some(data) = self.ask("a run", RUN, json!({ "id": run })).await
        {
            let made = data["run"]["artifacts"]["nodes"].as_array().into_iter().flatten();
            self.addresses.extend(made.filter_map(|artifact| artifact["downloadUrl"].as_str().map(str::to_owned)));
        }
    }

    async fn upload(&mut self, project: &str) {
        let count = 1 + usize::try_from(self.dice.roll(3)).unwrap_or(0);
        let mut body = Body::upload(project, Some("in"), count);
        for index in 0..count {
            let size = if self.dice.roll(20) == 0 { 1 << 20 } else { 200 + self.dice.roll(20_000) };
            let text = self.text(usize::try_from(size).unwrap_or(0));
            // One of some names, so that files are replaced; now and then one that is not taken.
            let ending = if self.dice.roll(12) == 0 { "exe" } else { "md" };
            body = body.file(&index.to_string(), &format!("note-{}.{ending}", self.dice.roll(6)), text.as_bytes());
        }
        let http = &self.user.http;
        let request = http.post(self.user.graphql()).bearer_auth(self.user.secret()).body(body.end());
        let request = request.header("GraphQL-Require-Preflight", "1");
        let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        if let Some(answer) = self.send("uploadFiles", request).await {
            let results = answer["data"]["uploadFiles"]["results"].as_array().into_iter().flatten();
            self.addresses.extend(results.filter_map(|taken| taken["file"]["downloadUrl"].as_str().map(str::to_owned)));
        }
    }

    async fn write(&mut self, project: &str) {
        let text = self.text(500);
        let path = format!("notes/{}.md", self.dice.roll(5));
        let expected = (self.dice.roll(6) == 0).then(|| "00".repeat(32));
        let input = json!({ "projectId": project, "path": path, "text": text, "expectedSha256": expected });
        self.change("writeFile", input, "file { id path sha256 }").await;
    }

    async fn arrange(&mut self, project: &str) {
        let (from, to) = (format!("notes/{}.md", self.dice.roll(5)), format!("kept/{}.md", self.dice.roll(5)));
        self.change("moveFile", json!({ "projectId": project, "path": from, "to": to }), "movedCount").await;
        let input = json!({ "projectId": project, "paths": [to, "nothing.md"] });
        self.change("deleteFiles", input, "results { path deletedCount }").await;
    }

    async fn download(&mut self) {
        let Some(address) = self.addresses.pop() else { return };
        let mut request = self.user.http.get(address);
        if self.dice.roll(3) == 0 {
            request = request.header("range", "bytes=5-50");
        }
        self.tally.asks("download");
        match request.timeout(PATIENCE).send().await {
            // Its project may be gone.
            Ok(response) => {
                self.tally.status("a download", response.status().as_u16());
                if let Err(error) = response.bytes().await {
                    self.tally.fault(format!("a download broke off: {error}"));
                }
            }
            Err(error) => self.tally.fault(format!("a download was not answered: {error}")),
        }
    }

    async fn start(&mut self, project: &str) -> Option<String> {
        let input = json!({ "projectId": project, "prompt": "What interest do late sums bear?" });
        let started = self.change("startRun", input, "run { id }").await?;
        let run = started["run"]["id"].as_str()?.to_owned();
        self.runs.push(run.clone());
        Some(run)
    }

    /// Follows a run over server-sent events, at most for a while.
    async fn run_and_follow(&mut self, project: &str) {
        let Some(run) = self.start(project).await else { return };
        let Some(mut events) = self.follow(&run).await else { return };
        let mut last = 0;
        let following = async {
            while let Some(answer) = events.next().await {
                last = self.told(&answer, last);
            }
        };
        let ended = timeout(WATCHED, following).await.is_ok();
        self.tally.count(if ended { "run followed to its end" } else { "run left before its end" }.into());
    }

    async fn run_on_a_socket(&mut self, project: &str) {
        let Some(run) = self.start(project).await else { return };
        let Some(mut socket) = self.socket().await else { return };
        socket.subscribe("1", FOLLOW, json!({ "run": run })).await;
        let mut last = 0;
        let following = async {
            while let Some(message) = socket.next().await {
                match message["type"].as_str() {
                    Some("next") => last = self.told(&message["payload"], last),
                    Some("error") => return self.tally.answer("a socket", &json!({ "errors": message["payload"] })),
                    Some("complete") => return,
                    _ => {}
                }
            }
            // Closed without a word of why.
            self.tally.fault(format!("a socket was closed: {:?}", socket.closed));
        };
        let ended = timeout(WATCHED, following).await.is_ok();
        self.tally.count(if ended { "run followed to its end" } else { "run left before its end" }.into());
    }

    async fn run_and_cancel(&mut self, project: &str) {
        if let Some(run) = self.start(project).await {
            self.change("cancelRun", json!({ "runId": run }), "run { status }").await;
        }
    }

    /// The same request twice makes one run.
    async fn ask_twice(&mut self, project: &str) {
        let key = format!("key-{}-{}", self.dice.0, self.runs.len());
        let input =
            json!({ "projectId": project, "prompt": "Once.", "idempotencyKey": key, "ifBusy": "CANCEL_CURRENT" });
        let first = self.change("startRun", input.clone(), "run { id }").await;
        let second = self.change("startRun", input, "run { id }").await;
        if let (Some(first), Some(second)) = (first, second)
            && first["run"]["id"] != second["run"]["id"]
        {
            self.tally.fault(format!("one key, two runs: {first} {second}"));
        }
    }

    async fn rerun(&mut self) {
        if let Some(run) = self.runs.last().cloned() {
            self.change("rerun", json!({ "runId": run, "ifBusy": "REJECT" }), "run { id rerunOf { id } }").await;
        }
    }

    async fn sessions(&mut self, project: &str) {
        let opened = self.change("openProject", json!({ "projectId": project }), "session { id status }").await;
        if let Some(session) = opened.and_then(|opened| opened["session"]["id"].as_str().map(str::to_owned)) {
            self.change("revokeSession", json!({ "sessionId": session }), "session { endReason }").await;
        }
    }

    /// Watches its projects while it changes one, and goes without a word.
    async fn watch(&mut self, project: &str) {
        let Some(mut socket) = self.socket().await else { return };
        let query = "subscription { activity { __typename ... on ProjectChanged { project { version } } } }";
        socket.subscribe("1", query, json!({})).await;
        let first = timeout(WATCHED, socket.next()).await.ok().flatten();
        let version =
            self.ask("a project", "query($id: ID!) { project(id: $id) { version } }", json!({ "id": project }));
        let version = version.await.map_or(Value::Null, |data| data["project"]["version"].clone());
        let input = json!({ "projectId": project, "version": version, "description": "Watched" });
        self.change("updateProject", input, "project { version }").await;
        if first.is_some_and(|first| first["type"] != "next") {
            self.tally.fault("a watcher was told nothing".into());
        }
    }

    /// Begins to follow, and hangs up in the middle; asks, and does not wait for the answer.
    async fn leave(&mut self, project: &str) {
        if let Some(run) = self.start(project).await {
            let events = self.follow(&run).await;
            tokio::time::sleep(Duration::from_millis(self.dice.roll(200))).await;
            drop(events);
        }
        let asking = self.user.http.post(self.user.graphql()).bearer_auth(self.user.secret());
        let asking = asking.json(&json!({ "query": LISTS, "variables": { "first": 10 } })).send();
        let _ = timeout(Duration::from_millis(1 + self.dice.roll(20)), asking).await;
        let text = self.text(300_000);
        let body = Body::upload(project, None, 1).file("0", "cut.md", text.as_bytes()).end();
        let cut = self.user.http.post(self.user.graphql()).bearer_auth(self.user.secret());
        let cut = cut.header("GraphQL-Require-Preflight", "1").body(body);
        let cut = cut.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}")).send();
        let _ = timeout(Duration::from_millis(1 + self.dice.roll(30)), cut).await;
    }

    /// What is refused.
    async fn err(&mut self) {
        let post = || self.user.http.post(self.user.graphql());
        let of = |query: &str, variables: Value| json!({ "query": query, "variables": variables });
        let deep = format!("{{ a {}{} }}", "{ b ".repeat(60), "}".repeat(60));
        let request = match self.dice.roll(8) {
            0 => post().bearer_auth(self.user.secret()).header("content-type", "application/json").body("{\"query\": "),
            1 => post().bearer_auth(self.user.secret()).json(&of("{ nothing }", json!({}))),
            2 => post().bearer_auth(self.user.secret()).json(&of(&deep, json!({}))),
            3 => post().bearer_auth("wr_nobody").json(&of("{ viewer { name } }", json!({}))),
            4 => post().json(&of("{ viewer { name } }", json!({}))),
            5 => post().bearer_auth(self.user.secret()).json(&of(HISTORY, json!({ "id": "proj_nonsense" }))),
            6 => post().bearer_auth(self.user.secret()).json(&of(HISTORY, json!({ "id": self.foreign }))),
            _ => post().bearer_auth(self.user.secret()).json(&of(LISTS, json!({ "first": 5000 }))),
        };
        self.send(REFUSED, request).await;
        let foreign = self.foreign.clone();
        self.change("deleteProject", json!({ "projectId": foreign }), "deletedProjectId").await;
    }

    async fn tidy(&mut self, project: &str) {
        if self.projects.len() > 1 {
            self.projects.retain(|kept| kept != project);
            self.change("deleteProject", json!({ "projectId": project }), "deletedProjectId").await;
        }
    }

    async fn follow(&self, run: &str) -> Option<Events> {
        self.tally.asks("events");
        let request = self.user.http.post(self.user.graphql()).bearer_auth(self.user.secret());
        let request = request.header("accept", "text/event-stream");
        let request = request.json(&json!({ "query": FOLLOW, "variables": { "run": run } }));
        match request.send().await {
            Ok(response) if response.status() == 200 => Some(Events::of(response)),
            Ok(response) => {
                self.tally.status("following", response.status().as_u16());
                self.tally.answer("following", &response.json().await.unwrap_or_default());
                None
            }
            Err(error) => {
                self.tally.fault(format!("following was not answered: {error}"));
                None
            }
        }
    }

    async fn socket(&self) -> Option<Socket> {
        self.tally.asks("socket");
        let mut socket = Socket::open(&self.user).await;
        let payload = json!({ "authorization": format!("Bearer {}", self.user.secret()) });
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        match socket.next().await {
            Some(message) if message["type"] == "connection_ack" => Some(socket),
            other => {
                self.tally.count(format!("socket not let in: {other:?} {:?}", socket.closed));
                None
            }
        }
    }

    /// Looks at one answer of a followed run, which goes on without a gap; answers with its last sequence.
    fn told(&self, answer: &Value, last: u64) -> u64 {
        self.tally.answer("following", answer);
        let events = answer["data"]["runEvents"]["events"].as_array().into_iter().flatten();
        events.fold(last, |last, event| {
            let sequence = event["sequence"].as_u64().unwrap_or(0);
            if sequence != last + 1 {
                self.tally.fault(format!("a gap: {sequence} came after {last}"));
            }
            sequence
        })
    }

    async fn ask(&self, what: &'static str, query: &str, variables: Value) -> Option<Value> {
        let request = self.user.http.post(self.user.graphql()).bearer_auth(self.user.secret());
        let mut answer = self.send(what, request.json(&json!({ "query": query, "variables": variables }))).await?;
        Some(answer["data"].take()).filter(|data| !data.is_null())
    }

    /// What a mutation answers, if it was executed.
    async fn change(&self, field: &'static str, input: Value, selection: &str) -> Option<Value> {
        let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
        let query = format!(
            "mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} userErrors {{ code message }} }} }}"
        );
        let mut data = self.ask(field, &query, json!({ "input": input })).await?;
        Some(data[field].take())
    }

    /// Sends a request and counts what comes of it.
    async fn send(&self, what: &'static str, request: RequestBuilder) -> Option<Value> {
        self.tally.asks(what);
        let answered = async {
            let response = request.timeout(PATIENCE).send().await?;
            let status = response.status().as_u16();
            Ok::<_, reqwest::Error>((status, response.text().await?))
        };
        match answered.await {
            Ok((status, text)) => {
                self.tally.status(what, status);
                let answer = serde_json::from_str(&text).ok();
                match &answer {
                    Some(answer) => self.tally.answer(what, answer),
                    None => self.tally.fault(format!("{what} was answered with {status} and {text:?}")),
                }
                answer
            }
            Err(error) => {
                self.tally.fault(format!("{what} was not answered: {error:?}"));
                None
            }
        }
    }

    fn text(&mut self, size: usize) -> String {
        let line = format!("Late sums bear interest of {} percent a year.\n\n", self.dice.roll(1000));
        line.repeat(size / line.len() + 1)
    }
}
