//! The machine's clock is set back an hour while the server runs, and later on again.

use std::{collections::BTreeSet, time::Duration};

use chrono::DateTime;
use serde_json::{Value, json};
use tempfile::TempDir;
use workroom::{
    app::access::{NewToken, create_token},
    cli::house::open_store,
};

use super::{ground::Log, integrity};
use crate::{
    files::bytes::whole,
    support::preload::Dial,
    worker::{
        assert_nothing_repeated,
        process::{Process, documents, user},
    },
    world::{
        User,
        runs::{of_kind, started},
        settings_in,
    },
};

const HOUR: i64 = 3600;
const PROJECTS: &str = "query($first: Int, $after: String) { projects(first: $first, after: $after) { totalCount
    pageInfo { hasNextPage endCursor } nodes { id } } }";
const TIMES: &str = "query($id: ID!) { run(id: $id) { createdAt startedAt completedAt durationMs } }";

/// A server whose clock can be set.
struct Place {
    folder: TempDir,
    log: Log,
    clock: Dial,
    process: Process,
    amy: User,
    project: String,
}

impl Place {
    async fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a data folder");
        let (log, clock) = (Log::in_folder(folder.path()), Dial::clock().await);
        let mut command = log.serve();
        clock.tie(command.args(flags));
        let process = Process::launch(command, &data).await;
        let amy = user(&data, &process.base).await;
        let project = amy.project("Clocks").await;
        let documents = documents();
        let files: Vec<(&str, &[u8])> = documents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        amy.upload(&project, &files).await;
        Self { folder, log, clock, process, amy, project }
    }

    /// A run during which the clock is set.
    async fn run_across(&self, seconds: i64) {
        let amy = &self.amy;
        let run = started(&amy.start(&self.project, json!({ "prompt": "What interest do late sums bear?" })).await);
        amy.until(&run, "RUNNING").await;
        self.clock.set(seconds);
        assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
        let events = amy.whole_timeline(&run).await;
        assert_nothing_repeated(&events);
        assert_eq!(of_kind(&events, "RUN_RESUMED").len(), 0, "nobody took the lease: {events:#?}");
        let times = amy.ask(TIMES, json!({ "id": run })).await["run"].take();
        assert!(time(&times["startedAt"]) <= time(&times["completedAt"]), "{times:#}");
        assert!(times["durationMs"].as_i64().expect("a duration") >= 0, "{times:#}");
    }

    async fn stop(self) {
        assert_eq!(self.process.terminate().await.code(), Some(0));
        self.log.assert_clean();
        let data = self.folder.path().join("data");
        whole(&data).await;
        integrity(&data).await;
    }
}

fn time(value: &Value) -> DateTime<chrono::FixedOffset> {
    DateTime::parse_from_rfc3339(value.as_str().expect("a time")).expect("a time")
}

/// The ids of a page of projects, and the cursor at its end.
async fn page(user: &User, first: u64, after: &Value) -> (Vec<String>, Value) {
    let data = user.ask(PROJECTS, json!({ "first": first, "after": after })).await;
    let nodes = data["projects"]["nodes"].as_array().expect("projects");
    let ids = nodes.iter().filter_map(|project| project["id"].as_str().map(str::to_owned)).collect();
    (ids, data["projects"]["pageInfo"]["endCursor"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_lists_and_addresses_live_through_a_clock_that_is_set() {
    let place = Place::new(&[]).await;
    let amy = &place.amy;
    let mut made: BTreeSet<String> = BTreeSet::from([place.project.clone()]);
    for _ in 0..5 {
        made.insert(amy.project("Before").await);
    }
    let files = "query($id: ID!) { project(id: $id) { files(area: DRIVE, first: 1) { nodes { ... on File { downloadUrl } } } } }";
    let file = amy.ask(files, json!({ "id": place.project })).await;
    let address = file["project"]["files"]["nodes"][0]["downloadUrl"].as_str().expect("an address").to_owned();
    let session = amy.open_project(&place.project, Some(1800)).await;
    assert_eq!(session["userErrors"], json!([]), "{session:#}");
    let (first, cursor) = page(amy, 3, &Value::Null).await;

    place.run_across(-HOUR).await;
    // Whoever was in the middle of a list comes to its end, and sees none twice and misses none that was there.
    let (rest, _) = page(amy, 50, &cursor).await;
    let seen: BTreeSet<String> = first.iter().chain(&rest).cloned().collect();
    assert_eq!((seen.len(), &seen), (first.len() + rest.len(), &made));
    for _ in 0..5 {
        made.insert(amy.project("Within").await);
    }
    assert_eq!(amy.http.get(&address).send().await.expect("an answer").status(), 200, "made before the step");
    let here = "query($id: ID!) { project(id: $id) { session { id status } } }";
    let kept = amy.ask(here, json!({ "id": place.project })).await;
    assert_eq!(kept["project"]["session"]["id"], session["session"]["id"]);

    place.run_across(0).await;
    made.insert(amy.project("After").await);
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let (ids, end) = page(amy, 2, &cursor).await;
        if ids.is_empty() {
            break;
        }
        seen.extend(ids);
        cursor = end;
    }
    assert_eq!((seen.len(), seen.into_iter().collect::<BTreeSet<_>>()), (made.len(), made));
    place.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_in_half_an_hour_ends_when_the_clock_is_an_hour_ahead() {
    // Bytes that nothing names are swept after half an hour too: not those that somebody names.
    let place = Place::new(&["--keep-unreferenced", "30m"]).await;
    let amy = &place.amy;
    let store = open_store(&settings_in(&place.folder.path().join("data"))).await.expect("the database opens");
    let new = NewToken { expires_in: Some(Duration::from_mins(30)), ..NewToken::of("bob") };
    let (token, secret) = create_token(&store, new).await.expect("a token");
    store.close().await;
    let bob = User::with_token(amy.base().to_owned(), token, secret);
    let brief = amy.project("Brief").await;
    let session = amy.open_project(&brief, Some(1800)).await["session"]["id"].take();
    let name = "{ viewer { name } }";
    assert_eq!(bob.ask(name, json!({})).await["viewer"]["name"], "bob");

    place.run_across(HOUR).await;
    assert_eq!(super::code(&bob.answer(name, json!({})).await), "UNAUTHENTICATED");
    let ended = amy.ask(
        "query($id: ID!) { node(id: $id) { ... on WorkspaceSession { status endReason } } }",
        json!({ "id": session }),
    );
    assert_eq!(ended.await["node"], json!({ "status": "ENDED", "endReason": "TTL_EXPIRED" }));
    amy.upload_one(&brief, "ahead.md", b"# Ahead\n").await;
    let run = amy.finished_run(&brief, "What is ahead?").await;
    assert_eq!(amy.status(&run).await, "COMPLETED");

    // Back again: what has ended stays so, and what was made in the hour ahead can be read.
    place.run_across(0).await;
    let text =
        "query($id: ID!) { project(id: $id) { files(area: DRIVE, first: 5) { nodes { ... on File { text } } } } }";
    let read = amy.ask(text, json!({ "id": brief })).await;
    assert_eq!(read["project"]["files"]["nodes"], json!([{ "text": "# Ahead\n" }]));
    amy.upload_one(&brief, "behind.md", b"# Behind\n").await;
    place.stop().await;
}
