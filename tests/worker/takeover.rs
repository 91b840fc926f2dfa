//! A worker goes silent, and another goes on from where it stopped.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};
use workroom::{
    agent::{
        model::ToolSpec,
        tool::{Outcome, Tool},
    },
    app::work::Desk,
    config::Settings,
    error::{Error, Result},
    worker::Crew,
};

use super::assert_nothing_repeated;
use crate::world::{
    World,
    crew::{Gate, Scripted, Wait, calls, says},
    runs::{of_kind, started},
    settings_in,
};

const LEASE: Duration = Duration::from_secs(1);

/// A server in a runtime of its own, which can be dropped in the middle of everything.
async fn doomed(settings: Settings, crew: Crew) -> (Runtime, World) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = runtime.spawn(World::of(settings, crew, folder)).await.expect("the server starts");
    (runtime, world)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_workers_run_is_taken_over_after_its_lease_and_not_before() {
    let (gate, wait) = (Gate::closed(), Arc::new(Wait::default()));
    let crew = Crew {
        models: vec![Scripted::new("test/two", |turn, _| match turn {
            0 => calls(0, &[("wait", json!({ "ms": 1 })), ("gate", json!({})), ("wait", json!({ "ms": 2 }))]),
            1 => calls(1, &[("wait", json!({ "ms": 3 }))]),
            _ => says("done"),
        })],
        tools: vec![gate.clone(), wait.clone()],
        lease: LEASE,
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings_in(&folder.path().join("data"));
    let (runtime, first) = doomed(settings.clone(), crew.clone()).await;
    let amy = first.user("amy").await;
    let project = amy.project("Abandoned").await;
    let run = started(&amy.start(&project, json!({})).await);
    let waiting = started(&amy.start(&project, json!({ "prompt": "Wait for the first." })).await);
    gate.until_begun(1).await;
    let before = amy.whole_timeline(&run).await;
    runtime.shutdown_background();
    drop(first);

    let began = Instant::now();
    let world = World::of(settings, crew, folder).await;
    let amy = amy.at(&world);
    gate.until_begun(2).await;
    let taken = began.elapsed();
    assert!(taken >= LEASE, "{taken:?}");
    assert!(taken < LEASE * 4, "{taken:?}");
    assert_eq!(wait.begun.load(Ordering::SeqCst), 1, "the call that had returned is not made again");
    assert_eq!(amy.status(&waiting).await, "QUEUED", "the project's next run still waits");
    gate.open();
    assert_eq!(amy.ended(&run).await["answer"], "done");
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    assert_eq!(events[..before.len()], before[..]);
    let resumed = of_kind(&events, "RUN_RESUMED");
    assert_eq!(resumed.len(), 1);
    assert!(resumed[0]["reason"].as_str().expect("a reason").contains("without handing"), "{resumed:#?}");
    assert_eq!(of_kind(&events, "NOTICE").len(), 1, "it says which call is made once more");
    assert_ne!(resumed[0]["worker"], of_kind(&events, "RUN_STARTED")[0]["worker"]);
    assert_eq!(amy.ended(&waiting).await["status"], "COMPLETED");
    assert_eq!((gate.begun(), gate.finished()), (3, 2), "only the call that was cut off was begun again");
    // Three for each of the two runs.
    assert_eq!(wait.finished.load(Ordering::SeqCst), 6);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_often_its_worker_dies_each_deliverable_is_saved_once() {
    const TURNS: usize = 12;
    let wait = Arc::new(Wait::default());
    let mut crew = Crew {
        models: vec![Scripted::new("test/saver", |turn, _| {
            let name = format!("part-{turn}.md");
            let save = ("save_output", json!({ "name": name, "text": "a part" }));
            if turn < TURNS { calls(turn, &[("wait", json!({ "ms": 15 })), save]) } else { says("done") }
        })],
        lease: Duration::from_millis(300),
        ..Crew::default()
    };
    crew.tools.push(wait.clone());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings_in(&folder.path().join("data"));
    let (mut runtime, mut world) = doomed(settings.clone(), crew.clone()).await;
    let mut amy = world.user("amy").await;
    let project = amy.project("Parts").await;
    let run = started(&amy.start(&project, json!({})).await);
    for death in 1..=3 {
        let begun = async {
            while wait.begun.load(Ordering::SeqCst) < death * 3 {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        };
        tokio::time::timeout(crate::world::PATIENCE, begun).await.expect("the agent works");
        // Somewhere between two commits, elsewhere each time.
        tokio::time::sleep(Duration::from_millis(7 * death as u64)).await;
        runtime.shutdown_background();
        drop(world);
        (runtime, world) = doomed(settings.clone(), crew.clone()).await;
        amy = amy.at(&world);
    }
    let ended = amy.ended(&run).await;
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    assert_eq!(of_kind(&events, "RUN_RESUMED").len(), 3);
    let artifacts = ended["artifacts"]["nodes"].as_array().expect("artifacts");
    let names: Vec<_> =
        artifacts.iter().map(|artifact| artifact["name"].as_str().expect("a name").to_owned()).collect();
    assert_eq!(names, (0..TURNS).map(|turn| format!("part-{turn}.md")).collect::<Vec<_>>());
    assert_eq!(ended["usage"]["outputTokens"], 2 * (TURNS + 1), "each turn is counted once");
    runtime.shutdown_background();
    drop((world, folder));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_to_be_cancelled_when_its_worker_died_is_cancelled_by_the_next() {
    let gate = Gate::closed();
    let crew = Crew { models: vec![crate::world::crew::through_the_gate()], tools: vec![gate.clone()], lease: LEASE };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let settings = settings_in(&folder.path().join("data"));
    let (runtime, first) = doomed(settings.clone(), crew.clone()).await;
    let amy = first.user("amy").await;
    let project = amy.project("Abandoned").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    runtime.shutdown_background();
    drop(first);
    let world = World::of(settings, crew, folder).await;
    let amy = amy.at(&world);
    let asked = amy.cancel(&run).await;
    assert_eq!(asked["status"], "RUNNING", "nobody holds it who could end it yet");
    assert_eq!(amy.ended(&run).await["status"], "CANCELLED");
    assert_nothing_repeated(&amy.whole_timeline(&run).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_servers_run_is_taken_up_at_once() {
    let (mut world, gate) = World::gated(|_, crew| crew.lease = Duration::from_mins(5)).await;
    let amy = world.user("amy").await;
    let project = amy.project("Handed back").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    world.restart().await;
    let again = Instant::now();
    gate.until_begun(2).await;
    assert!(again.elapsed() < Duration::from_secs(10), "{:?}", again.elapsed());
    gate.open();
    let amy = amy.at(&world);
    assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    assert!(of_kind(&events, "RUN_RESUMED")[0]["reason"].as_str().expect("a reason").contains("handed"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_taken_up_again_is_not_warned_twice() {
    let gate = Gate::closed();
    let mut world = World::with(|settings, crew| {
        settings.limits.turns = 5;
        crew.models = vec![Scripted::new("test/long", |turn, _| {
            if turn < 4 { calls(turn, &[(if turn == 3 { "gate" } else { "wait" }, json!({}))]) } else { says("done") }
        })];
        crew.tools = vec![gate.clone(), Arc::new(Wait::default())];
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Warned").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    world.restart().await;
    gate.open();
    let amy = amy.at(&world);
    assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    assert_eq!(of_kind(&events, "RUN_RESUMED").len(), 1);
    assert_eq!(of_kind(&events, "BUDGET_WARNING").len(), 1);
    world.stop().await;
}

/// A tool that stands on something that is away for a time.
struct Away(Instant);

impl Tool for Away {
    fn spec(&self) -> ToolSpec {
        ToolSpec { name: "away", description: "Is away.", input_schema: json!({ "type": "object" }) }
    }

    fn call<'a>(&'a self, _: &'a Desk, _: Value) -> BoxFuture<'a, Result<Outcome>> {
        let back = Instant::now() >= self.0;
        async move { if back { Ok(Outcome::of(json!({}))) } else { Err(Error::unavailable("it is away")) } }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_is_away_for_a_while_is_waited_for() {
    let world =
        World::with(|_, crew| {
            crew.models = vec![Scripted::new("test/away", |turn, _| {
                if turn == 0 { calls(0, &[("away", json!({}))]) } else { says("done") }
            })];
            crew.tools = vec![Arc::new(Away(Instant::now() + Duration::from_millis(1_200)))];
            crew.lease = Duration::from_millis(600);
        })
        .await;
    let amy = world.user("amy").await;
    let project = amy.project("Away").await;
    let run = started(&amy.start(&project, json!({})).await);
    let ended = amy.ended(&run).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended:#}");
    assert_nothing_repeated(&amy.whole_timeline(&run).await);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_nobody_gets_further_with_ends_failed() {
    let world = World::with(|_, crew| {
        crew.models = vec![Scripted::new("test/away", |_, _| calls(0, &[("away", json!({}))]))];
        crew.tools = vec![Arc::new(Away(Instant::now() + Duration::from_hours(1)))];
        crew.lease = Duration::from_millis(300);
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Hopeless").await;
    let run = started(&amy.start(&project, json!({})).await);
    let ended = amy.ended(&run).await;
    assert_eq!(ended["failure"]["code"], "TOO_MANY_ATTEMPTS", "{ended:#}");
    assert_eq!(of_kind(&amy.whole_timeline(&run).await, "RUN_RESUMED").len(), 5);
    world.stop().await;
}
