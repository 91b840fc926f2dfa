//! How long an event takes from its writing to a client, on the real binary and PostgreSQL: `cargo bench --bench processes` for
//! the release profile, with `--profile dev` for the one of the tests, and with `-- PATH_OF_A_BINARY` for any build of it.
//! PostgreSQL is the one at `TEST_POSTGRES_URL`, or one that is started from the installed programs.
//!
//! Runs are started one after the other and followed over server-sent events: first where one process serves and executes, then
//! where two serve and one executes, and the run that was started at one server is followed at the other. It prints p50, p90 and
//! p99 of the time from an event's own (taken before its commit, so the commit is in it) to its arrival. It judges nothing:
//! figures depend on the machine.

#[allow(dead_code, reason = "the stories need more of it")]
#[path = "../tests/support/postgres.rs"]
mod postgres;
mod server;

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use reqwest::Client;
use serde_json::{Value, json};
use workroom::clock;

use self::server::{Server, ask, start_server};

const RUNS: usize = 40;
const CONTRACT: &str = include_str!("../fixtures/documents/contract.md");

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bench());
}

async fn bench() {
    let given = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let binary = given.unwrap_or_else(|| env!("CARGO_BIN_EXE_workroom").to_owned());
    println!("{binary}");
    let http = Client::new();
    let database = postgres::database().await.expect("PostgreSQL, and not SKIP_POSTGRES");
    let site = tempfile::tempdir().expect("a temporary folder");
    let folder = |name: &str, settings: &str| {
        let folder = site.path().join(name);
        fs::create_dir(&folder).expect("a folder");
        let files = site.path().join("files");
        fs::write(folder.join("workroom.toml"), format!("files-url = '{}'\n{settings}", files.display()))
            .expect("settings");
        folder
    };
    let alone = start_server(&binary, &folder("alone", ""), Some(&database.url), &http).await;
    watch(&http, "one process", &alone.1, &alone.1).await;
    drop(alone);

    let here = start_server(&binary, &folder("here", "no-worker = true"), Some(&database.url), &http).await;
    let there = start_server(&binary, &folder("there", "no-worker = true"), Some(&database.url), &http).await;
    let worker = start_worker(&binary, &folder("worker", ""), &database.url);
    tokio::time::sleep(Duration::from_secs(2)).await;
    watch(&http, "three processes", &here.1, &there.1).await;
    drop((here, there, worker));
    database.remove().await;
}

fn start_worker(binary: &str, folder: &Path, database: &str) -> Server {
    let mut command = Command::new(binary);
    command.args(["worker", "--database-url", database]).current_dir(folder).stderr(Stdio::null());
    Server(command.spawn().expect("the binary starts"))
}

/// Starts runs at one server and follows them at another.
async fn watch(http: &Client, what: &str, here: &str, there: &str) {
    let create = "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }";
    let project =
        ask(http, here, create, json!({ "input": { "name": what } })).await["createProject"]["project"]["id"].take();
    let write = "mutation($input: WriteFileInput!) { writeFile(input: $input) { file { id } } }";
    ask(http, here, write, json!({ "input": { "projectId": project, "path": "contract.md", "text": CONTRACT } })).await;
    let start = "mutation($input: StartRunInput!) { startRun(input: $input) { run { id } } }";
    let mut took = Vec::new();
    for number in 0..=RUNS {
        let input = json!({ "projectId": project, "prompt": "When are invoices due?" });
        let run = ask(http, here, start, json!({ "input": input })).await["startRun"]["run"]["id"].take();
        let events = follow(http, there, &run).await;
        // The first is for warming up.
        if number > 0 {
            took.extend(events);
        }
    }
    took.sort_unstable();
    let share = |of: usize| Duration::from_micros(took[took.len() * of / 100]);
    println!("{what}: {} events, p50 {:?}, p90 {:?}, p99 {:?}", took.len(), share(50), share(90), share(99));
}

/// How long each event of a run took, in microseconds. The first was there before anybody followed.
async fn follow(http: &Client, base: &str, run: &Value) -> Vec<u64> {
    let query = "subscription($run: ID!) { runEvents(runId: $run) { events { sequence at } } }";
    let request = http.post(format!("{base}/graphql")).header("accept", "text/event-stream");
    let request = request.json(&json!({ "query": query, "variables": { "run": run } }));
    let mut bytes = request.send().await.expect("an answer").bytes_stream();
    let (mut pending, mut took) = (Vec::new(), Vec::new());
    while let Some(chunk) = bytes.next().await {
        let now = clock::now();
        pending.extend_from_slice(&chunk.expect("bytes"));
        while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
            let message: Vec<u8> = pending.drain(..end + 2).collect();
            let text = String::from_utf8(message).expect("UTF-8");
            let Some(data) = text.lines().find_map(|line| line.strip_prefix("data:")).filter(|data| data.len() > 2)
            else {
                continue;
            };
            let answer: Value = serde_json::from_str(data).expect("JSON");
            for event in answer["data"]["runEvents"]["events"].as_array().into_iter().flatten() {
                let at: DateTime<Utc> = event["at"].as_str().expect("a time").parse().expect("a time");
                if event["sequence"] != 1 {
                    took.push(u64::try_from((now - at).num_microseconds().unwrap_or(0)).unwrap_or(0));
                }
            }
        }
    }
    took
}
