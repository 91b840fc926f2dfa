//! Sessions whose time is up.

use std::time::{Duration, Instant};

use serde_json::json;
use workroom::worker::Crew;

use crate::world::{
    World,
    crew::{Gate, through_the_gate},
    engine::on_engines,
    id,
    runs::{assert_whole, of_kind, started},
    settings_in,
};

const SESSION: &str = "query($id: ID!) { node(id: $id) { ... on WorkspaceSession {
    status endedAt endReason expiresAt } } }";

on_engines! {
    async fn an_expired_session_reads_as_ended_at_once_and_gives_way(engine) {
        let world = engine.world(|_, crew| crew.models = vec![crate::world::crew::echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Short").await;
        let opened = amy.open_project(&project, Some(1)).await;
        let first = id(&opened["session"]);
        tokio::time::sleep(Duration::from_millis(1_050)).await;
        let data = amy.ask(SESSION, json!({ "id": first })).await;
        let seen = &data["node"];
        assert_eq!((&seen["status"], &seen["endReason"]), (&json!("ENDED"), &json!("TTL_EXPIRED")));
        assert_eq!(seen["endedAt"], opened["session"]["expiresAt"]);
        let query = "query($id: ID!) { project(id: $id) { session { id } sessions { nodes { id status endReason } } } }";
        let data = amy.ask(query, json!({ "id": project })).await;
        assert_eq!(data["project"]["session"], json!(null));
        assert_eq!(data["project"]["sessions"]["nodes"][0]["endReason"], "TTL_EXPIRED");
        let next = amy.open_project(&project, None).await;
        assert_eq!(next["provisioned"], true);
        assert_ne!(id(&next["session"]), first);
        world.stop().await;
    }

    async fn the_runs_of_an_expired_session_are_cancelled_although_nobody_asks(engine) {
        // The reaper comes at least once in a lease.
        let (world, gate) = engine.gated(|_, crew| crew.lease = Duration::from_millis(500)).await;
        let amy = world.user("amy").await;
        let project = amy.project("Expiring").await;
        let session = id(&amy.open_project(&project, Some(4)).await["session"]);
        let running = started(&amy.start(&project, json!({})).await);
        let queued = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        for run in [&running, &queued] {
            assert_eq!(amy.ended(run).await["status"], "CANCELLED");
            let events = amy.whole_timeline(run).await;
            assert_whole(&events);
            assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "SESSION_EXPIRED");
        }
        assert_eq!(amy.ask(SESSION, json!({ "id": session })).await["node"]["endReason"], "TTL_EXPIRED");
        assert_eq!(gate.begun(), 1, "the queued run was never begun");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_comes_after_the_end_gets_a_new_session_and_the_old_ones_runs_stop() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let amy = world.user("amy").await;
    let project = amy.project("After").await;
    let session = id(&amy.open_project(&project, Some(2)).await["session"]);
    let old = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    let new = amy.start(&project, json!({})).await;
    assert_ne!(id(&new["run"]["session"]), session);
    gate.open();
    let ended = amy.ended(&old).await;
    // The gate was opened in the same moment: the old run may have been quicker than its cancellation, but it was asked for.
    assert!(!ended["cancelRequestedAt"].is_null(), "{ended:#}");
    assert_eq!(amy.ended(&started(&new)).await["status"], "COMPLETED");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ended_while_no_server_was_there_is_swept_up_at_the_start() {
    let gate = Gate::closed();
    let crew = Crew { models: vec![through_the_gate()], tools: vec![gate.clone()], ..Crew::default() };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings_in(folder.path());
    let none = tempfile::tempdir().expect("a temporary folder");
    let world = World::of(settings.clone(), crew.clone(), none).await;
    let amy = world.user("amy").await;
    let project = amy.project("Meanwhile").await;
    amy.open_project(&project, Some(2)).await;
    let running = started(&amy.start(&project, json!({})).await);
    let queued = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    world.stop().await;
    tokio::time::sleep(Duration::from_millis(2_050)).await;
    let world = World::of(settings, crew, folder).await;
    let amy = amy.at(&world);
    let since = Instant::now();
    for run in [&running, &queued] {
        assert_eq!(amy.ended(run).await["status"], "CANCELLED");
        assert_whole(&amy.whole_timeline(run).await);
    }
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    world.stop().await;
}
