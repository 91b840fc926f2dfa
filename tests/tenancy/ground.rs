//! Two tenants on one server, and ways to ask as one of them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use workroom::model::id::{ArtifactId, FileId, ProjectId, RunId, SessionId, UserId};

use super::cases::Named;
use crate::world::{
    PATIENCE, User, World,
    crew::{Scripted, Wait, calls, says},
    engine::Engine,
    id,
    tables::{Beside, Tables},
};

/// What a tenant has.
#[derive(Debug)]
pub struct Things {
    pub user: String,
    pub project: String,
    pub session: String,
    pub run: String,
    pub file: String,
    pub artifact: String,
}

/// A server with alice, who has one of everything and more, and bob, who has one of everything.
pub struct Ground {
    pub world: World,
    pub alice: User,
    pub bob: User,
    pub hers: Things,
    pub his: Things,
    /// A run of alice's that a worker executes.
    running: String,
    /// A run of alice's that waits behind it.
    queued: String,
    /// The end cursor of each of her lists, by the list's name.
    cursors: Vec<(&'static str, String)>,
}

pub const KEY: &str = "alice-key-1";
pub const LABEL: &str = "alice's label";

impl Ground {
    /// On an empty database.
    pub async fn new(engine: &Engine) -> Self {
        Self::with_second(engine, "bob").await
    }

    /// The same with bob under this name: if it is alice's, all is hers, and bob is another token of hers.
    async fn with_second(engine: &Engine, bob: &str) -> Self {
        let world = engine
            .world(|_, crew| {
                crew.tools.push(std::sync::Arc::new(Wait::default()));
                crew.models = vec![Scripted::new("scripted", |turn, conversation| {
                    let waits = format!("{:?}", conversation.messages).contains("for ever");
                    match turn {
                        0 if waits => calls(0, &[("wait", json!({ "ms": 600_000 }))]),
                        0 => calls(0, &[("save_output", json!({ "name": "brief.md", "text": "What came of it." }))]),
                        _ => says("Done."),
                    }
                })];
            })
            .await;
        let (alice, bob) = (world.user("alice").await, world.user(bob).await);
        let (hers, his) = (things(&alice, "alice").await, things(&bob, "bob").await);
        let key = json!({ "projectId": hers.project, "prompt": "alice's again", "idempotencyKey": KEY });
        alice.ended(&id(&alice.mutate("startRun", key, "run { id }").await["run"])).await;
        let key = json!({ "runId": hers.run, "idempotencyKey": KEY });
        alice.ended(&id(&alice.mutate("rerun", key, "run { id }").await["run"])).await;
        let key = json!({ "name": "alice's by key", "labels": [LABEL], "idempotencyKey": KEY });
        let other = id(&alice.mutate("createProject", key, "project { id }").await["project"]);
        let key = json!({ "projectId": hers.project, "path": "by-key.md", "text": "By key.", "idempotencyKey": KEY });
        alice.mutate("writeFile", key, "file { id }").await;
        let key = json!({ "sourceId": hers.file, "projectId": hers.project, "path": "copy.md", "idempotencyKey": KEY });
        alice.mutate("copyFile", key, "file { id }").await;
        let running = alice.start_run(&other, "alice's for ever").await;
        let queued = alice.start_run(&other, "alice's later").await;
        let cursors = cursors(&alice, &hers).await;
        let ground = Self { world, alice, bob, hers, his, running, queued, cursors };
        ground.quiet().await;
        ground
    }

    /// All of it belongs to alice, and what is `hers` she deletes, but it is not swept up as long as the ground stands. What is
    /// deleted must be answered as what is somebody else's, so bob can try the same cases.
    pub async fn deleted(engine: &Engine) -> Self {
        let ground = Self::with_second(engine, "alice").await;
        let mut beside = ground.world.beside().await;
        let kind = if matches!(beside, Beside::Sqlite(_)) { "blob" } else { "uuid" };
        // The sweep cannot delete a run that something names, and leaves the rest of that step as well.
        beside.change(&format!("create table hold (run_id {kind} references run (id))")).await;
        beside.change("insert into hold select id from run").await;
        beside.close().await;
        let query = "query($run: ID!) { run(id: $run) { project { id } } }";
        let other = ground.alice.ask(query, json!({ "run": ground.running })).await;
        for project in [ground.hers.project.clone(), id(&other["run"]["project"])] {
            let deleted =
                ground.alice.mutate("deleteProject", json!({ "projectId": project }), "deletedProjectId").await;
            assert_eq!(deleted["deletedProjectId"], project, "{deleted:#}");
        }
        ground
    }

    /// Waits until alice's long run waits in its tool, so that nothing moves by itself any more.
    async fn quiet(&self) {
        let called = async {
            while !self.alice.timeline(&self.running).await.contains(&"TOOL_CALLED".to_owned()) {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, called).await.expect("the long run begins");
    }

    /// What alice has under this word, each with what it is and an invented value of the same shape.
    pub fn values(&self, named: Named) -> Vec<(&'static str, String, String)> {
        let hers = &self.hers;
        match named {
            Named::User => vec![("user", hers.user.clone(), UserId::new().to_string())],
            Named::Node => [
                self.values(Named::User),
                self.values(Named::Project),
                self.values(Named::Session),
                self.values(Named::Run),
                self.values(Named::File),
                vec![("artifact", hers.artifact.clone(), ArtifactId::new().to_string())],
            ]
            .concat(),
            Named::Project => vec![("project", hers.project.clone(), ProjectId::new().to_string())],
            Named::Session => vec![("session", hers.session.clone(), SessionId::new().to_string())],
            Named::Run => [("run", &hers.run), ("running run", &self.running), ("queued run", &self.queued)]
                .map(|(what, run)| (what, run.clone(), RunId::new().to_string()))
                .to_vec(),
            Named::File => vec![("file", hers.file.clone(), FileId::new().to_string())],
            Named::Key => vec![("idempotency key", KEY.to_owned(), "alice-key-2".to_owned())],
            Named::Path => vec![("path", "alices/2026/terms.md".to_owned(), "nobody/2027/notes.md".to_owned())],
            Named::Folder => vec![("folder", "alices/2026".to_owned(), "nobody/2027".to_owned())],
            Named::Sha256 => {
                let hash = |text: &str| hex::encode(Sha256::digest(text));
                vec![("content", hash("# Terms\n\nOf alice's.\n"), hash("invented"))]
            }
            Named::Text => vec![("name", "alice's".to_owned(), "nobody's".to_owned())],
            Named::Label => vec![("label", LABEL.to_owned(), "nobody's label".to_owned())],
            Named::Sequence => vec![("sequence", "3".to_owned(), "999999".to_owned())],
            Named::Cursor(of) => {
                let (what, cursor) = self.cursors.iter().find(|(list, _)| *list == of).expect("a list of hers");
                vec![(*what, cursor.clone(), invented_cursor(cursor))]
            }
        }
    }

    /// All tables, whole.
    pub async fn dump(&self) -> Tables {
        let tables = self.world.tables().await;
        assert!(tables["run"].len() > 3, "an empty dump");
        tables
    }

    /// All that alice has, as she sees it.
    pub async fn seen_by_alice(&self) -> Value {
        let query = "{ viewer { id name sessions(activeOnly: false, first: 9) { totalCount nodes { id status expiresAt } } }
            projects(first: 5) { totalCount nodes { id name version updatedAt labels
                files(area: DRIVE, recursive: true, first: 9) { totalCount nodes { path modifiedAt ... on File { id sha256 } } }
                storage { area fileCount bytes }
                runs(first: 9) { totalCount nodes { id status lastSequence cancelRequestedAt answer
                    artifacts(first: 5) { nodes { id sha256 } } events(first: 20) { nodes { id sequence at } } } } } } }";
        self.alice.ask(query, json!({})).await
    }

    /// Waits until nothing of bob's runs any more.
    pub async fn settled(&self) {
        let query = "{ projects { nodes { runs(filterBy: { status: [QUEUED, RUNNING] }) { totalCount } } } }";
        let settled = async {
            loop {
                let data = self.bob.ask(query, json!({})).await;
                let busy = data["projects"]["nodes"].as_array().expect("projects").iter();
                if busy.into_iter().all(|project| project["runs"]["totalCount"] == 0) {
                    return;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("bob's runs end");
    }

    /// The status and the body of an answer over HTTP.
    pub async fn post(&self, user: &User, query: &str, variables: Value, accept: &str) -> String {
        let request = user.http.post(user.graphql()).bearer_auth(user.secret()).header("accept", accept);
        let request = request.json(&json!({ "query": query, "variables": variables })).timeout(PATIENCE);
        let response = request.send().await.expect("an answer");
        format!("{} {}", response.status(), response.text().await.expect("a body"))
    }

    /// All messages of an answer to bob over a WebSocket.
    pub async fn socket(&self, query: &str, variables: Value) -> String {
        let mut socket = self.bob.socket().await;
        socket.subscribe("1", query, variables).await;
        let mut messages = Vec::new();
        while let Some(message) = socket.next().await {
            let last = message["type"] == "complete" || message["type"] == "error";
            messages.push(message.to_string());
            if last {
                break;
            }
        }
        messages.join("\n")
    }

    /// An upload of bob's: one small file, in `input.files.0`.
    pub async fn upload(&self, query: &str, variables: Value) -> String {
        let operations = json!({ "query": query, "variables": variables });
        let form = Form::new()
            .text("operations", operations.to_string())
            .text("map", json!({ "0": ["variables.input.files.0"] }).to_string())
            .part("0", Part::bytes("# Notes\n\nOf bob's.\n".as_bytes()).file_name("terms.md"));
        let user = &self.bob;
        let request =
            user.http.post(user.graphql()).bearer_auth(user.secret()).header("GraphQL-Require-Preflight", "1");
        let response = request.multipart(form).timeout(PATIENCE).send().await.expect("an answer");
        format!("{} {}", response.status(), response.text().await.expect("a body"))
    }
}

/// A project with a file in a folder, a session, and a run that saved an artifact.
async fn things(user: &User, name: &str) -> Things {
    let project = user.project(&format!("{name}'s")).await;
    let operations = json!({
        "query": "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) { results { file { id path } } } }",
        "variables": { "input": { "projectId": project, "files": [null], "directory": format!("{name}s/2026") } },
    });
    let text = format!("# Terms\n\nOf {name}'s.\n");
    let form = Form::new()
        .text("operations", operations.to_string())
        .text("map", json!({ "0": ["variables.input.files.0"] }).to_string())
        .part("0", Part::bytes(text.into_bytes()).file_name("terms.md"));
    let request = user.http.post(user.graphql()).bearer_auth(user.secret()).header("GraphQL-Require-Preflight", "1");
    let answer: Value = request.multipart(form).send().await.expect("an answer").json().await.expect("JSON");
    let file = id(&answer["data"]["uploadFiles"]["results"][0]["file"]);
    let run = user.start_run(&project, &format!("{name}'s first")).await;
    let artifact = id(&user.ended(&run).await["artifacts"]["nodes"][0]);
    let data =
        user.ask("query($run: ID!) { viewer { id } run(id: $run) { session { id } } }", json!({ "run": run })).await;
    Things { user: id(&data["viewer"]), project, session: id(&data["run"]["session"]), run, file, artifact }
}

/// The end cursors of the user's lists.
async fn cursors(user: &User, things: &Things) -> Vec<(&'static str, String)> {
    let query = "query($project: ID!, $run: ID!, $session: ID!) {
        viewer { sessions(first: 1) { ...P } } projects(first: 1) { ...Q }
        project(id: $project) { sessions(first: 1) { ...P } runs(first: 1) { ...R } artifacts(first: 1) { ...A }
            history { runs(first: 1) { ...R } } files(area: DRIVE, first: 1) { pageInfo { endCursor } } }
        node(id: $session) { ... on WorkspaceSession { runs(first: 1) { ...R } } }
        run(id: $run) { artifacts(first: 1) { ...A } reruns(first: 1) { ...R } } }
        fragment P on WorkspaceSessionConnection { pageInfo { endCursor } }
        fragment Q on ProjectConnection { pageInfo { endCursor } }
        fragment R on RunConnection { pageInfo { endCursor } }
        fragment A on ArtifactConnection { pageInfo { endCursor } }";
    let variables = json!({ "project": things.project, "run": things.run, "session": things.session });
    let data = user.ask(query, variables).await;
    [
        ("User.sessions", "/viewer/sessions"),
        ("Query.projects", "/projects"),
        ("Project.sessions", "/project/sessions"),
        ("Project.runs", "/project/runs"),
        ("RunHistory.runs", "/project/history/runs"),
        ("Project.artifacts", "/project/artifacts"),
        ("Project.files", "/project/files"),
        ("WorkspaceSession.runs", "/node/runs"),
        ("Run.artifacts", "/run/artifacts"),
        ("Run.reruns", "/run/reruns"),
    ]
    .map(|(list, place)| {
        let cursor = data.pointer(&format!("{place}/pageInfo/endCursor")).and_then(Value::as_str);
        (list, cursor.unwrap_or_else(|| panic!("no cursor of {list} in {data:#}")).to_owned())
    })
    .to_vec()
}

/// A cursor of a list that nobody has, as long as this one.
fn invented_cursor(cursor: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(cursor).expect("cursors are base64");
    bytes[..8].copy_from_slice(&RunId::new().0.as_bytes()[8..]);
    bytes[8..24].copy_from_slice(RunId::new().0.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}
