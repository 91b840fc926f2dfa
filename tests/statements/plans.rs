//! How the database finds what a statement asks for: through an index, however many rows the tables have.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{alone, taken, world};
use crate::world::{User, id};

/// Indexes that hold only what is at work just now. Reading one from end to end costs what is at work, not what there ever was.
const AT_WORK: [&str; 4] = ["run_left", "run_queue", "run_running", "session_by_expiry"];
/// Indexes without which something costs more: the story looks at each by taking it away.
const NEEDED: [&str; 14] = [
    "artifact_by_project",
    "artifact_by_run",
    "project_by_creation",
    "project_by_name",
    "project_by_update",
    "project_deleting",
    "run_by_session",
    "run_left",
    "run_list",
    "run_queue",
    "run_reruns",
    "run_running",
    "session_by_project",
    "session_by_user",
];
/// Some of the statements that are to be heard, so that the story is not told of nothing.
const HEARD: [&str; 13] = [
    "from project where",
    "from project_label where",
    "from run where not user_id",
    "octet_length(prompt)",
    "from artifact join",
    "from file join",
    "from session where",
    "from run_event where",
    "max(sequence) from run_event where",
    "from run as queued",
    "and queued.user_id =",
    "from token where (revoked_at",
    "lease_holder is null as free from run",
];

/// Every statement that a server asks while its lists are paged and its runs executed is put to SQLite's planner, which says for
/// each table whether it searches or reads from end to end.
#[tokio::test(flavor = "multi_thread")]
async fn no_list_scans_a_table() {
    alone("plans::no_list_scans_a_table", plan_all).await;
}

async fn plan_all() {
    let world = world().await;
    let amy = world.user("amy").await;
    let watching = amy.socket().await;
    use_everything(&amy).await;
    let worker = world.worker_of("amy").await;
    amy.start_outside(&amy.project("Elsewhere").await, "Go.").await;
    worker.claims("elsewhere", 5).await.expect("the run");
    worker.claims("elsewhere", 0).await;
    // Long enough for the server's own looks.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let statements: BTreeSet<String> = taken().into_iter().filter(|statement| looks_for_rows(statement)).collect();
    for heard in HEARD {
        assert!(
            statements.iter().any(|statement| statement.contains(heard)),
            "`{heard}` is not heard: {statements:#?}"
        );
    }
    let options = SqliteConnectOptions::new().filename(world.folder().join("data/workroom.sqlite"));
    let mut connection = SqliteConnection::connect_with(&options).await.expect("the database");
    let dear = costly(&mut connection, &statements).await;
    assert!(dear.is_empty(), "{}", dear.join("\n"));
    for index in NEEDED {
        let mut without = connection.begin().await.expect("a transaction");
        sqlx::query(AssertSqlSafe(format!("drop index {index}"))).execute(&mut *without).await.expect("the index goes");
        assert!(!costly(&mut without, &statements).await.is_empty(), "nothing is dearer without {index}");
        without.rollback().await.expect("the index comes back");
    }
    drop(watching);
    world.stop().await;
}

/// The steps of these statements that cost too much, each with why.
async fn costly(connection: &mut SqliteConnection, statements: &BTreeSet<String>) -> Vec<String> {
    let mut costly = Vec::new();
    for statement in statements {
        let steps = plan(connection, statement).await;
        let dear = steps.iter().filter_map(|step| Some((step, cost(step, statement)?)));
        costly.extend(dear.map(|(step, why)| format!("{why}: {step}\n    in {statement}")));
    }
    costly
}

/// Whether a statement of ours looks for rows. What only adds some does not.
fn looks_for_rows(statement: &str) -> bool {
    ["select", "update", "delete"].iter().any(|verb| statement.starts_with(verb))
        && !statement.contains("sqlite_master")
}

/// What the planner means to do, a step for each table. Without values: a plan must not depend on luck with them.
async fn plan(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let explained = sqlx::query(AssertSqlSafe(format!("explain query plan {statement}")));
    let steps = explained.fetch_all(connection).await.unwrap_or_else(|error| panic!("{error}: {statement}"));
    steps.iter().map(|step| step.get::<String, _>("detail")).collect()
}

/// Why a step costs more the more rows there are that were not asked for; `None` when it does not.
fn cost(step: &str, statement: &str) -> Option<&'static str> {
    let (kind, what) = step.split_once(' ')?;
    let (source, how) = what.split_once(' ').unwrap_or((what, ""));
    // What a part of the same statement found is no table.
    let found = source == "CONSTANT" || source.starts_with('(') || statement.contains(&format!(") as {source}"));
    let at_work = AT_WORK.iter().any(|index| how.ends_with(&format!("INDEX {index}")));
    // Projects and sessions are listed by their user, and projects are searched for text among all of a user's.
    let listed_by_user = source == "project" || (source == "session" && !statement.contains("project_id = "));
    match kind {
        // What was left to do at the last start is taken from its beginning, and is nearly always nothing.
        "SCAN" if source == "unrecorded_run" => None,
        "SCAN" if !found && !at_work => Some("reads everybody's"),
        "SEARCH" if how.ends_with("(user_id=?)") && !listed_by_user => Some("reads all of a user's"),
        // The page of events is cut by its size in bytes when it is read, and sorted then.
        "USE"
            if what == "TEMP B-TREE FOR ORDER BY"
                && statement.contains(" limit ")
                && !statement.contains("measured") =>
        {
            Some("sorts a list to show a page of it")
        }
        _ => None,
    }
}

/// Makes one of each and pages all that can be paged, in every order and with every filter.
async fn use_everything(amy: &User) {
    let project = amy.project("One").await;
    let file = id(&amy.upload_one(&project, "terms.md", b"# Terms").await);
    let session = id(&amy.open_project(&project, None).await["session"]);
    let run = amy.finished_run(&project, "Go.").await;
    let again = id(&amy.rerun(&run, json!({})).await["run"]);
    let artifact = id(&amy.ended(&again).await["artifacts"]["nodes"][0]);
    amy.cancel(&again).await;
    amy.follow(&run, None).await.until_the_end().await;
    // Of a few ids the planner thinks otherwise than of one.
    let mut few = vec![run.clone(), again.clone()];
    for prompt in ["Again.", "And again.", "And again and again."] {
        few.push(amy.finished_run(&project, prompt).await);
    }
    for filter in ["", "(filterBy: { status: [FAILED], model: \"m\" })"] {
        let query = format!("{{ project(id: \"{project}\") {{ history{filter} {{ exportUrl(format: CSV) }} }} }}");
        let data = amy.ask(&query, json!({})).await;
        let url = data["project"]["history"]["exportUrl"].as_str().expect("an address");
        amy.http.get(url).send().await.expect("an answer").text().await.expect("a file");
    }
    let names = "nodes(ids: $ids) { id ... on Run { inputs { path } models { model } rerunOf { id } session { user { name } } } }";
    let ids = json!({ "ids": [project, file, session, run, artifact, amy.token.user_id] });
    for ids in [ids, json!({ "ids": few })] {
        amy.ask(&format!("query($ids: [ID!]!) {{ {names} }}"), ids).await;
    }
    let in_project =
        format!("{{ project(id: \"{project}\") {{ file(area: DRIVE, path: \"terms.md\") {{ text }} LIST }} }}");
    let of_run = format!("{{ run(id: \"{run}\") {{ id integrity {{ status }} LIST }} }}");
    let of_session = format!("{{ node(id: \"{session}\") {{ ... on WorkspaceSession {{ id LIST }} }} }}");
    let orders = ["CREATED_AT", "NAME", "UPDATED_AT"]
        .map(|field| ["ASC", "DESC"].map(|direction| format!("orderBy: {{ field: {field}, direction: {direction} }}")));
    let mut lists: Vec<(&str, String, bool)> = Vec::new();
    for order in orders.as_flattened() {
        for filter in ["", "filterBy: { text: \"one\" }", "filterBy: { labels: [\"a\", \"b\"] }"] {
            lists.push(("{ LIST }", format!("projects({order} {filter} PAGE)"), true));
        }
    }
    for order in &orders[0] {
        for filter in ["", "filterBy: { status: [QUEUED] }", "filterBy: { status: [RUNNING, QUEUED, FAILED] }"] {
            lists.push((&in_project, format!("runs({order} {filter} PAGE)"), true));
        }
    }
    for list in ["sessions(PAGE)", "artifacts(PAGE)", "files(area: DRIVE PAGE)"] {
        lists.push((&in_project, list.into(), true));
    }
    for list in ["events(PAGE)", "events(types: [RUN_COMPLETED] PAGE)"] {
        lists.push((&of_run, list.into(), true));
    }
    let of_viewer = "{ viewer { id LIST } }".to_owned();
    for (of, list) in [
        (&of_run, "artifacts(PAGE)"),
        (&of_run, "reruns(PAGE)"),
        (&of_session, "runs(PAGE)"),
        (&of_viewer, "sessions(activeOnly: false PAGE)"),
    ] {
        lists.push((of, list.into(), false));
    }
    for (of, list, backwards) in &lists {
        walk(amy, of, list, *backwards).await;
    }
}

/// Asks for a list's first page and the one after it, and where that is offered for the last page and the one before it.
async fn walk(amy: &User, of: &str, list: &str, backwards: bool) {
    let mut pages = vec![("first: 1", "after", "endCursor")];
    if backwards {
        pages.push(("last: 1", "before", "startCursor"));
    }
    for (page, beyond, end) in pages {
        let mut cursor = Value::Null;
        for _ in 0..2 {
            let page = format!(", {page}, {beyond}: {cursor}");
            let list = list.replace("PAGE", &page);
            let list = format!("list: {list} {{ totalCount pageInfo {{ {end} }} nodes {{ __typename }} }}");
            let mut data = amy.ask(&of.replace("LIST", &list), json!({})).await;
            if data.get("list").is_none() {
                data = data.as_object_mut().and_then(|data| data.values_mut().next()).expect("an owner").take();
            }
            cursor = data["list"]["pageInfo"][end].take();
        }
    }
}
