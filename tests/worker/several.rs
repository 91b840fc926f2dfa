//! Two servers on one `PostgreSQL`.

use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::future::join_all;
use serde_json::json;

use super::assert_nothing_repeated;
use crate::world::{
    crew::{Scripted, Wait, calls, says},
    engine::Engine,
    promise::{PROMISED, TRIES, quickest},
    runs::{of_kind, started, waiting_runs},
};

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_execute_each_run_once() {
    let Some(engine) = Engine::postgres().await else { return };
    let wait = Arc::new(Wait::default());
    let one_of_two = || {
        engine.world(|settings, crew| {
            settings.max_runs = 2;
            crew.models = vec![Scripted::new("test/wait", |turn, _| {
                if turn == 0 { calls(0, &[("wait", json!({ "ms": 30 }))]) } else { says("done") }
            })];
            crew.tools = vec![wait.clone()];
        })
    };
    let (here, there) = (one_of_two().await, one_of_two().await);
    let amy = here.user("amy").await;
    let projects = join_all((0..6).map(|_| amy.project("One of six"))).await;
    let servers = [amy.clone(), amy.at(&there)];
    let payloads = join_all((0..30).map(|number| servers[number % 2].start(&projects[number % 6], json!({})))).await;
    let mut workers = HashSet::new();
    for (number, run) in payloads.iter().map(started).enumerate() {
        assert_eq!(servers[number / 2 % 2].ended(&run).await["status"], "COMPLETED");
        let events = amy.whole_timeline(&run).await;
        assert_nothing_repeated(&events);
        assert!(of_kind(&events, "RUN_RESUMED").is_empty());
        workers.insert(of_kind(&events, "RUN_STARTED")[0]["worker"].to_string());
    }
    assert_eq!(wait.begun.load(Ordering::SeqCst), 30);
    assert_eq!(workers.len(), 2, "both took part");
    here.stop().await;
    there.stop().await;
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_on_one_server_are_followed_and_cancelled_through_the_other_within_a_second() {
    let Some(engine) = Engine::postgres().await else { return };
    let lease = Duration::from_secs(2);
    let (here, gate) = engine.gated(|_, crew| crew.lease = lease).await;
    let amy = here.user("amy").await;
    let runs = waiting_runs(&amy, &gate, TRIES).await;
    let (there, idle) = engine.gated(|_, crew| crew.lease = lease).await;
    let amy_there = amy.at(&there);
    let follower = amy_there.follow(&runs[0], None).await;
    tokio::time::sleep(lease * 2).await;
    assert_eq!((gate.begun(), idle.begun()), (TRIES, 0), "a lease that is renewed is not taken");
    let quickest = quickest(&runs, async |run| {
        amy_there.cancel(run).await;
        amy_there.until(run, "CANCELLED").await;
    });
    assert!(quickest.await <= PROMISED);
    let events = follower.until_the_end().await;
    assert_eq!(events.last().map(|(_, kind)| kind.as_str()), Some("RUN_CANCELLED"));
    for run in &runs {
        assert_nothing_repeated(&amy.whole_timeline(run).await);
    }
    here.stop().await;
    there.stop().await;
    engine.remove().await;
}
