//! How fast a long history is, over HTTP, on the real binary: `cargo bench --bench history` for the release profile, with
//! `--profile dev` for the one of the tests, and with `-- PATH_OF_A_BINARY` for any build of it.
//!
//! It puts 200,000 ended runs into one project of a SQLite database in a temporary folder, over about nine months, has the
//! server record them as it does with runs of before, and asks. It prints p50 and p95 of each kind of question, and the time
//! that the server's processor worked for one, which a busy machine does not make longer. It judges nothing: figures depend
//! on the machine.

mod server;

use std::{env, path::Path, time::Instant};

use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use workroom::model::id::{ProjectId, SessionId};

use self::server::{Server, ask, memory, start_server, worked};

/// How often each question is asked.
const TIMES: usize = 20;

/// 200,000 runs, one every two minutes: most completed, one of twenty failed, now and then one was cancelled.
const SEED: &str = "with recursive n (i) as (select 1 union all select i + 1 from n where i < 200000),
    made as (select i, 1767225600000 + i * 120000 as ms from n)
    insert into run (id, project_id, user_id, session_id, number, prompt, agent, model, status, answer, created_at, started_at,
        completed_at, last_sequence, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, lease_generation,
        lease_counter)
    select unhex(format('%012x7%03x8%015x', ms, i % 4096, i)), session.project_id, session.user_id, session.id, i,
        format('Summarise contract number %d of the Straße and list what is due, by whom and when. ', i)
            || 'Say which of the annexes were missing, and which dates are not certain.',
        'general', case i % 4 when 0 then 'small' when 1 then 'large' else 'middle' end,
        case when i % 20 = 7 then 'FAILED' when i % 33 = 5 then 'CANCELLED' else 'COMPLETED' end,
        case when i % 20 = 7 or i % 33 = 5 then null else replace(hex(zeroblob(6)), '0', 'The tenant pays on the first. ') end,
        strftime('%Y-%m-%dT%H:%M:%f', ms / 1000.0, 'unixepoch') || '+00:00',
        strftime('%Y-%m-%dT%H:%M:%f', ms / 1000.0 + 0.5, 'unixepoch') || '+00:00',
        strftime('%Y-%m-%dT%H:%M:%f', ms / 1000.0 + 1 + (i * 7919 % 90000) / 1000.0, 'unixepoch') || '+00:00',
        20, i % 5000, 0, i % 900, 0, 1, 0
    from made join session on session.id = $1 and session.project_id = $2;
    insert into unrecorded_run (id) select id from run";

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
    let (server, base, _) = start_server(&binary, folder.path(), &http).await;
    let made = ask(&http, &base, "mutation { createProject(input: { name: \"Long\" }) { project { id } } }", json!({}));
    let project = made.await["createProject"]["project"]["id"].as_str().expect("a project").to_owned();
    let opened = ask(
        &http,
        &base,
        "mutation($id: ID!) { openProject(input: { projectId: $id }) { session { id } } }",
        json!({ "id": project }),
    );
    let session = opened.await["openProject"]["session"]["id"].as_str().expect("a session").to_owned();
    drop(server);

    let begun = Instant::now();
    seed(&folder.path().join("data/workroom.sqlite"), &session, &project).await;
    println!("seeded in {:?}", begun.elapsed());
    let (server, base, took) = start_server(&binary, folder.path(), &http).await;
    println!("recorded, and the server up, in {took:?}: {}", memory(&server));
    questions(&http, &base, &server, &project).await;
    println!("at the end: {}", memory(&server));
}

async fn seed(database: &Path, session: &str, project: &str) {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
    let (session, project): (SessionId, ProjectId) = (session.parse().expect("an id"), project.parse().expect("an id"));
    for statement in SEED.split(';') {
        let query = sqlx::query(statement);
        let query = if statement.contains("$1") { query.bind(session).bind(project) } else { query };
        query.execute(&mut connection).await.expect(statement);
    }
    connection.close().await.expect("the database closes");
}

async fn questions(http: &Client, base: &str, server: &Server, project: &str) {
    let page =
        "runs(first: 50) { nodes { id number status prompt answer model createdAt durationMs usage { totalTokens } }
        pageInfo { endCursor hasNextPage } }";
    let last_page = page.replace("first", "last");
    let audit = "audit { runCount completed failed cancelled inputTokens outputTokens artifactCount
        durationMs { p50 p95 p99 max mean } }";
    let by =
        |dimension: &str| format!("auditBy(dimension: {dimension}, timeZone: \"Europe/Berlin\") {{ key {audit} }}");
    let day = json!({ "createdFrom": "2026-03-01T00:00:00Z", "createdBefore": "2026-03-02T00:00:00Z" });
    let month = json!({ "createdFrom": "2026-03-01T00:00:00Z", "createdBefore": "2026-04-01T00:00:00Z" });
    for (what, selection, filter) in [
        ("page", page, json!({})),
        ("last page", &last_page, json!({})),
        ("page of FAILED", page, json!({ "status": ["FAILED"] })),
        ("page of FAILED of one model", page, json!({ "status": ["FAILED"], "model": "small" })),
        ("page of no such model", page, json!({ "model": "none" })),
        ("page of a day", page, day.clone()),
        ("page of text, frequent", page, json!({ "text": "STRASSE" })),
        ("page of text, rare", page, json!({ "text": "number 777 " })),
        ("totalCount", "runs(first: 1) { totalCount }", json!({})),
        ("totalCount of FAILED", "runs(first: 1) { totalCount }", json!({ "status": ["FAILED"] })),
        ("audit", audit, json!({})),
        ("audit of a month", audit, month),
        ("audit of one model", audit, json!({ "model": "middle" })),
        ("auditBy DAY", &by("DAY"), json!({})),
        ("auditBy MODEL", &by("MODEL"), json!({})),
        ("auditBy STATUS", &by("STATUS"), json!({})),
    ] {
        let query = format!(
            "query($project: ID!, $filter: RunFilter) {{ project(id: $project) {{ history(filterBy: $filter) {{ {selection} }} }} }}"
        );
        time(what, (http, base, server), &query, json!({ "project": project, "filter": filter })).await;
    }
    let run = "query($project: ID!) { project(id: $project) { runs(first: 1) { nodes { id } } } }";
    let run = ask(http, base, run, json!({ "project": project })).await["project"]["runs"]["nodes"][0]["id"].take();
    let by_id = "query($run: ID!) { run(id: $run) { id prompt answer status project { name } } }";
    time("run by id", (http, base, server), by_id, json!({ "run": run })).await;
    let projects = "{ projects(first: 50) { nodes { id name runs(first: 3) { totalCount nodes { id status } } } } }";
    time("page of projects with their runs", (http, base, server), projects, json!({})).await;
    let usage = "{ viewer { usage { total { runCount } models { key } projects { project { name } } storageBytes } } }";
    time("usage, all of it", (http, base, server), usage, json!({})).await;
}

async fn time(what: &str, (http, base, server): (&Client, &str, &Server), query: &str, variables: Value) {
    let before = worked(server);
    let mut times = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        ask(http, base, query, variables.clone()).await;
        times.push(begun.elapsed());
    }
    let worked = (worked(server) - before) / TIMES as u64;
    times.sort_unstable();
    println!("{what}: p50 {:.1?}, p95 {:.1?}, work {worked} ms", times[TIMES / 2], times[TIMES * 95 / 100]);
}
