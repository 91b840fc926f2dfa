//! What a page costs the database: the same number of statements for 5 rows as for 50, because what many rows ask for is read
//! at once, and each through an index. And what a crowd of followers costs: as much as one of them, if they asked the same.
//!
//! The SQL driver tells each statement to the log. That log belongs to the whole process, so each story is told in a process of
//! its own, in which nothing else runs: the test starts itself again.

mod plans;

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
};
use workroom::{
    app::App,
    graphql::audience::Terms,
    http::server::{Policy, Server, bind},
    store::Store,
};

use crate::world::{
    PATIENCE, User, World,
    crew::{Gate, Scripted, Wait, calls, says},
    live::events_of,
    runs::started,
};

/// Followers of one run.
const FOLLOWERS: usize = 12;
/// Set in the process that hears the statements.
const ALONE: &str = "WORKROOM_TEST_HEARS_STATEMENTS";
/// The most statements that a page may cost, authentication included.
const MOST: usize = 8;

/// A page of runs with what a history shows of each.
const RUNS: &str = "query($project: ID!, $first: Int!) { project(id: $project) { name runs(first: $first) {
    nodes { id prompt status usage { totalTokens } artifacts(first: 5) { nodes { id name size mediaType } }
        project { id name } session { id status } } } } }";
/// A page of projects, each with its newest runs.
const PROJECTS: &str = "query($first: Int!) { projects(first: $first, orderBy: { field: NAME, direction: ASC }) {
    nodes { id name owner { name } runs(first: 3) { totalCount nodes { id status prompt } } } } }";
/// A page of projects, each with its active session and the last ones.
const SESSIONS: &str = "query($first: Int!) { projects(first: $first, orderBy: { field: NAME, direction: ASC }) {
    totalCount nodes { id name session { id status user { name } } sessions(first: 2) { totalCount nodes { id status } }
        storage { area fileCount } } } }";
/// What runs were given and what they consumed.
const INPUTS: &str = "query($project: ID!, $first: Int!) { project(id: $project) { runs(first: $first) {
    nodes { inputs { path sha256 } models { model usage { totalTokens } } rerunOf { id } reruns(first: 2) { nodes { id } }
        session { user { name } } } } } }";

static STATEMENTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Keeps the text of every statement.
struct Statements;

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                // A short statement is its own summary, and then there is nothing else.
                if matches!(field.name(), "summary" | "db.statement") && !value.is_empty() {
                    value.trim().clone_into(&mut self.0);
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner).push(text.0);
    }
}

fn taken() -> Vec<String> {
    std::mem::take(&mut *STATEMENTS.lock().unwrap_or_else(PoisonError::into_inner))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_fifty_costs_as_many_statements_as_a_page_of_five() {
    alone("a_page_of_fifty_costs_as_many_statements_as_a_page_of_five", count).await;
}

/// Tells a story of this room in a process of its own, which hears its statements.
async fn alone(name: &str, story: impl AsyncFnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        let statements = Statements.with_filter(Targets::new().with_target("sqlx::query", LevelFilter::TRACE));
        tracing::subscriber::set_global_default(Registry::default().with(statements)).expect("nobody else listens");
        return story().await;
    }
    let this = std::env::current_exe().expect("this program");
    let child = Command::new(this)
        .args(["--exact", &format!("statements::{name}"), "--nocapture"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_mins(1), child).await.expect("it ends in time").expect("it starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn count() {
    let world = world().await;
    let amy = world.user("amy").await;
    let project = furnish(&amy).await;
    // Without the server and its worker, so that nothing else asks the database.
    let app = world.house().app().clone();
    let database = format!("sqlite:{}", world.folder().join("data/workroom.sqlite").display());
    let _folder = world.leave().await;
    let store = Store::open(&database.parse().expect("a location")).await.expect("the database opens again");
    let app = App { store, ..app };
    let listener = bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let address = format!("http://{}/graphql", listener.local_addr().expect("an address"));
    let server = Server::start(app.clone(), Policy::default(), listener).expect("the server starts");
    for (what, query) in [("runs", RUNS), ("projects", PROJECTS), ("sessions", SESSIONS), ("inputs", INPUTS)] {
        let few = ask(&amy, &address, query, json!({ "project": project, "first": 5 })).await;
        let many = ask(&amy, &address, query, json!({ "project": project, "first": 50 })).await;
        assert_eq!(few.len(), many.len(), "{what}: {few:#?}\n{many:#?}");
        assert!(few.len() > 2 && few.len() <= MOST, "{what}: {few:#?}");
        println!("a page of {what} costs {} statements", few.len());
    }
    server.stop().await;
    app.store.close().await;
}

/// A world whose runs each save an artifact.
async fn world() -> World {
    World::with(|_, crew| {
        crew.models = vec![Scripted::new("scripted", |turn, _| match turn {
            0 => calls(0, &[("save_output", json!({ "name": "brief.md", "text": "What came of it." }))]),
            _ => says("Done."),
        })];
    })
    .await
}

/// Fifty runs in one project, each with an artifact, and fifty more projects, each with a run. Answers with the first project.
async fn furnish(amy: &User) -> String {
    let project = amy.project("000").await;
    let names: Vec<String> = (0..50).map(|number| format!("p{number:02}")).collect();
    let projects = names.iter().map(|name| async {
        let other = amy.project(name).await;
        amy.start_run(&other, name).await;
    });
    stream::iter(projects).buffer_unordered(10).collect::<Vec<()>>().await;
    let runs = (0..50).map(|number| {
        let project = &project;
        async move { amy.start_run(project, &format!("Run {number}")).await }
    });
    let runs: Vec<String> = stream::iter(runs).buffer_unordered(10).collect().await;
    for run in &runs {
        let ended = amy.ended(run).await;
        assert_eq!(ended["artifacts"]["nodes"].as_array().map(Vec::len), Some(1), "{ended:#}");
    }
    project
}

/// The statements that an operation costs, from the token to the answer.
async fn ask(amy: &User, address: &str, query: &str, variables: Value) -> Vec<String> {
    let first = usize::try_from(variables["first"].as_u64().expect("a size")).expect("a size");
    taken();
    let request = amy.http.post(address).bearer_auth(amy.secret()).timeout(PATIENCE);
    let request = request.json(&json!({ "query": query, "variables": variables }));
    let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert!(answer.get("errors").is_none(), "{answer:#}");
    let nodes = answer.pointer("/data/project/runs/nodes").or_else(|| answer.pointer("/data/projects/nodes"));
    assert_eq!(nodes.and_then(Value::as_array).map(Vec::len), Some(first), "{answer:#}");
    // The driver's thread tells its statements when it has read the rows; the answer can be a little before.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let mut statements = taken();
    // Opening a connection to the database is no part of a page, and neither is the look at the tokens of all open ones.
    statements.retain(|statement| !["PRAGMA", "select id from token"].iter().any(|other| statement.contains(other)));
    statements
}

/// What each batch asks the database for, because the run is asked for as it is now.
const WATCHED: &str =
    "subscription($run: ID!) { runEvents(runId: $run) { endCursor run { status } events { sequence type } } }";

#[tokio::test(flavor = "multi_thread")]
async fn followers_who_asked_the_same_cost_as_much_as_one() {
    alone("followers_who_asked_the_same_cost_as_much_as_one", follow_together).await;
}

async fn follow_together() {
    let gate = Gate::closed();
    let world = World::with(|_, crew| {
        crew.models = vec![Scripted::new("test/steps", |turn, _| match turn {
            0 => calls(0, &[("gate", json!({}))]),
            1..=20 => calls(turn, &[("wait", json!({ "ms": 1 }))]),
            _ => says("done"),
        })];
        crew.tools = vec![gate.clone(), Arc::new(Wait::default())];
    })
    .await;
    // A server beside the world's own, at which nobody gives up waiting for another: how busy this machine is plays no part.
    let patient = Terms { fresh: Duration::from_mins(1), patience: Duration::from_mins(1) };
    let listener = bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let policy = Policy { sharing: patient, ..Policy::default() };
    let server = Server::start(world.house().app().clone(), policy, listener).expect("the server starts");
    let amy = world.user("amy").await.at_base(&base);
    let project = amy.project("Crowd").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    let there = amy.whole_timeline(&run).await.len();
    let mut followers = Vec::new();
    for _ in 0..FOLLOWERS {
        let mut follower = amy.events(WATCHED, json!({ "run": run })).await;
        let mut seen = 0;
        while seen < there {
            seen += events_of(&follower.next().await.expect("a batch")).len();
        }
        followers.push(follower);
    }
    taken();
    gate.open();
    let batches = join_all(followers.into_iter().map(async |mut follower| {
        let mut batches = Vec::new();
        while let Some(batch) = follower.next().await {
            assert!(batch.get("errors").is_none(), "{batch:#}");
            batches.push(batch);
        }
        batches
    }))
    .await;
    let looks = taken().iter().filter(|statement| statement.contains("from run where not user_id <> ?")).count();
    println!("{} batches to each of {FOLLOWERS} cost {looks} looks at the run", batches[0].len());
    for others in &batches {
        let end = others.last().map(|batch| &batch["data"]["runEvents"]);
        assert_eq!(end.map(|end| &end["run"]["status"]), Some(&json!("COMPLETED")));
    }
    // Who falls behind is given more at once, and looks for itself.
    let most = batches.iter().map(Vec::len).max().unwrap_or(0) * 2;
    assert!(looks > 0 && looks <= most, "{looks} looks for at most {most}");
    server.stop().await;
    world.stop().await;
}
