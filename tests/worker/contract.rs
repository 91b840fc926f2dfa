//! What holds for every worker: the one that is built in, and one that lives elsewhere and knows the API only. Both execute the
//! same little agent, which goes through a gate once and answers.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tokio::task::JoinSet;

use super::assert_nothing_repeated;
use crate::world::{
    User, World,
    crew::Gate,
    engine::{Engine, on_engines},
    outside::{AGENT, Claimed, said},
    runs::{kind, of_kind, started},
};

/// Who executes runs.
#[derive(Clone, Copy, Debug)]
enum Hand {
    BuiltIn,
    Elsewhere,
}

/// A server with four places for runs, a user, and a closed gate in every run's way.
struct Shop {
    hand: Hand,
    world: World,
    gate: Arc<Gate>,
    amy: User,
    /// Workers elsewhere, which stop with the shop.
    _workers: JoinSet<()>,
}

impl Shop {
    async fn open(engine: &Engine, hand: Hand) -> Self {
        let (world, gate) = engine.gated(|settings, _| settings.max_runs = 4).await;
        let name = format!("{hand:?}");
        let (amy, mut workers) = (world.user(&name).await, JoinSet::new());
        if let Hand::Elsewhere = hand {
            for number in 0..4 {
                let (worker, gate) = (world.worker_of(&name).await, gate.clone());
                workers.spawn(work(worker, gate, format!("elsewhere-{number}")));
            }
        }
        Self { hand, world, gate, amy, _workers: workers }
    }

    async fn start(&self, project: &str) -> String {
        let more = match self.hand {
            Hand::BuiltIn => json!({}),
            Hand::Elsewhere => json!({ "agent": AGENT }),
        };
        started(&self.amy.start(project, more).await)
    }
}

/// A worker elsewhere, as its documentation says that one is written.
async fn work(worker: User, gate: Arc<Gate>, name: String) {
    loop {
        if let Some(run) = worker.claims(&name, 5).await {
            // What cannot go on is left: the lease is lost, or the run has ended.
            let _ = execute(run, &gate).await;
        }
    }
}

async fn execute(mut run: Claimed, gate: &Gate) -> Option<()> {
    let used = json!({ "usageRecorded": { "model": "m", "inputTokens": 10, "outputTokens": 2 } });
    let call = json!({ "toolCalled": { "callId": "1", "tool": "gate", "input": {} } });
    let returned = json!({ "toolReturned": { "callId": "1", "tool": "gate", "output": {}, "durationMs": 1 } });
    let answer = json!({ "agentMessage": { "text": "through", "final": true } });
    run.try_append(&[used.clone(), call]).await?;
    let mut passing = std::pin::pin!(gate.pass());
    loop {
        tokio::select! {
            () = &mut passing => break,
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        let renewed = run.renew().await;
        renewed["run"].as_object()?;
        if renewed["run"]["cancelRequestedAt"].is_string() {
            run.finish(json!({ "cancelled": true })).await;
            return None;
        }
    }
    run.try_append(&[returned]).await?;
    run.try_append(&[answer, used]).await?;
    run.finish(json!({ "completed": { "answer": "through" } })).await;
    Some(())
}

/// One story, told of each worker on each engine.
macro_rules! of_both {
    ($(async fn $name:ident($shop:ident) $body:block)+) => { $(
        mod $name {
            use super::*;

            async fn told($shop: &Shop) $body

            on_engines! {
                async fn story(engine) {
                    for hand in [Hand::BuiltIn, Hand::Elsewhere] {
                        let shop = Shop::open(engine, hand).await;
                        told(&shop).await;
                        shop.world.stop().await;
                    }
                }
            }
        }
    )+ };
}

of_both! {
    async fn a_run_is_told_whole_and_its_tokens_add_up(shop) {
        let project = shop.amy.project("Whole").await;
        let run = shop.start(&project).await;
        shop.gate.until_begun(1).await;
        shop.gate.open();
        let ended = shop.amy.ended(&run).await;
        assert_eq!((&ended["status"], &ended["answer"]), (&json!("COMPLETED"), &json!("through")));
        assert_eq!((&ended["usage"]["inputTokens"], &ended["usage"]["outputTokens"]), (&json!(20), &json!(4)));
        let events = shop.amy.whole_timeline(&run).await;
        assert_nothing_repeated(&events);
        let kinds: Vec<&str> = events.iter().map(kind).collect();
        assert_eq!(kinds, [
            "RUN_QUEUED", "RUN_STARTED", "USAGE_RECORDED", "TOOL_CALLED", "TOOL_RETURNED", "AGENT_MESSAGE",
            "USAGE_RECORDED", "RUN_COMPLETED",
        ]);
    }

    async fn runs_of_a_project_come_in_their_turn_and_those_of_others_at_once(shop) {
        let (one, other) = (shop.amy.project("One").await, shop.amy.project("Other").await);
        let first = shop.start(&one).await;
        shop.gate.until_begun(1).await;
        let (second, third) = (shop.start(&one).await, shop.start(&one).await);
        let beside = shop.start(&other).await;
        shop.gate.until_begun(2).await;
        assert_eq!(shop.amy.status(&beside).await, "RUNNING");
        assert_eq!((shop.amy.status(&second).await, shop.amy.status(&third).await), ("QUEUED".into(), "QUEUED".into()));
        shop.gate.open();
        let mut ends = Vec::new();
        for run in [&first, &second, &third] {
            let ended = shop.amy.ended(run).await;
            assert_eq!(ended["status"], "COMPLETED");
            ends.push((shop.amy.whole_timeline(run).await, ended["completedAt"].as_str().expect("a time").to_owned()));
        }
        for pair in ends.windows(2) {
            let started = of_kind(&pair[1].0, "RUN_STARTED")[0]["at"].as_str().expect("a time").to_owned();
            assert!(started >= pair[0].1, "{started} is not before {}", pair[0].1);
        }
        assert_eq!(shop.amy.ended(&beside).await["status"], "COMPLETED");
    }

    async fn a_run_that_is_cancelled_or_whose_session_ends_says_by_whom(shop) {
        let (one, other) = (shop.amy.project("One").await, shop.amy.project("Other").await);
        let (cancelled, revoked) = (shop.start(&one).await, shop.start(&other).await);
        shop.gate.until_begun(2).await;
        shop.amy.cancel(&cancelled).await;
        let session = shop.amy.open_project(&other, None).await["session"]["id"].clone();
        shop.amy.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
        for (run, by) in [(&cancelled, "USER"), (&revoked, "SESSION_REVOKED")] {
            assert_eq!(shop.amy.ended(run).await["status"], "CANCELLED");
            let events = shop.amy.whole_timeline(run).await;
            assert_nothing_repeated(&events);
            assert_eq!(events.last().expect("events")["by"], by);
        }
        assert_eq!(shop.gate.finished(), 0);
    }

    async fn a_deleted_project_is_taken_from_its_worker_which_goes_on_with_others(shop) {
        let (gone, stays) = (shop.amy.project("Gone").await, shop.amy.project("Stays").await);
        let lost = shop.start(&gone).await;
        shop.gate.until_begun(1).await;
        shop.amy.mutate("deleteProject", json!({ "projectId": gone }), "deletedProjectId").await;
        let run = shop.start(&stays).await;
        shop.gate.until_begun(2).await;
        shop.gate.open();
        assert_eq!(shop.amy.ended(&run).await["status"], "COMPLETED");
        let data = shop.amy.ask("query($run: ID!) { run(id: $run) { id } }", json!({ "run": lost })).await;
        assert_eq!(data["run"], json!(null));
    }
}

impl Claimed {
    /// Appends, unless the run is not to be gone on with.
    async fn try_append(&mut self, events: &[serde_json::Value]) -> Option<()> {
        let payload = self.append_at(self.last, events).await;
        self.last = payload["lastSequence"].as_u64()?;
        Some(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_elsewhere_that_says_more_than_the_agent_here_is_told_as_well() {
    // The kinds that the agent here never writes by itself, so that no contract above holds them.
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("More").await;
    amy.start_outside(&project, "Go.").await;
    let mut run = world.worker_of("amy").await.claims("w", 5).await.expect("a run");
    run.appends(&[
        said("a"),
        json!({ "notice": { "level": "WARNING", "text": "b" } }),
        json!({ "fileRead": { "area": "DRIVE", "path": "a/b.md" } }),
    ])
    .await;
    run.completes("done").await;
    let events = amy.whole_timeline(&run.run).await;
    let kinds: Vec<&str> = events.iter().map(kind).collect();
    assert_eq!(kinds[2..], ["AGENT_MESSAGE", "NOTICE", "FILE_READ", "RUN_COMPLETED"]);
    world.stop().await;
}
