//! Runs that are stopped.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;
use workroom::hint::Topic;

use crate::world::{
    PATIENCE, World,
    crew::{Gate, Scripted, calls, echo, says},
    engine::on_engines,
    promise::{PROMISED, TRIES, quickest},
    runs::{assert_whole, kind, of_kind, started, waiting_runs},
};

on_engines! {
    async fn a_queued_run_is_cancelled_at_once(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Queued").await;
        let running = started(&amy.start(&project, json!({})).await);
        let queued = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let cancelled = amy.cancel(&queued).await;
        assert_eq!(cancelled["status"], "CANCELLED");
        assert_eq!(cancelled["lastSequence"], 2);
        assert!(!cancelled["cancelRequestedAt"].is_null() && !cancelled["completedAt"].is_null(), "{cancelled:#}");
        assert_eq!(amy.cancel(&queued).await, cancelled, "the second time it is simply the run");
        let events = amy.whole_timeline(&queued).await;
        assert_whole(&events);
        assert_eq!((events.len(), &events[1]["by"]), (2, &json!("USER")));
        gate.open();
        assert_eq!(amy.ended(&running).await["status"], "COMPLETED", "the other one goes on");
        world.stop().await;
    }

    async fn cancelling_reaches_a_running_tool_and_the_timeline_is_kept(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Running").await;
        let run = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let before = amy.whole_timeline(&run).await;
        let first = amy.cancel(&run).await;
        let second = amy.cancel(&run).await;
        assert!(!first["cancelRequestedAt"].is_null());
        assert_eq!(first["cancelRequestedAt"], second["cancelRequestedAt"], "asking again does not move it");
        let ended = amy.ended(&run).await;
        assert_eq!(ended["status"], "CANCELLED");
        assert_eq!(gate.finished(), 0);
        let events = amy.whole_timeline(&run).await;
        assert_whole(&events);
        assert_eq!(events[..before.len()], before[..], "what was told stays told");
        assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "USER");
        assert_eq!(amy.cancel(&run).await["status"], "CANCELLED");
        let next = started(&amy.start(&project, json!({})).await);
        gate.open();
        assert_eq!(amy.ended(&next).await["status"], "COMPLETED", "the project is free again");
        world.stop().await;
    }
}

on_engines! {
    async fn a_cancellation_reaches_a_tool_within_a_second(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let runs = waiting_runs(&amy, &gate, TRIES).await;
        let quickest = quickest(runs, async |run| {
            amy.cancel(&run).await;
            amy.until(&run, "CANCELLED").await;
        });
        assert!(quickest.await <= PROMISED);
        world.stop().await;
    }
}

/// What brings a cancellation to the worker of the same process sooner than its next look.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_rings_for_the_worker() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let amy = world.user("amy").await;
    let run = waiting_runs(&amy, &gate, 1).await.remove(0);
    let mut bell = world.house().app().hints.listen(Topic::Cancellations);
    amy.cancel(&run).await;
    timeout(PATIENCE, bell.heard()).await.expect("the bell rings");
    amy.until(&run, "CANCELLED").await;
    world.stop().await;
}

on_engines! {
    async fn whoever_wins_between_the_end_and_the_cancellation_there_is_one_end(engine) {
        let world = engine.world(|_, crew| {
            crew.models = vec![Scripted::new("test/short", |turn, _| {
                if turn < 3 { calls(turn, &[("list_files", json!({ "area": "drive" }))]) } else { says("done") }
            })];
        }).await;
        let amy = world.user("amy").await;
        let projects = join_all((0..6).map(|_| amy.project("Race"))).await;
        let races = projects.iter().enumerate().flat_map(|(place, project)| (0..4).map(move |number| (project, place + number)));
        let runs = join_all(races.map(|(project, delay)| {
            let amy = &amy;
            async move {
                let run = started(&amy.start(project, json!({})).await);
                tokio::time::sleep(Duration::from_millis(delay as u64 * 15)).await;
                amy.cancel(&run).await;
                run
            }
        }))
        .await;
        for run in &runs {
            let ended = amy.ended(run).await;
            let events = amy.whole_timeline(run).await;
            assert_whole(&events);
            assert_eq!(ended["lastSequence"], events.len());
            assert_eq!(kind(&events[events.len() - 1]), format!("RUN_{}", ended["status"].as_str().expect("a status")));
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_reaches_a_model_that_thinks_for_long() {
    let world = World::with(|_, crew| {
        let thinker =
            Scripted { thinks: Duration::from_mins(1), name: "test/slow", script: Box::new(|_, _| says("late")) };
        crew.models = vec![std::sync::Arc::new(thinker)];
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Thinking").await;
    let run = started(&amy.start(&project, json!({})).await);
    amy.until(&run, "RUNNING").await;
    amy.cancel(&run).await;
    assert_eq!(amy.ended(&run).await["status"], "CANCELLED");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_has_ended_cannot_be_cancelled_or_changed() {
    let world = World::with(|_, crew| crew.models = vec![echo()]).await;
    let amy = world.user("amy").await;
    let project = amy.project("Ended").await;
    let run = amy.finished_run(&project, "Say it.").await;
    let before = (amy.ended(&run).await, amy.whole_timeline(&run).await);
    let cancelled = amy.cancel(&run).await;
    assert_eq!((&cancelled["status"], &cancelled["cancelRequestedAt"]), (&json!("COMPLETED"), &json!(null)));
    let session = cancelled["session"]["id"].clone();
    amy.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
    assert_eq!((amy.ended(&run).await, amy.whole_timeline(&run).await), before);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_step_had_committed_before_the_cancellation_stays_and_nothing_follows() {
    let gate = Gate::closed();
    let world = World::with(|_, crew| {
        crew.models = vec![Scripted::new("test/writer", |turn, _| match turn {
            0 => calls(0, &[("save_output", json!({ "name": "half.md", "text": "half" }))]),
            _ => calls(1, &[("gate", json!({}))]),
        })];
        crew.tools.push(gate.clone());
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Half").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    amy.cancel(&run).await;
    let ended = amy.ended(&run).await;
    assert_eq!(ended["artifacts"]["nodes"][0]["name"], "half.md", "{ended:#}");
    gate.open();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let events = amy.whole_timeline(&run).await;
    assert_whole(&events);
    assert_eq!(events.iter().rev().map(kind).take(2).collect::<Vec<_>>(), ["RUN_CANCELLED", "TOOL_CALLED"]);
    world.stop().await;
}
