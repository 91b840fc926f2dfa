//! Some of the processes die, and the rest goes on.

use std::time::Duration;

use futures_util::future::join;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::site::Site;
use crate::{
    worker::{
        assert_nothing_repeated,
        process::{Process, documents},
    },
    world::{
        User,
        live::{Events, events_of},
        runs::of_kind,
    },
};

/// More than a lease of the program's, and what a run takes.
const TAKEN_OVER: Duration = Duration::from_mins(1);

/// A long run that was started at one server, is followed at the other, and has got as far as its first tool.
struct Flight {
    servers: [Process; 2],
    worker: Process,
    amy: User,
    run: String,
    follower: Events,
    seen: Vec<(u64, String)>,
}

async fn take_off(site: &Site) -> Flight {
    let (here, there) = join(site.server("here"), site.server("there")).await;
    let worker = site.worker("worker", 8);
    let amy = site.user("amy", &here).await;
    let project = amy.project("Long").await;
    let documents = documents();
    let files: Vec<(&str, &[u8])> = documents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    amy.upload(&project, &files).await;
    let run = amy.start_run(&project, "What interest do late sums bear?").await;
    let amy = amy.at_base(&there.base);
    let mut follower = amy.follow(&run, None).await;
    let mut seen = Vec::new();
    while !seen.iter().any(|(_, kind)| kind == "TOOL_RETURNED") {
        seen.extend(events_of(&follower.next().await.expect("the run has not ended yet")));
    }
    Flight { servers: [here, there], worker, amy, run, follower, seen }
}

/// Follows to the end; what was seen is the whole timeline, with nothing done twice.
async fn land(amy: &User, run: &str, mut follower: Events, mut seen: Vec<(u64, String)>) -> Vec<Value> {
    // Not `next`, which waits for no lease to run out.
    let rest = async {
        loop {
            match timeout(TAKEN_OVER, follower.patiently()).await.expect("the run goes on") {
                Some(answer) => seen.extend(events_of(&answer)),
                None => return seen,
            }
        }
    };
    let seen = rest.await;
    let events = amy.whole_timeline(run).await;
    assert_nothing_repeated(&events);
    let sequences: Vec<u64> = seen.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>(), "who followed missed nothing");
    assert_eq!(seen.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_server_and_a_worker_are_killed_the_others_go_on() {
    let Some(site) = Site::new().await else { return };
    let Flight { servers: [here, there], worker, amy, run, follower, seen } = take_off(&site).await;
    worker.kill().await;
    here.kill().await;
    let other = site.worker("other", 8);
    let events = land(&amy, &run, follower, seen).await;
    let resumed = of_kind(&events, "RUN_RESUMED");
    assert_eq!(resumed.len(), 1);
    assert!(resumed[0]["reason"].as_str().expect("a reason").contains("without handing"), "{resumed:#?}");
    let project = amy.project("Afterwards").await;
    let next = amy.finished_run(&project, "And now?").await;
    assert_eq!(amy.status(&next).await, "COMPLETED");
    site.close([there, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_hands_its_runs_to_another() {
    let Some(site) = Site::new().await else { return };
    let Flight { servers: [here, there], worker, amy, run, follower, seen } = take_off(&site).await;
    let status = worker.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let other = site.worker("other", 8);
    let events = land(&amy, &run, follower, seen).await;
    let resumed = of_kind(&events, "RUN_RESUMED");
    assert_eq!(resumed.len(), 1, "it was in flight");
    assert!(resumed[0]["reason"].as_str().expect("a reason").contains("handed"), "{resumed:#?}");
    site.close([here, there, other]).await;
}

/// Everything about a run that can be changed.
async fn shown(amy: &User, run: &str) -> Value {
    let query =
        "query($run: ID!) { run(id: $run) { status answer completedAt lastSequence usage { inputTokens outputTokens }
        artifacts { nodes { id name sha256 } } project { files(area: WORKSPACE) { nodes { path } } }
        events(first: 500) { nodes { sequence type at } } integrity { status findings { message } } } }";
    amy.ask(query, json!({ "run": run })).await["run"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_slept_past_its_lease_wakes_up_to_nothing() {
    let Some(site) = Site::new().await else { return };
    let Flight { servers: [here, there], worker, amy, run, follower, seen } = take_off(&site).await;
    worker.signal("STOP").await;
    let other = site.worker("other", 8);
    let events = land(&amy, &run, follower, seen).await;
    let sleeper = of_kind(&events, "RUN_STARTED")[0]["worker"].clone();
    let [resumed] = of_kind(&events, "RUN_RESUMED")[..] else { panic!("it is taken up once: {events:#?}") };
    assert_ne!(resumed["worker"], sleeper);
    let before = shown(&amy, &run).await;
    assert_eq!(before["artifacts"]["nodes"].as_array().map(Vec::len), Some(1));
    assert_eq!(before["integrity"], json!({ "status": "SEALED", "findings": [] }));

    other.kill().await;
    worker.signal("CONT").await;
    // What it does next shows that it is awake and has given up the run, whose place in its hands was in the way.
    let next = amy.project("Next").await;
    let next = amy.finished_run(&next, "And now?").await;
    assert_eq!(of_kind(&amy.whole_timeline(&next).await, "RUN_STARTED")[0]["worker"], sleeper);
    assert_eq!(shown(&amy, &run).await, before);
    site.close([here, there, worker]).await;
}
