//! The command line: the real binary, as people and scripts run it.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest};

use crate::world::form::{BOUNDARY, Body};

/// The longest that any command may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A folder in which the binary is run, with nothing of this process's settings.
struct Home(TempDir);

/// What a command said, and how it ended.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_workroom"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Said {
        finished(self.command(arguments)).await
    }

    async fn token(&self, user: &str) -> String {
        let said = self.run(&["token", "create", "--user", user, "--json"]).await;
        assert_eq!(said.code, Some(0), "{}", said.err);
        let answer: Value = serde_json::from_str(&said.out).expect("JSON");
        answer["token"].as_str().expect("a token").to_owned()
    }

    /// A server of this folder, ready to answer.
    async fn serve(&self, arguments: &[&str]) -> Serving {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
        all.extend(arguments);
        let mut child = self.command(&all).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        let mut serving = Serving { child, log, base: String::new(), http: Client::new() };
        let line = serving.logged("Workroom serves").await;
        let address = line["address"].as_str().unwrap_or_else(|| panic!("no address in {line}"));
        serving.base = format!("http://{address}");
        serving
    }
}

async fn finished(mut command: Command) -> Said {
    let child = command.spawn().expect("the binary starts");
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A server in a process of its own.
struct Serving {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    base: String,
    http: Client,
}

impl Serving {
    fn lines(&self) -> Vec<String> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first log line that holds this text.
    async fn logged(&self, text: &str) -> Value {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(line) = self.lines().iter().find(|line| line.contains(text)) {
                return serde_json::from_str(line).expect("JSON");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("`{text}` is not in the log: {:#?}", self.lines());
    }

    fn post(&self, token: &str, query: &str) -> RequestBuilder {
        let request =
            self.http.post(format!("{}/graphql", self.base)).json(&json!({ "query": query })).timeout(PATIENCE);
        if token.is_empty() { request } else { request.bearer_auth(token) }
    }

    async fn ask(&self, token: &str, query: &str) -> Value {
        self.post(token, query).send().await.expect("an answer").json().await.expect("JSON")
    }

    async fn status(&self, token: &str) -> StatusCode {
        self.post(token, "{ viewer { name } }").send().await.expect("an answer").status()
    }

    /// What the process says of itself, in KiB: `VmRSS` now, `VmHWM` at most.
    fn memory(&self, what: &str) -> u64 {
        let id = self.child.id().expect("it runs");
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("a status");
        let line = status.lines().find(|line| line.starts_with(what)).expect("a line");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    async fn terminate(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status().await.expect("kill runs");
        assert!(killed.success());
    }

    /// Sends SIGTERM and waits; how the process ended, and after how long.
    async fn stop(mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        self.terminate().await;
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends").expect("it is ours");
        (status.code(), begun.elapsed())
    }

    /// Opens a WebSocket from a page of `origin`, asking for `host`; with a token it is let in.
    async fn socket(&self, origin: &str, token: &str) -> Result<Ws, tungstenite::Error> {
        let mut request = format!("{}/graphql", self.base.replacen("http", "ws", 1)).into_client_request()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", "graphql-transport-ws".parse().expect("a header"));
        if !origin.is_empty() {
            headers.insert("origin", origin.parse().expect("a header"));
        }
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        let init = json!({ "type": "connection_init", "payload": { "token": token } });
        socket.send(Message::text(init.to_string())).await?;
        let answer = timeout(PATIENCE, socket.next()).await.expect("in time").expect("an answer")?;
        assert!(answer.to_string().contains("connection_ack"), "{answer}");
        Ok(socket)
    }
}

type Ws = tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

/// Reads to the close frame; its code.
async fn close_code(socket: &mut Ws) -> Option<u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("in time") {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| u16::from(frame.code)),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_subcommand_explains_itself() {
    let home = Home::new();
    // What each reads: everything, what finds the database, or nothing.
    let (all, database, none) = (["--data", "--listen"].as_slice(), ["--data"].as_slice(), [].as_slice());
    let commands: [(&[&str], &[&str]); 12] = [
        (&[], all),
        (&["serve"], all),
        (&["worker"], database),
        (&["demo"], all),
        (&["schema"], none),
        (&["migrate"], database),
        (&["token"], database),
        (&["token", "create"], database),
        (&["token", "list"], database),
        (&["token", "revoke"], database),
        (&["doctor"], all),
        (&["verify"], database),
    ];
    for (command, settings) in commands {
        let mut arguments = command.to_vec();
        arguments.push("--help");
        let said = home.run(&arguments).await;
        assert_eq!(said.code, Some(0), "{command:?}: {}", said.err);
        assert!(said.out.contains("Usage: workroom"), "{command:?}: {}", said.out);
        for (flag, variable) in [("--data", "WORKROOM_DATA"), ("--listen", "WORKROOM_LISTEN")] {
            let named = said.out.contains(&format!("{flag} <")) && said.out.contains(variable);
            assert_eq!(named, settings.contains(&flag), "{command:?} names the settings that it reads: {}", said.out);
        }
    }
    // A script may give all of them the same.
    let same = ["--listen", "127.0.0.1:1", "--allow-origin", "https://app.example", "--dev"];
    for command in [["schema"].as_slice(), &["token", "list"]] {
        for arguments in [[same.as_slice(), command].concat(), [command, &same].concat()] {
            let elsewhere = Home::new();
            let said = elsewhere.run(&arguments).await;
            assert_eq!(said.code, Some(0), "{arguments:?}: {}", said.err);
        }
    }
    let wrong = home.run(&["sevre"]).await;
    assert!(wrong.code != Some(0) && wrong.err.contains("sevre"), "{}", wrong.err);
    assert!(home.run(&["--version"]).await.out.contains(env!("CARGO_PKG_VERSION")));
    assert_eq!(fs::read_dir(home.path()).expect("a folder").count(), 0, "asking leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_made_used_listed_and_revoked_while_the_server_runs() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    assert_eq!(server.status("").await, StatusCode::UNAUTHORIZED);
    let token = home.token("amy").await;
    assert_eq!(
        server.ask(&token, "{ viewer { name role } }").await["data"]["viewer"],
        json!({ "name": "amy", "role": "USER" })
    );
    let plain = home.run(&["token", "create", "--user", "root", "--admin"]).await;
    assert_eq!(server.ask(plain.out.trim(), "{ viewer { role } }").await["data"]["viewer"]["role"], "ADMIN");

    let brief = home.run(&["token", "create", "--user", "amy", "--expires", "1s"]).await;
    assert_eq!(server.status(brief.out.trim()).await, StatusCode::OK);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(server.status(brief.out.trim()).await, StatusCode::UNAUTHORIZED);
    for bad in [
        ["--user", "", "--expires", "1d"],
        ["--user", "amy", "--expires", "soon"],
        ["--user", "amy", "--expires", "0s"],
        ["--user", "a\nb", "--expires", "1d"],
    ] {
        let said = home.run(&[["token", "create"].as_slice(), &bad].concat()).await;
        assert!(said.code != Some(0) && !said.err.is_empty() && said.out.is_empty(), "{bad:?}: {}", said.err);
    }

    let list = home.run(&["token", "list", "--json"]).await;
    let rows: Value = serde_json::from_str(&list.out).expect("JSON");
    let states: Vec<_> =
        rows.as_array().expect("rows").iter().map(|row| (row["user"].clone(), row["state"].clone())).collect();
    assert_eq!(
        states,
        [(json!("amy"), json!("valid")), (json!("root"), json!("valid")), (json!("amy"), json!("expired"))]
    );
    let table = home.run(&["token", "list"]).await;
    for secret in [&token, plain.out.trim(), brief.out.trim()] {
        assert!(!list.out.contains(secret) && !table.out.contains(secret), "a secret is shown");
        let stored = fs::read(home.path().join("data/workroom.sqlite")).expect("the database");
        assert!(!stored.windows(secret.len()).any(|window| window == secret.as_bytes()), "a secret is stored");
    }

    let mut socket = server.socket("", &token).await.expect("a socket");
    let id = rows[0]["id"].as_str().expect("an id").to_owned();
    let revoked = home.run(&["token", "revoke", &id]).await;
    assert_eq!(revoked.code, Some(0), "{}", revoked.err);
    assert_eq!(close_code(&mut socket).await, Some(4403));
    assert_eq!(server.status(&token).await, StatusCode::UNAUTHORIZED);
    for wrong in [id.as_str(), "token_01h455vb4pex5vsknk084sn02q", "amy", ""] {
        let said = home.run(&["token", "revoke", wrong]).await;
        assert!(said.code != Some(0) && !said.err.is_empty(), "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flag_wins_over_the_environment_and_the_environment_over_the_file() {
    let home = Home::new();
    let listen = "listen = '127.0.0.1:0'\n";
    fs::write(home.path().join("workroom.toml"), format!("{listen}data = 'from-file'\n")).expect("written");
    let said = home.run(&["doctor"]).await;
    assert!(said.code == Some(0) && said.out.contains("from-file"), "{} {}", said.out, said.err);
    let mut command = home.command(&["doctor"]);
    command.env("WORKROOM_DATA", "from-environment");
    assert!(finished(command).await.out.contains("from-environment"));
    let mut command = home.command(&["--data", "from-flag", "doctor"]);
    command.env("WORKROOM_DATA", "from-environment");
    assert!(finished(command).await.out.contains("from-flag"));
    fs::write(home.path().join("other.toml"), format!("{listen}data = 'from-other'\n")).expect("written");
    assert!(home.run(&["doctor", "--config", "other.toml"]).await.out.contains("from-other"));

    for (text, named) in [
        ("dta = 'x'", "dta"),
        ("max-runs = 0", "max-runs"),
        ("max-runs = 'many'", "max-runs"),
        ("listen = 'here'", "listen"),
        ("session-ttl = 'soon'", "session-ttl"),
        ("log-format = 'xml'", "log-format"),
        ("= =", "workroom.toml"),
        ("database-url = 'mysql://x'", "postgres://"),
        ("log = 'a=b=c'", "log"),
        ("allow-origin = ['app.example']", "app.example"),
        ("allow-origin = ['https://app.example/path']", "https://app.example/path"),
        ("public-url = 'nowhere'", "public-url"),
    ] {
        fs::write(home.path().join("workroom.toml"), text).expect("written");
        let said = home.run(&["migrate"]).await;
        assert!(said.code != Some(0) && said.err.contains(named), "{text}: {:?} {}", said.code, said.err);
    }
    let said = home.run(&["doctor", "--config", "missing.toml"]).await;
    assert!(said.code != Some(0) && said.err.contains("missing.toml"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_of_a_start_is_said() {
    let home = Home::new();
    let everywhere = home.run(&["serve", "--dev", "--listen", "0.0.0.0:0"]).await;
    assert!(everywhere.code != Some(0) && everywhere.err.contains("loopback"), "{}", everywhere.err);
    assert!(!home.path().join("data").exists());

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let said = home.run(&["serve", "--listen", &address]).await;
    assert!(said.code != Some(0) && said.err.contains(&address), "{}", said.err);
    let ill = home.run(&["doctor", "--listen", &address]).await;
    assert!(
        ill.code == Some(1) && ill.out.contains("FAIL  address") && ill.out.contains("ok    database"),
        "{}",
        ill.out
    );
    drop(taken);
    let server = home.serve(&[]).await;
    let well = home.run(&["doctor", "--listen", server.base.trim_start_matches("http://")]).await;
    assert!(well.code == Some(0) && well.out.contains("a Workroom is serving there"), "{}", well.out);
    assert_eq!(server.stop().await.0, Some(0));

    fs::write(home.path().join("file"), "in the way").expect("written");
    for data in ["file", "file/below"] {
        let said = home.run(&["serve", "--data", data, "--listen", "127.0.0.1:0"]).await;
        assert!(said.code != Some(0) && said.err.contains(data), "{}", said.err);
        let ill = home.run(&["doctor", "--data", data, "--listen", "127.0.0.1:0"]).await;
        assert!(
            ill.code == Some(1) && ill.out.contains("FAIL  data folder") && ill.out.contains("FAIL  database"),
            "{}",
            ill.out
        );
    }
    let away = home.run(&["migrate", "--database-url", "postgres://nobody:secret@127.0.0.1:1/none"]).await;
    assert!(away.code != Some(0) && !away.err.is_empty() && !away.err.contains("secret"), "{}", away.err);

    let alone = home.run(&["worker"]).await;
    assert!(alone.code == Some(1) && alone.err.contains("needs PostgreSQL"), "{}", alone.err);

    let server = home.serve(&[]).await;
    let second = home.run(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(second.code != Some(0) && second.err.contains("Another Workroom"), "{}", second.err);
    assert_eq!(server.status(&home.token("amy").await).await, StatusCode::OK, "the first is not harmed");
    assert_eq!(server.stop().await.0, Some(0));
    assert_eq!(home.serve(&[]).await.stop().await.0, Some(0), "the lock goes with its process");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrate_and_schema_do_what_they_say() {
    let home = Home::new();
    for _ in 0..2 {
        let said = home.run(&["migrate"]).await;
        assert!(said.code == Some(0) && said.out.contains("SQLite"), "{} {}", said.out, said.err);
    }
    assert!(home.path().join("data/workroom.sqlite").is_file());
    let said = home.run(&["doctor", "--listen", "127.0.0.1:0"]).await;
    assert!(said.code == Some(0) && !said.out.contains("FAIL"), "{}", said.out);
    let schema = home.run(&["schema"]).await;
    let committed =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql")).expect("the schema");
    assert!(schema.out == committed, "schema.graphql is not what `workroom schema` prints");
}

#[tokio::test(flavor = "multi_thread")]
async fn development_mode_answers_this_machine_and_no_other() {
    let home = Home::new();
    let server = home.serve(&["--dev"]).await;
    assert_eq!(server.ask("", "{ viewer { name } }").await["data"]["viewer"]["name"], "local");
    for host in ["evil.example", "evil.example:4000", "localhost.evil.example", "169.254.169.254"] {
        let response = server.post("", "{ viewer { name } }").header("host", host).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!response.text().await.expect("text").contains("local\""));
    }
    let cors = async |origin: &str| {
        let response = server.post("", "{ viewer { name } }").header("origin", origin).send().await.expect("an answer");
        response.headers().get("access-control-allow-origin").map(|value| value.to_str().expect("ASCII").to_owned())
    };
    for origin in ["http://localhost:5173", "http://127.0.0.1:3000"] {
        assert_eq!(cors(origin).await.as_deref(), Some(origin));
        assert!(server.socket(origin, "").await.is_ok());
    }
    for origin in ["http://evil.example", "http://localhost.evil.example", "null"] {
        assert_eq!(cors(origin).await, None, "{origin}");
        assert!(server.socket(origin, "").await.is_err(), "{origin}");
        // Nobody needs a token here, so a page must not even be able to ask without hearing the answer.
        let blind = "mutation { createProject(input: { name: \"theirs\" }) { project { id } } }";
        let asked = server.post("", blind).header("origin", origin).send().await.expect("an answer");
        assert_eq!(asked.status(), StatusCode::FORBIDDEN, "{origin}");
        assert_eq!(asked.json::<Value>().await.expect("JSON")["errors"][0]["extensions"]["code"], "FORBIDDEN");
        let address = format!("{}/graphql?query=%7B__typename%7D", server.base);
        let asked = server.http.get(address).header("origin", origin).send().await.expect("an answer");
        assert_eq!(asked.status(), StatusCode::FORBIDDEN, "{origin}");
    }
    assert_eq!(server.ask("", "{ projects { totalCount } }").await["data"]["projects"]["totalCount"], 0);
    // A flag without a value, and the environment, say it too.
    let other = Home::new();
    let mut command = other.command(&["serve", "--listen", "0.0.0.0:0"]);
    command.env("WORKROOM_DEV", "true");
    assert!(finished(command).await.err.contains("loopback"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_page_is_let_in_only_when_it_is_listed() {
    let home = Home::new();
    let server = home.serve(&["--allow-origin", "https://app.example", "--allow-origin", "https://two.example"]).await;
    let token = home.token("amy").await;
    let preflight = async |origin: &str| {
        let request = server.http.request(reqwest::Method::OPTIONS, format!("{}/graphql", server.base));
        let request = request.header("origin", origin).header("access-control-request-method", "POST");
        request.send().await.expect("an answer")
    };
    for origin in ["https://app.example", "https://two.example"] {
        let response =
            server.post(&token, "{ viewer { name } }").header("origin", origin).send().await.expect("an answer");
        assert_eq!(response.headers()["access-control-allow-origin"], origin);
        let asked = preflight(origin).await;
        assert_eq!(asked.status(), StatusCode::NO_CONTENT);
        assert!(asked.headers()["access-control-allow-headers"].to_str().expect("ASCII").contains("authorization"));
        assert!(server.socket(origin, &token).await.is_ok());
    }
    for origin in
        ["https://evil.example", "http://app.example", "https://app.example.evil", "http://localhost:5173", "null"]
    {
        let response =
            server.post(&token, "{ viewer { name } }").header("origin", origin).send().await.expect("an answer");
        assert!(response.headers().get("access-control-allow-origin").is_none(), "{origin}");
        assert_eq!(
            response.status(),
            StatusCode::OK,
            "whoever has a token is no blind page; the browser keeps the answer from it"
        );
        let asked = preflight(origin).await;
        assert!(
            asked.status() == StatusCode::FORBIDDEN && asked.headers().get("access-control-allow-origin").is_none()
        );
        match server.socket(origin, &token).await {
            Err(tungstenite::Error::Http(response)) => assert_eq!(response.status().as_u16(), 403),
            other => panic!("{origin}: {:?}", other.map(|_| ())),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_drains_and_ends_with_success() {
    let home = Home::new();
    let server = home.serve(&[]).await;
    let token = home.token("amy").await;
    let mut socket = server.socket("", &token).await.expect("a socket");
    let made = server.ask(&token, "mutation { createProject(input: { name: \"p\" }) { project { id } } }").await;
    let project = made["data"]["createProject"]["project"]["id"].as_str().expect("an id").to_owned();
    for _ in 0..5 {
        let query = format!(
            "mutation {{ startRun(input: {{ projectId: \"{project}\", prompt: \"Anything?\" }}) {{ run {{ id }} }} }}"
        );
        assert!(server.ask(&token, &query).await.get("errors").is_none());
    }
    // A connection that says nothing, and one that is in the middle of a request.
    let address = server.base.trim_start_matches("http://").to_owned();
    let _silent = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    let mut halfway = tokio::net::TcpStream::connect(&address).await.expect("a connection");
    tokio::io::AsyncWriteExt::write_all(
        &mut halfway,
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    )
    .await
    .expect("sent");
    let closing = tokio::spawn(async move { close_code(&mut socket).await });
    let (code, took) = server.stop().await;
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(closing.await.expect("no panic"), Some(1012));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_log_line_is_json_and_those_of_a_request_carry_its_id() {
    let home = Home::new();
    let server = home.serve(&["--log", "workroom=debug"]).await;
    let token = home.token("amy").await;
    let answer =
        server.post(&token, "{ viewer { name } }").header("x-request-id", "my-id-1").send().await.expect("an answer");
    assert_eq!(answer.headers()["x-request-id"], "my-id-1");
    let fresh =
        server.post(&token, "{ viewer { name } }").header("x-request-id", "no good").send().await.expect("an answer");
    let fresh = fresh.headers()["x-request-id"].to_str().expect("ASCII").to_owned();
    assert!(!fresh.contains(' ') && !fresh.is_empty());
    assert_eq!(server.logged("my-id-1").await["span"]["request_id"], "my-id-1");
    assert_eq!(server.logged(&fresh).await["span"]["request_id"], fresh.as_str());

    // A fault behind a request is told to the log, with the request's id, and not to the caller.
    let made = server.ask(&token, "mutation { createProject(input: { name: \"p\" }) { project { id } } }").await;
    let project = made["data"]["createProject"]["project"]["id"].as_str().expect("an id").to_owned();
    let form = server
        .http
        .post(format!("{}/graphql", server.base))
        .bearer_auth(&token)
        .header("GraphQL-Require-Preflight", "1");
    let form = form.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    let uploaded: Value = form
        .body(Body::upload(&project, None, 1).file("0", "gone.txt", b"text").end())
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    let file = &uploaded["data"]["uploadFiles"]["results"][0]["file"];
    fs::remove_dir_all(home.path().join("data/files/projects")).expect("the objects go");
    let query = format!("{{ node(id: {}) {{ ... on File {{ text }} }} }}", file["id"]);
    let answer = server.post(&token, &query).header("x-request-id", "my-id-2").send().await.expect("an answer");
    let answer: Value = answer.json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer:#}");
    assert!(!answer.to_string().contains("projects/"), "{answer:#}");
    let line = server.logged("a resolver failed").await;
    assert_eq!(line["span"]["request_id"], "my-id-2");
    assert!(line["error"].as_str().is_some_and(|error| error.contains("gone.txt")), "{line}");
    let download = server.http.get(file["downloadUrl"].as_str().expect("an address")).header("x-request-id", "my-id-3");
    let download = download.send().await.expect("an answer");
    assert_eq!(
        (download.status(), &download.headers()["x-request-id"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &"my-id-3".parse().expect("a header"))
    );
    assert_eq!(server.logged("a download failed").await["span"]["request_id"], "my-id-3");

    for path in ["healthz", "readyz"] {
        let response = server.http.get(format!("{}/{path}", server.base)).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.json::<Value>().await.expect("JSON")["status"], "ok");
    }
    for line in server.lines() {
        let line: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string() && line["message"].is_string(), "{line}");
        assert!(!line.to_string().contains(&token), "a secret is logged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_large_uploads_at_once_take_bounded_memory() {
    let home = Home::new();
    let server = home.serve(&["--dev"]).await;
    let made = server.ask("", "mutation { createProject(input: { name: \"p\" }) { project { id } } }").await;
    let project = made["data"]["createProject"]["project"]["id"].as_str().expect("an id").to_owned();
    let before = server.memory("VmRSS");
    let large = vec![b'x'; 16 << 20];
    let uploads = (0..5).map(|number| {
        let body = Body::upload(&project, None, 1).file("0", &format!("{number}.txt"), &large).end();
        let request = server.http.post(format!("{}/graphql", server.base)).header("GraphQL-Require-Preflight", "1");
        request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}")).body(body).send()
    });
    for response in futures_util::future::join_all(uploads).await {
        let answer: Value = response.expect("an answer").json().await.expect("JSON");
        assert_eq!(answer["data"]["uploadFiles"]["results"][0]["file"]["size"], 16 << 20, "{answer:#}");
    }
    let most = server.memory("VmHWM");
    println!("VmRSS {before} KiB before, at most {most} KiB, {} KiB after", server.memory("VmRSS"));
    // Each upload is held once, while its object is written; nothing is held twice.
    assert!(most - before < 120 << 10, "{before} KiB before, at most {most} KiB");
}
