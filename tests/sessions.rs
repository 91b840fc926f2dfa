//! Workspace sessions: one at a time, an end that is absolute, and what ends with them.

mod admin;
mod crowd;
mod end;
mod expiry;
mod logout;
mod rest;

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::world::{World, crew::echo, engine::on_engines, id, runs::started};

on_engines! {
    async fn fifty_opens_at_once_provision_one_session(engine) {
        let world = engine.world(|_, crew| crew.models = vec![echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Crowd").await;
        let opens = join_all((0..50).map(|_| amy.open_project(&project, None))).await;
        let sessions: HashSet<String> = opens.iter().map(|payload| id(&payload["session"])).collect();
        assert_eq!(sessions.len(), 1);
        assert_eq!(opens.iter().filter(|payload| payload["provisioned"] == true).count(), 1);
        let ends: HashSet<String> = opens.iter().map(|payload| payload["session"]["expiresAt"].to_string()).collect();
        assert_eq!(ends.len(), 1, "coming back does not move the end");
        let run = amy.start(&project, json!({})).await;
        assert!(sessions.contains(run["run"]["session"]["id"].as_str().expect("an id")), "{run:#}");
        amy.ended(&started(&run)).await;
        let query = "query($id: ID!) { project(id: $id) { session { id } sessions { totalCount } } }";
        let data = amy.ask(query, json!({ "id": project })).await;
        assert_eq!(data["project"]["sessions"]["totalCount"], 1);
        world.stop().await;
    }

    async fn starting_runs_at_once_attaches_one_session(engine) {
        let world = engine.world(|_, crew| crew.models = vec![echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Runs").await;
        let payloads = join_all((0..12).map(|_| amy.start(&project, json!({})))).await;
        let sessions: HashSet<String> = payloads.iter().map(|payload| id(&payload["run"]["session"])).collect();
        assert_eq!(sessions.len(), 1);
        assert_eq!(amy.open_project(&project, None).await["provisioned"], false);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_session_is_bounded() {
    let world = World::with(|settings, _| settings.session_ttl_max = std::time::Duration::from_hours(1)).await;
    let amy = world.user("amy").await;
    let project = amy.project("Bounds").await;
    for ttl in [0, 3_601, 9_007_199_254_740_991] {
        let refused = amy.open_project(&project, Some(ttl)).await;
        assert_eq!(refused["session"], json!(null));
        assert_eq!(refused["userErrors"][0]["code"], "INVALID", "{refused:#}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", "ttlSeconds"]));
    }
    let longest = amy.open_project(&project, Some(3_600)).await;
    assert_eq!((&longest["session"]["ttlSeconds"], &longest["provisioned"]), (&json!(3_600), &json!(true)));
    let again = amy.open_project(&project, Some(60)).await;
    assert_eq!(again["session"], longest["session"], "an active session keeps the end that it was given");
    let plain = amy.project("Plain").await;
    let world_default = amy.open_project(&plain, None).await;
    assert_eq!(world_default["session"]["ttlSeconds"], 43_200);
    world.stop().await;
}
