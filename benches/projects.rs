//! How fast a page of projects is, over HTTP, on the real binary: `cargo bench --bench projects` for the release profile,
//! with `--profile dev` for the one of the tests, and with `-- PATH_OF_A_BINARY` for any build of it.
//!
//! It starts a server in development mode in a temporary folder, makes 10,000 projects, and asks for pages of 50. It prints
//! the time from exec to the first answer of `/healthz`, the memory then, and p50 and p95 of each kind of page. It judges
//! nothing: figures depend on the machine.

mod server;

use std::{env, time::Instant};

use futures_util::{StreamExt, stream};
use reqwest::Client;
use serde_json::{Value, json};

use self::server::{ask, memory, start_server};

const PROJECTS: usize = 10_000;
const PAGES: usize = 300;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bench());
}

async fn bench() {
    let given = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let binary = given.unwrap_or_else(|| env!("CARGO_BIN_EXE_workroom").to_owned());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let http = Client::new();
    println!("{binary}");
    for start in ["first start", "second start"] {
        let (server, base, took) = start_server(&binary, folder.path(), None, &http).await;
        println!("{start}: {took:?} to the first 200, {}", memory(&server));
        if start == "first start" {
            continue;
        }
        let begun = Instant::now();
        let create = |number: usize| {
            let name = format!("Project {:05} of everybody", number * 7919 % PROJECTS);
            let input = json!({ "name": name, "description": "About as long as most are.", "labels": ["bench"] });
            ask(
                &http,
                &base,
                "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }",
                json!({ "input": input }),
            )
        };
        stream::iter(0..PROJECTS).map(create).buffer_unordered(32).for_each(|_| async {}).await;
        println!("{PROJECTS} projects made in {:?}", begun.elapsed());
        pages(&http, &base).await;
        println!("at the end: {}", memory(&server));
    }
}

async fn pages(http: &Client, base: &str) {
    for (what, selection, arguments) in [
        ("by change, with totalCount", "totalCount", json!({})),
        ("by change, without", "", json!({})),
        ("by name, with totalCount", "totalCount", json!({ "orderBy": { "field": "NAME", "direction": "ASC" } })),
        ("text filter, with totalCount", "totalCount", json!({ "filterBy": { "text": "777" } })),
        ("label filter, with totalCount", "totalCount", json!({ "filterBy": { "labels": ["bench"] } })),
    ] {
        let query = format!(
            "query($after: String, $filterBy: ProjectFilter, $orderBy: ProjectOrder) {{
                projects(first: 50, after: $after, filterBy: $filterBy, orderBy: $orderBy) {{
                    {selection} nodes {{ id name description labels updatedAt version }} pageInfo {{ endCursor hasNextPage }} }} }}"
        );
        let mut times = Vec::with_capacity(PAGES);
        let mut after = Value::Null;
        for _ in 0..PAGES {
            let mut variables = arguments.clone();
            variables["after"] = after.clone();
            let begun = Instant::now();
            let page = ask(http, base, &query, variables).await["projects"].take();
            times.push(begun.elapsed());
            after = if page["pageInfo"]["hasNextPage"] == true {
                page["pageInfo"]["endCursor"].clone()
            } else {
                Value::Null
            };
        }
        times.sort_unstable();
        println!("{what}: p50 {:?}, p95 {:?}", times[PAGES / 2], times[PAGES * 95 / 100]);
    }
}
