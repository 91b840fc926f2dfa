//! What several processes do together is what one does alone.

use std::{collections::HashSet, sync::Mutex};

use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::site::Site;
use crate::{
    worker::{
        assert_nothing_repeated,
        process::{Process, documents},
    },
    world::{
        PATIENCE, User,
        live::Events,
        promise::{PROMISED, TRIES, quickest},
        runs::{kind, of_kind},
    },
};

const CONTRACT: &[u8] =
    b"# Contract\n\nInvoices are due in thirty days. Late sums bear interest of four percent a year.\n";

/// A user at each of two servers.
async fn at_both(site: &Site, here: &Process, there: &Process) -> (User, User) {
    let amy = site.user("amy", here).await;
    let there = amy.at_base(&there.base);
    (amy, there)
}

async fn loaded(user: &User, address: &Value) -> Vec<u8> {
    let address = address.as_str().expect("an address");
    let answer = user.http.get(address).timeout(PATIENCE).send().await.expect("an answer");
    assert_eq!(answer.status(), 200, "{address}");
    answer.bytes().await.expect("bytes").to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_started_at_one_server_is_executed_by_any_worker_and_followed_at_the_other() {
    let Some(site) = Site::new().await else { return };
    // All at once on an empty database.
    let (here, there) = join(site.server("here"), site.server("there")).await;
    let (amy, amy_there) = at_both(&site, &here, &there).await;
    let projects = join_all((0..12).map(|number| {
        let amy = amy.clone();
        async move {
            let project = amy.project(&format!("Project {number}")).await;
            amy.upload_one(&project, "contract.md", CONTRACT).await;
            project
        }
    }))
    .await;
    let runs = join_all(projects.iter().map(|project| amy.start_run(project, "When are invoices due?"))).await;
    let followers = join_all(runs.iter().map(|run| amy_there.follow(run, None))).await;
    for run in &runs {
        assert_eq!(amy.status(run).await, "QUEUED", "servers without a worker execute nothing");
    }

    let processes = [site.worker("one", 1), site.worker("other", 1)];
    let followed = join_all(followers.into_iter().map(Events::until_the_end)).await;
    let mut workers = HashSet::new();
    for (run, followed) in runs.iter().zip(followed) {
        let events = amy_there.whole_timeline(run).await;
        assert_nothing_repeated(&events);
        let paged: Vec<(u64, String)> = events
            .iter()
            .map(|event| (event["sequence"].as_u64().expect("a sequence"), kind(event).to_owned()))
            .collect();
        assert_eq!(followed, paged);
        assert_eq!(paged.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
        workers.insert(of_kind(&events, "RUN_STARTED")[0]["worker"].to_string());
    }
    // One may have been so much sooner that it had done all of them.
    for _ in 0..20 {
        if workers.len() < 2 {
            let more =
                join_all(projects.iter().map(|project| amy.start_run(project, "What interest do late sums bear?")))
                    .await;
            for run in more {
                amy.ended(&run).await;
                workers.insert(of_kind(&amy.whole_timeline(&run).await, "RUN_STARTED")[0]["worker"].to_string());
            }
        }
    }
    assert_eq!(workers.len(), 2, "both took part: {workers:?}");

    // What was uploaded at one is loaded at the other, and what a worker has made at both.
    let query = "query($run: ID!, $project: ID!) { run(id: $run) { artifacts { nodes { name downloadUrl } } }
        project(id: $project) { files(area: DRIVE) { nodes { ... on File { downloadUrl } } } } }";
    let about = json!({ "run": runs[0], "project": projects[0] });
    let (made, seen) = (amy.ask(query, about.clone()).await, amy_there.ask(query, about).await);
    assert_eq!(loaded(&amy, &seen["project"]["files"]["nodes"][0]["downloadUrl"]).await, CONTRACT);
    let brief = |data: &Value| data["run"]["artifacts"]["nodes"][0]["downloadUrl"].clone();
    let text = loaded(&amy, &brief(&made)).await;
    assert!(!text.is_empty());
    assert_eq!(loaded(&amy, &brief(&seen)).await, text);
    // An address that one server has signed opens at the other.
    let moved = brief(&made).as_str().expect("an address").replace(&here.base, &there.base);
    assert_eq!(loaded(&amy, &moved.into()).await, text);

    site.close(processes.into_iter().chain([here, there])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_from_another_server_within_a_second() {
    let Some(site) = Site::new().await else { return };
    let (here, there) = join(site.server("here"), site.server("there")).await;
    let worker = site.worker("worker", 1);
    let (amy, amy_there) = at_both(&site, &here, &there).await;
    let documents = documents();
    let files: Vec<(&str, &[u8])> = documents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    let mut projects = Vec::new();
    for _ in 0..TRIES {
        let project = amy.project("Long").await;
        amy.upload(&project, &files).await;
        projects.push(project);
    }
    site.until_joined(3).await;
    // Started only now, for a run is over soon where the machine is fast; that it is claimed within the time as well is no harm.
    let runs = Mutex::new(Vec::new());
    let quickest = quickest(&projects, async |project| {
        let run = amy.start_run(project, "What interest do late sums bear?").await;
        amy.until(&run, "RUNNING").await;
        amy_there.cancel(&run).await;
        amy.until(&run, "CANCELLED").await;
        runs.lock().expect("nobody panics with it").push(run);
    });
    assert!(quickest.await <= PROMISED);
    for run in runs.into_inner().expect("nobody panics with it") {
        assert_nothing_repeated(&amy_there.whole_timeline(&run).await);
    }
    site.close([here, there, worker]).await;
}
