//! How fast a long history is, over HTTP, on the real binary: `cargo bench --bench history` for the release profile, with
//! `--profile dev` for the one of the tests, and with `-- PATH_OF_A_BINARY` for any build of it. `-- postgres` asks PostgreSQL
//! in place of SQLite: the one at `TEST_POSTGRES_URL`, or one that is started from the installed programs. A number among the
//! arguments is how many runs there are to be.
//!
//! It puts that many ended runs, 200,000 when nothing is said, into one project, one every two minutes, has the server record
//! them as it does with runs of before, and asks. It prints p50 and p95 of each kind of question, and the time that the server's
//! processor worked for one (on PostgreSQL that is not the database's), which a busy machine does not make longer. It judges
//! nothing: figures depend on the machine.

#[allow(dead_code, reason = "the stories need more of it")]
#[path = "../tests/support/postgres.rs"]
mod postgres;
mod server;

use std::{env, path::Path, time::Instant};

use reqwest::Client;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection, sqlite::SqliteConnectOptions};
use workroom::model::id::{ProjectId, SessionId};

use self::server::{Server, ask, memory, start_server, worked};

/// How often each question is asked.
const TIMES: usize = 20;

/// How many runs there are when nothing is said: nine months of them.
const RUNS: u32 = 200_000;

/// Runs, one every two minutes: most completed, one of twenty failed, now and then one was cancelled. `RUNS` is how many, and
/// what the engines say differently stands for itself: `RUN_ID`, and `TIME[…]` of seconds.
const SEED: &str = "with recursive n (i) as (select cast(1 as bigint) union all select i + 1 from n where i < RUNS),
    made as (select i, 1767225600000 + i * 120000 as ms from n)
    insert into run (id, project_id, user_id, session_id, number, prompt, agent, model, status, answer, created_at, started_at,
        completed_at, last_sequence, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, lease_generation,
        lease_counter)
    select RUN_ID, session.project_id, session.user_id, session.id, i,
        'Summarise contract number ' || cast(i as text) || ' of the Straße and list what is due, by whom and when. '
            || 'Say which of the annexes were missing, and which dates are not certain.',
        'general', case i % 4 when 0 then 'small' when 1 then 'large' else 'middle' end,
        case when i % 20 = 7 then 'FAILED' when i % 33 = 5 then 'CANCELLED' else 'COMPLETED' end,
        case when i % 20 = 7 or i % 33 = 5 then null else replace('xxxxxxxxxxxx', 'x', 'The tenant pays on the first. ') end,
        TIME[ms / 1000.0], TIME[ms / 1000.0 + 0.5], TIME[ms / 1000.0 + 1 + (i * 7919 % 90000) / 1000.0],
        20, i % 5000, 0, i % 900, 0, 1, 0
    from made join session on session.id = $1 and session.project_id = $2";
/// All of them are from before the server recorded what history adds up.
const UNRECORDED: &str = "insert into unrecorded_run (id) select id from run";

/// The database that is asked.
enum Database {
    Sqlite,
    Postgres(postgres::Database),
}

impl Database {
    async fn new(postgres: bool) -> Self {
        if !postgres {
            return Self::Sqlite;
        }
        Self::Postgres(postgres::database().await.expect("PostgreSQL, and not SKIP_POSTGRES"))
    }

    /// Its URL, when it is not in the server's folder.
    fn url(&self) -> Option<&str> {
        match self {
            Self::Sqlite => None,
            Self::Postgres(database) => Some(&database.url),
        }
    }

    async fn seed(&self, folder: &Path, runs: u32, session: SessionId, project: ProjectId) {
        let seed = SEED.replace("RUNS", &runs.to_string());
        match self {
            Self::Sqlite => {
                let options = SqliteConnectOptions::new().filename(folder.join("data/workroom.sqlite"));
                let mut connection = SqliteConnection::connect_with(&options).await.expect("the database opens");
                let seed = seed
                    .replace("RUN_ID", "unhex(format('%012x7%03x8%015x', ms, i % 4096, i))")
                    .replace("TIME[", "strftime('%Y-%m-%dT%H:%M:%f+00:00', ")
                    .replace(']', ", 'unixepoch')");
                let seed = sqlx::query(AssertSqlSafe(seed)).bind(session).bind(project);
                seed.execute(&mut connection).await.expect("runs");
                sqlx::query(UNRECORDED).execute(&mut connection).await.expect("runs of before");
                connection.close().await.expect("the database closes");
            }
            Self::Postgres(database) => {
                let mut connection = PgConnection::connect(&database.url).await.expect("the database opens");
                let hex = |value: &str, digits: usize| format!("lpad(to_hex({value}), {digits}, '0')");
                let id = format!("{} || '7' || {} || '8' || {}", hex("ms", 12), hex("i % 4096", 3), hex("i", 15));
                let seed = seed
                    .replace("RUN_ID", &format!("cast({id} as uuid)"))
                    .replace("TIME[", "to_timestamp(")
                    .replace(']', ")");
                let seed = sqlx::query(AssertSqlSafe(seed)).bind(session).bind(project);
                seed.execute(&mut connection).await.expect("runs");
                sqlx::query(UNRECORDED).execute(&mut connection).await.expect("runs of before");
                connection.close().await.expect("the database closes");
            }
        }
    }

    /// Brings it to where a database is that has stood for longer than its runs took to seed: PostgreSQL looks after its tables
    /// by itself, but a minute later.
    async fn settle(&self) {
        if let Self::Postgres(database) = self {
            let mut connection = PgConnection::connect(&database.url).await.expect("the database opens");
            sqlx::query("vacuum analyze").execute(&mut connection).await.expect("it is looked after");
            connection.close().await.expect("the database closes");
        }
    }

    async fn remove(self) {
        if let Self::Postgres(database) = self {
            database.remove().await;
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(bench());
}

async fn bench() {
    let given: Vec<String> = env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let database = Database::new(given.iter().any(|argument| argument == "postgres")).await;
    let runs = given.iter().find_map(|argument| argument.parse().ok()).unwrap_or(RUNS);
    let binary = given.into_iter().find(|argument| argument != "postgres" && argument.parse::<u32>().is_err());
    let binary = binary.unwrap_or_else(|| env!("CARGO_BIN_EXE_workroom").to_owned());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let http = Client::new();
    println!("{binary}, {runs} runs, {}", if database.url().is_some() { "PostgreSQL" } else { "SQLite" });
    let (server, base, _) = start_server(&binary, folder.path(), database.url(), &http).await;
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
    let (session, in_project) = (session.parse().expect("an id"), project.parse().expect("an id"));
    database.seed(folder.path(), runs, session, in_project).await;
    println!("seeded in {:?}", begun.elapsed());
    let (server, base, took) = start_server(&binary, folder.path(), database.url(), &http).await;
    println!("recorded, and the server up, in {took:?}: {}", memory(&server));
    database.settle().await;
    questions(&http, &base, &server, &project).await;
    println!("at the end: {}", memory(&server));
    drop(server);
    database.remove().await;
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
    for format in ["CSV", "JSONL"] {
        export(format, (http, base, server), project).await;
    }
}

/// Loads all runs as a file, without keeping it.
async fn export(format: &str, (http, base, server): (&Client, &str, &Server), project: &str) {
    let query = "query($project: ID!, $format: ExportFormat!) { project(id: $project) { history { exportUrl(format: $format) } } }";
    let asked = ask(http, base, query, json!({ "project": project, "format": format })).await;
    let url = asked["project"]["history"]["exportUrl"].as_str().expect("an address").to_owned();
    let (held, before, begun) = (memory(server), worked(server), Instant::now());
    let mut response = http.get(url).send().await.expect("an answer");
    let mut bytes = 0;
    while let Some(chunk) = response.chunk().await.expect("the whole file") {
        bytes += chunk.len();
    }
    let (took, worked) = (begun.elapsed(), worked(server) - before);
    println!(
        "export, {format}: {bytes} bytes in {took:.1?}, work {worked} ms, {held} before and {} after",
        memory(server)
    );
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
