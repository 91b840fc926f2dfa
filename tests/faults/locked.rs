//! Another program holds the database's lock for longer than the server waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use sqlx::{PgConnection, query_scalar};
use tokio::time::sleep;

use super::code;
use crate::{
    worker::assert_nothing_repeated,
    world::{PATIENCE, User, World, crew::Gate, engine::on_engines, runs::started, tables::Beside},
};

/// What the longest wait for a lock and one behind it may take together.
const BOUND: Duration = Duration::from_mins(1);

const NAMES: &str = "query { projects(first: 50) { nodes { name } } }";
const CREATE: &str = "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } } }";
const WRITE: &str = "mutation($input: WriteFileInput!) { writeFile(input: $input) { file { id } } }";
const START: &str = "mutation($input: StartRunInput!) { startRun(input: $input) { run { id } } }";

/// Locks what is written to; whoever reads is not held up.
async fn lock(beside: &mut Beside) {
    match beside {
        Beside::Sqlite(_) => beside.change("begin exclusive").await,
        Beside::Postgres(_) => {
            beside.change("begin").await;
            beside.change("lock table project, run, file, file_version in exclusive mode").await;
        }
    }
}

/// The database server does not go on waiting for somebody who has given up. (The chores try again and again.)
async fn assert_nobody_waits(conn: &mut PgConnection) {
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'
        and query like '%insert into project%' and pid <> pg_backend_pid()";
    let begun = Instant::now();
    loop {
        // This connection is in a transaction, and would be shown the same picture again and again.
        sqlx::query("select pg_stat_clear_snapshot()").execute(&mut *conn).await.expect("a new look");
        let count: i64 = query_scalar(waiting).fetch_one(&mut *conn).await.expect("a count");
        if count == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{count} still wait for the lock");
        sleep(Duration::from_millis(200)).await;
    }
}

async fn names(user: &User) -> Vec<String> {
    let data = user.ask(NAMES, json!({})).await;
    let nodes = data["projects"]["nodes"].as_array().expect("projects");
    nodes.iter().filter_map(|project| project["name"].as_str().map(str::to_owned)).collect()
}

async fn try_it((world, gate): (World, Arc<Gate>), url: &str) {
    let amy = world.user("amy").await;
    let project = amy.project("Before").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    let follower = amy.follow(&run, None).await;
    let mut beside = Beside::open(url).await;
    lock(&mut beside).await;

    let asked = Instant::now();
    let create = |name: &str| amy.answer(CREATE, json!({ "input": { "name": name } }));
    let write = json!({ "input": { "projectId": project, "path": "a.md", "text": "Never." } });
    let start = json!({ "input": { "projectId": project, "prompt": "Never." } });
    let writes = async {
        // Some at once, and one that comes when they wait already.
        let late = async {
            sleep(Duration::from_secs(1)).await;
            create("Never").await
        };
        let first = futures_util::future::join_all([create("Never"), create("Never")]);
        let (mut answers, written, started, late) =
            tokio::join!(first, amy.answer(WRITE, write), amy.answer(START, start), late);
        answers.extend([written, started, late]);
        answers
    };
    let reads = async {
        assert_eq!(names(&amy).await, ["Before"]);
        let read = asked.elapsed();
        // The tool returns now, and what it returned cannot be kept.
        gate.open();
        read
    };
    let (answers, read) = tokio::join!(writes, reads);
    assert!(read < asked.elapsed() / 2, "who reads does not wait: {read:?} of {:?}", asked.elapsed());
    for answer in &answers {
        assert_eq!(code(answer), "UNAVAILABLE", "{answer:#}");
    }
    assert!(asked.elapsed() < BOUND, "{:?}", asked.elapsed());
    assert_eq!(names(&amy).await, ["Before"]);
    if let Beside::Postgres(conn) = &mut beside {
        assert_nobody_waits(conn).await;
    }

    beside.change("rollback").await;
    assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    assert_eq!(follower.until_the_end().await.len(), events.len(), "who followed missed nothing");
    // Nothing of what was answered with an error was done, not even later.
    assert_eq!(names(&amy).await, ["Before"]);
    let query =
        "query($id: ID!) { project(id: $id) { runs(first: 5) { totalCount } files(area: DRIVE) { totalCount } } }";
    let left = amy.ask(query, json!({ "id": project })).await["project"].take();
    assert_eq!(left, json!({ "runs": { "totalCount": 1 }, "files": { "totalCount": 0 } }));
    let next = amy.finished_run(&project, "And again.").await;
    assert_eq!(amy.status(&next).await, Value::from("COMPLETED"));
    beside.close().await;
    world.stop().await;
}

on_engines! {
    async fn a_database_that_is_locked_is_read_and_written_when_it_is_free_again(engine) {
        let mut url = String::new();
        let place = engine
            .gated(|settings, crew| {
                crew.lease = Duration::from_secs(1);
                url.clone_from(&settings.database_url);
            })
            .await;
        try_it(place, &url).await;
    }
}
