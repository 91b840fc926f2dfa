//! `PostgreSQL` goes away and comes back while a server runs on it.

use std::time::{Duration, Instant};

use serde_json::json;

use super::assert_nothing_repeated;
use crate::{
    support::postgres::{Cluster, skipped},
    world::{World, live::events_of, runs::started},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_lives_through_a_restart_of_its_database() {
    if skipped() {
        return;
    }
    let mut cluster = Cluster::new();
    let (world, gate) = World::gated(|settings, crew| {
        settings.database_url = cluster.url("postgres");
        crew.lease = Duration::from_secs(1);
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Outage").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    let mut follower = amy.follow(&run, None).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(_, kind): &(u64, String)| kind != "TOOL_CALLED") {
        seen.extend(events_of(&follower.next().await.expect("the past")));
    }
    cluster.stop();

    let asked = Instant::now();
    let input = json!({ "input": { "projectId": project, "prompt": "Now." } });
    let read = amy.answer("query($id: ID!) { project(id: $id) { name } }", json!({ "id": project }));
    let write = amy.answer("mutation($input: StartRunInput!) { startRun(input: $input) { run { id } } }", input);
    let (read, write) = tokio::join!(read, write);
    for answer in [read, write] {
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
    }
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    let ready = reqwest::get(format!("{}/readyz", amy.base())).await.expect("an answer");
    assert_eq!(ready.status(), 503);
    let alive = reqwest::get(format!("{}/healthz", amy.base())).await.expect("an answer");
    assert_eq!(alive.status(), 200);
    // The tool returns now, and its result cannot be kept.
    gate.open();

    cluster.start();
    let query = "query($id: ID!) { project(id: $id) { name } }";
    let back = Instant::now();
    while amy.answer(query, json!({ "id": project })).await["data"]["project"]["name"] != "Outage" {
        assert!(back.elapsed() < Duration::from_secs(10), "the server finds its database again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    seen.extend(follower.until_the_end().await);
    assert_eq!(seen.len(), events.len(), "who followed at the tail missed nothing");
    let next = amy.finished_run(&project, "And again.").await;
    assert_eq!(amy.status(&next).await, "COMPLETED");
    world.stop().await;
}
