//! A world for stories: a whole server on a free port with a store of its own, and users who speak to it as any client does.

pub mod crew;
pub mod engine;
pub mod form;
pub mod live;
pub mod outside;
pub mod promise;
pub mod runs;
pub mod tables;

use std::{path::Path, sync::Arc, time::Duration};

use reqwest::{
    Client,
    multipart::{Form, Part},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use workroom::{
    app::access::{NewToken, create_token, revoke_token},
    cli::house::House,
    config::{Given, Settings},
    model::{
        id::TokenId,
        user::{Token, TokenScope},
    },
    worker::Crew,
};

use self::crew::{Gate, through_the_gate};

/// The longest that anything in a story may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server with what it stands on. Its folder goes with it.
pub struct World {
    house: Option<Box<House>>,
    settings: Settings,
    crew: Crew,
    folder: TempDir,
}

impl World {
    /// A server on SQLite and a folder, as `workroom serve` starts it; users need tokens.
    pub async fn start() -> Self {
        Self::with(|_, _| {}).await
    }

    /// The same with other settings or another crew.
    pub async fn with(change: impl FnOnce(&mut Settings, &mut Crew)) -> Self {
        // What the server logs is part of what a failed story tells.
        let _ = tracing_subscriber::fmt().with_test_writer().with_max_level(tracing::Level::WARN).try_init();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = settings_in(&folder.path().join("data"));
        let mut crew = Crew::default();
        change(&mut settings, &mut crew);
        Self::of(settings, crew, folder).await
    }

    /// The same with a crew whose runs wait at a gate, which is closed.
    pub async fn gated(change: impl FnOnce(&mut Settings, &mut Crew)) -> (Self, Arc<Gate>) {
        let gate = Gate::closed();
        let world = Self::with(|settings, crew| {
            crew.models = vec![through_the_gate()];
            crew.tools = vec![gate.clone()];
            change(settings, crew);
        })
        .await;
        (world, gate)
    }

    /// A server with these settings; `folder` goes with it.
    pub async fn of(settings: Settings, crew: Crew, folder: TempDir) -> Self {
        let house = House::start(&settings, crew.clone()).await.expect("the server starts");
        Self { house: Some(Box::new(house)), settings, crew, folder }
    }

    pub fn house(&self) -> &House {
        self.house.as_deref().expect("the server is started")
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// `http://127.0.0.1:…`, without a slash at the end.
    pub fn base(&self) -> String {
        format!("http://{}", self.house().address())
    }

    /// A user with a token. The same name is the same user, with another token.
    pub async fn user(&self, name: &str) -> User {
        self.user_until(name, None).await
    }

    /// A user whose token expires.
    pub async fn user_until(&self, name: &str, expires_in: Option<Duration>) -> User {
        self.user_of(NewToken { expires_in, ..NewToken::of(name) }).await
    }

    /// A worker of this user's: the same user, with a token that executes runs.
    pub async fn worker_of(&self, name: &str) -> User {
        self.user_of(NewToken { scope: TokenScope::Worker, ..NewToken::of(name) }).await
    }

    /// An admin with a token.
    pub async fn admin(&self, name: &str) -> User {
        self.user_of(NewToken { admin: true, ..NewToken::of(name) }).await
    }

    async fn user_of(&self, new: NewToken) -> User {
        let (token, secret) = create_token(&self.house().app().store, new).await.expect("a token");
        User { http: Client::new(), base: self.base(), token, secret }
    }

    /// Revokes a user's token as `workroom token revoke` does.
    pub async fn revoke(&self, user: &User) {
        let id: TokenId = user.token.id;
        revoke_token(&self.house().app().store, id).await.expect("the token was valid");
    }

    /// Stops the server as SIGTERM does and starts another on the same store. Its address is a new one: see [`User::at`].
    pub async fn restart(&mut self) {
        if let Some(house) = self.house.take() {
            house.stop().await;
        }
        let house = House::start(&self.settings, self.crew.clone()).await.expect("the server starts again");
        self.house = Some(Box::new(house));
    }

    pub async fn stop(mut self) {
        if let Some(house) = self.house.take() {
            house.stop().await;
        }
    }

    /// Stops the server; what it stood on stays as long as the folder in the answer.
    pub async fn leave(mut self) -> TempDir {
        if let Some(house) = self.house.take() {
            house.stop().await;
        }
        self.folder
    }
}

/// Settings of a server that keeps everything in this folder and listens at a free port.
pub fn settings_in(data: &Path) -> Settings {
    // A settings file of the story's own, so that a developer's does not count.
    let config = data.with_extension("toml");
    std::fs::write(&config, "").expect("a settings file");
    let given = Given {
        data: Some(data.to_owned()),
        listen: Some(([127, 0, 0, 1], 0).into()),
        config: Some(config),
        ..Given::default()
    };
    Settings::load(given).expect("settings")
}

/// Somebody with a token.
#[derive(Clone)]
pub struct User {
    pub http: Client,
    base: String,
    pub token: Token,
    secret: String,
}

impl User {
    /// Somebody whose token was made elsewhere, at the server of this address.
    pub fn with_token(base: String, token: Token, secret: String) -> Self {
        Self { http: Client::new(), base, token, secret }
    }

    /// The same user, at the server's new address.
    pub fn at(&self, world: &World) -> Self {
        self.at_base(&world.base())
    }

    /// The same user at another server of the same database.
    pub fn at_base(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn secret(&self) -> &str {
        &self.secret
    }

    pub fn graphql(&self) -> String {
        format!("{}/graphql", self.base)
    }

    /// The whole answer to an operation, `data` and `errors`.
    pub async fn answer(&self, query: &str, variables: Value) -> Value {
        self.try_answer(query, variables).await.expect("an answer")
    }

    /// The same from a server that may die first; then `None`.
    pub async fn try_answer(&self, query: &str, variables: Value) -> Option<Value> {
        let request = self.http.post(self.graphql()).bearer_auth(&self.secret);
        let request = request.json(&json!({ "query": query, "variables": variables }));
        request.timeout(PATIENCE).send().await.ok()?.json().await.ok()
    }

    /// The data of an operation that succeeds.
    pub async fn ask(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.answer(query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"].take()
    }

    /// What a mutation answers: `field` is its name, `input` its input, `selection` what to ask of its payload besides
    /// `userErrors`.
    pub async fn mutate(&self, field: &str, input: Value, selection: &str) -> Value {
        self.ask(&mutation(field, selection), json!({ "input": input })).await[field].take()
    }

    /// The same from a server that may die first, or whose database may be away; then `None`.
    pub async fn try_mutate(&self, field: &str, input: &Value, selection: &str) -> Option<Value> {
        let mut answer = self.try_answer(&mutation(field, selection), json!({ "input": input })).await?;
        let code = answer["errors"][0]["extensions"]["code"].as_str();
        assert!(matches!(code, None | Some("UNAVAILABLE" | "TIMEOUT")), "{answer:#}");
        code.is_none().then(|| answer["data"][field].take())
    }

    /// A new project's id.
    pub async fn project(&self, name: &str) -> String {
        let payload = self.mutate("createProject", json!({ "name": name }), "project { id }").await;
        id(&payload["project"])
    }

    /// Uploads files into a project's drive; answers with the payload of `uploadFiles`.
    pub async fn upload(&self, project: &str, files: &[(&str, &[u8])]) -> Value {
        let input = json!({ "projectId": project, "files": vec![Value::Null; files.len()] });
        let query = "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) {
            results { file { id path size sha256 mediaType originalName }
                userErrors { __typename code message path ... on FileRefusedError { expectedFormats detectedFormat } } }
            userErrors { __typename code message path } } }";
        let operations = json!({ "query": query, "variables": { "input": input } });
        let map: serde_json::Map<_, _> = (0..files.len())
            .map(|index| (index.to_string(), json!([format!("variables.input.files.{index}")])))
            .collect();
        let mut form = Form::new().text("operations", operations.to_string()).text("map", json!(map).to_string());
        for (index, (name, bytes)) in files.iter().enumerate() {
            form = form.part(index.to_string(), Part::bytes(bytes.to_vec()).file_name((*name).to_owned()));
        }
        let request = self.http.post(self.graphql()).bearer_auth(&self.secret).header("GraphQL-Require-Preflight", "1");
        let response = request.multipart(form).timeout(PATIENCE).send().await.expect("an answer");
        let mut answer: Value = response.json().await.expect("JSON");
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["uploadFiles"].take()
    }

    /// Starts a run; answers with its id.
    pub async fn start_run(&self, project: &str, prompt: &str) -> String {
        let input = json!({ "projectId": project, "prompt": prompt });
        let payload = self.mutate("startRun", input, "run { id }").await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        id(&payload["run"])
    }

    /// Waits until a run has ended; answers with it, its events and its artifacts.
    pub async fn ended(&self, run: &str) -> Value {
        let query = "query($run: ID!) { run(id: $run) {
            id number status answer prompt lastSequence startedAt completedAt cancelRequestedAt failure { code message retryable }
            usage { inputTokens outputTokens totalTokens }
            events(first: 500) { nodes { sequence type } }
            artifacts { nodes { id name size sha256 mediaType } } } }";
        let waiting = async {
            loop {
                let mut data = self.ask(query, json!({ "run": run })).await;
                if matches!(data["run"]["status"].as_str(), Some("COMPLETED" | "FAILED" | "CANCELLED")) {
                    return data["run"].take();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the run ends")
    }

    /// The kinds of a run's events, in order.
    pub async fn timeline(&self, run: &str) -> Vec<String> {
        let query = "query($run: ID!) { run(id: $run) { events(first: 500) { nodes { type } } } }";
        let data = self.ask(query, json!({ "run": run })).await;
        let nodes = data["run"]["events"]["nodes"].as_array().expect("events");
        nodes.iter().map(|event| event["type"].as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// A mutation that takes an input and is asked for what the caller can mend.
fn mutation(field: &str, selection: &str) -> String {
    let kind = format!("{}{}Input", field[..1].to_uppercase(), &field[1..]);
    format!(
        "mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} userErrors {{ __typename code message path }} }} }}"
    )
}

/// The id of an object in an answer.
pub fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object:#}")).to_owned()
}
