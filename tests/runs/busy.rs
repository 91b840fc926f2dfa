//! What happens to a run that is asked for while another has not ended.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{
    World,
    crew::{Scripted, Wait, calls, echo, says},
    engine::on_engines,
    id,
    runs::{assert_whole, of_kind, started},
};

const NUMBERS: &str = "query($project: ID!) { project(id: $project) {
    runs(orderBy: { field: CREATED_AT, direction: ASC }) { totalCount nodes { id number status startedAt completedAt } } } }";

async fn runs(user: &crate::world::User, project: &str) -> Vec<Value> {
    let data = user.ask(NUMBERS, json!({ "project": project })).await;
    data["project"]["runs"]["nodes"].as_array().expect("runs").clone()
}

fn time(run: &Value, field: &str) -> chrono::DateTime<chrono::Utc> {
    run[field].as_str().expect("a time").parse().expect("a time")
}

on_engines! {
    async fn runs_of_a_project_are_executed_one_at_a_time_in_the_order_of_their_numbers(engine) {
        let world = engine.world(|_, crew| crew.models = vec![echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Queue").await;
        let payloads = join_all((0..20).map(|_| amy.start(&project, json!({ "ifBusy": "ENQUEUE" })))).await;
        for run in payloads.iter().map(started) {
            amy.ended(&run).await;
        }
        let runs = runs(&amy, &project).await;
        let numbers: Vec<u64> = runs.iter().filter_map(|run| run["number"].as_u64()).collect();
        assert_eq!(numbers, (1..=20).collect::<Vec<_>>(), "the order of asking is the order of the numbers");
        for pair in runs.windows(2) {
            assert!(time(&pair[0], "completedAt") <= time(&pair[1], "startedAt"), "{pair:#?}");
        }
        world.stop().await;
    }

    async fn a_newer_run_takes_the_place_of_all_that_have_not_ended(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Newer").await;
        let running = started(&amy.start(&project, json!({})).await);
        let queued = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let newest = started(&amy.start(&project, json!({ "ifBusy": "CANCEL_CURRENT" })).await);
        for stopped in [&queued, &running] {
            assert_eq!(amy.ended(stopped).await["status"], "CANCELLED");
            let events = amy.whole_timeline(stopped).await;
            assert_whole(&events);
            assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "NEWER_RUN");
        }
        gate.open();
        assert_eq!(amy.ended(&newest).await["answer"], "through");
        world.stop().await;
    }
}

on_engines! {
    async fn of_many_that_want_the_place_at_once_the_last_one_has_it(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Contest").await;
        let payloads = join_all((0..12).map(|_| amy.start(&project, json!({ "ifBusy": "CANCEL_CURRENT" })))).await;
        let last = payloads.iter().max_by_key(|payload| payload["run"]["number"].as_u64()).map(started).expect("a run");
        for run in payloads.iter().map(started).filter(|run| *run != last) {
            assert_eq!(amy.ended(&run).await["status"], "CANCELLED");
            assert_whole(&amy.whole_timeline(&run).await);
        }
        gate.open();
        assert_eq!(amy.ended(&last).await["status"], "COMPLETED");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_run_changes_nothing() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let amy = world.user("amy").await;
    let project = amy.project("Busy").await;
    let first = started(&amy.start(&project, json!({ "ifBusy": "REJECT" })).await);
    gate.until_begun(1).await;
    let rejected = amy.start(&project, json!({ "ifBusy": "REJECT", "idempotencyKey": "k" })).await;
    assert_eq!(rejected["run"], json!(null));
    assert_eq!(rejected["userErrors"][0]["code"], "CONFLICT");
    assert_eq!(rejected["userErrors"][0]["path"], json!(["input", "ifBusy"]));
    let again = amy.rerun(&first, json!({ "ifBusy": "REJECT" })).await;
    assert_eq!(again["userErrors"][0]["code"], "CONFLICT");
    let present = runs(&amy, &project).await;
    assert_eq!(present.len(), 1);
    assert_eq!(present[0]["status"], "RUNNING");
    gate.open();
    amy.ended(&first).await;
    let second = amy.start(&project, json!({ "ifBusy": "REJECT", "idempotencyKey": "k" })).await;
    assert_eq!(second["run"]["number"], 2, "neither the number nor the key was used up: {second:#}");
    amy.ended(&id(&second["run"])).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn projects_run_at_once_up_to_the_setting() {
    let (world, gate) = World::gated(|settings, _| settings.max_runs = 3).await;
    let amy = world.user("amy").await;
    let mut started_runs = Vec::new();
    for number in 0..5 {
        let project = amy.project(&format!("Project {number}")).await;
        started_runs.push(started(&amy.start(&project, json!({})).await));
    }
    gate.until_begun(3).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.begun(), 3, "no more than three at once");
    gate.open();
    for run in &started_runs {
        assert_eq!(amy.ended(run).await["status"], "COMPLETED");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_never_begun_twice_by_one_worker() {
    let wait = Arc::new(Wait::default());
    let tool = wait.clone();
    let world = World::with(|_, crew| {
        crew.models = vec![Scripted::new("test/wait", |turn, _| {
            if turn == 0 { calls(0, &[("wait", json!({ "ms": 20 }))]) } else { says("done") }
        })];
        crew.tools = vec![tool];
    })
    .await;
    let amy = world.user("amy").await;
    let projects = join_all((0..4).map(|number| {
        let amy = amy.clone();
        async move { amy.project(&format!("Project {number}")).await }
    }))
    .await;
    let payloads = join_all((0..24).map(|number| amy.start(&projects[number % 4], json!({})))).await;
    for run in payloads.iter().map(started) {
        amy.ended(&run).await;
    }
    assert_eq!(wait.begun.load(std::sync::atomic::Ordering::SeqCst), 24);
    world.stop().await;
}
