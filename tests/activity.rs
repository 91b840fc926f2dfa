//! Watching projects live: what is there, then what changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::world::{
    User,
    engine::{Engine, on_engines},
    live::Events,
    runs::started,
};

const SEEN: &str = "__typename
    ... on ActivitySnapshot { projects { name } sessions { status } runs { status prompt } }
    ... on ProjectChanged { project { name version } }
    ... on ProjectDeleted { projectId }
    ... on SessionChanged { session { status endReason project { name } } }
    ... on RunChanged { run { status prompt project { name } cancelRequestedAt } }
    ... on FilesChanged { project { name } area }";

/// Watches one project, or all.
async fn watch(user: &User, project: Option<&str>) -> Watch {
    let events = match project {
        Some(project) => {
            let query =
                format!("subscription($project: ID!) {{ told: projectActivity(projectId: $project) {{ {SEEN} }} }}");
            user.events(&query, json!({ "project": project })).await
        }
        None => user.events(&format!("subscription {{ told: activity {{ {SEEN} }} }}"), json!({})).await,
    };
    Watch(events)
}

struct Watch(Events);

impl Watch {
    async fn next(&mut self) -> Value {
        let answer = self.0.next().await.expect("the stream goes on");
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["told"].clone()
    }

    /// Waits until something is told of which these parts are there; what comes before is passed over.
    async fn until(&mut self, parts: Value) -> Value {
        loop {
            let told = self.next().await;
            if holds(&told, &parts) {
                return told;
            }
        }
    }
}

/// Whether `whole` has all of `part`.
fn holds(whole: &Value, part: &Value) -> bool {
    match part {
        Value::Object(part) => part.iter().all(|(key, part)| holds(&whole[key], part)),
        part => whole == part,
    }
}

fn run_is(status: &str) -> Value {
    json!({ "__typename": "RunChanged", "run": { "status": status } })
}

on_engines! {
    async fn a_watcher_is_told_how_things_are_and_then_what_changes(engine) {
        let (world, _gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Garden").await;
        let mut watch = watch(&amy, Some(&project)).await;
        let first = watch.next().await;
        assert_eq!(first, json!({ "__typename": "ActivitySnapshot", "projects": [{ "name": "Garden" }], "sessions": [], "runs": [] }));
        let run = started(&amy.start(&project, json!({ "prompt": "Water it." })).await);
        watch.until(run_is("RUNNING")).await;
        amy.upload(&project, &[("plan.txt", b"Roses, then beans.")]).await;
        watch.until(json!({ "__typename": "FilesChanged", "project": { "name": "Garden" }, "area": "DRIVE" })).await;
        let change = json!({ "projectId": project, "version": 1, "name": "Kitchen garden" });
        amy.mutate("updateProject", change, "project { id }").await;
        watch.until(json!({ "__typename": "ProjectChanged", "project": { "name": "Kitchen garden", "version": 2 } })).await;
        amy.cancel(&run).await;
        let stopped = watch.until(run_is("CANCELLED")).await;
        assert!(stopped["run"]["cancelRequestedAt"].is_string(), "{stopped:#}");
        let session = amy.open_project(&project, None).await["session"]["id"].clone();
        amy.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
        watch.until(json!({ "__typename": "SessionChanged", "session": { "status": "ENDED", "endReason": "REVOKED_BY_USER" } })).await;
        world.stop().await;
    }

    async fn after_a_reconnect_the_snapshot_makes_up_for_what_was_missed(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Garden").await;
        let mut before = watch(&amy, Some(&project)).await;
        before.next().await;
        drop(before);
        let run = started(&amy.start(&project, json!({ "prompt": "Water it." })).await);
        amy.until(&run, "RUNNING").await;
        let mut again = watch(&amy, Some(&project)).await;
        let snapshot = again.next().await;
        assert_eq!(snapshot["runs"], json!([{ "status": "RUNNING", "prompt": "Water it." }]));
        assert_eq!(snapshot["sessions"], json!([{ "status": "ACTIVE" }]));
        gate.open();
        again.until(run_is("COMPLETED")).await;
        world.stop().await;
    }

    async fn all_projects_of_a_viewer_are_watched_at_once_and_nobody_elses(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        gate.open();
        let (amy, bob) = (world.user("amy").await, world.user("bob").await);
        amy.project("First").await;
        let mut watch = watch(&amy, None).await;
        assert_eq!(watch.next().await["projects"], json!([{ "name": "First" }]));
        let his = bob.project("His").await;
        bob.finished_run(&his, "Bob's.").await;
        let second = amy.project("Second").await;
        let made = watch.next().await;
        assert_eq!(made, json!({ "__typename": "ProjectChanged", "project": { "name": "Second", "version": 1 } }));
        amy.finished_run(&second, "Amy's.").await;
        let ended = watch.until(run_is("COMPLETED")).await;
        assert_eq!(ended["run"]["prompt"], "Amy's.");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_changes_is_told_too() {
    let Some(engine) = Engine::postgres().await else { return };
    let (here, there) = (engine.world(|_, _| {}).await, engine.world(|_, _| {}).await);
    let amy = here.user("amy").await;
    let project = amy.project("Shared").await;
    let mut watch = watch(&amy, Some(&project)).await;
    watch.next().await;
    let (begun, times) = (Instant::now(), 10);
    for number in 0..times {
        amy.at(&there).upload(&project, &[(&format!("plan-{number}.txt"), b"Roses, then beans.")]).await;
        watch.until(json!({ "__typename": "FilesChanged", "area": "DRIVE" })).await;
    }
    // Without being told, who watches looks once a second.
    assert!(begun.elapsed() < Duration::from_millis(500) * times, "{:?}", begun.elapsed());
    here.stop().await;
    there.stop().await;
    engine.remove().await;
}
