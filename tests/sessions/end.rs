//! Sessions that are revoked.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{
    User, World,
    engine::on_engines,
    id,
    runs::{assert_whole, of_kind, started},
};

async fn revoke(user: &User, session: &str) -> Value {
    user.mutate("revokeSession", json!({ "sessionId": session }), "session { id status endedAt endReason }").await
}

on_engines! {
    async fn a_revoked_session_takes_its_runs_with_it(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let (project, other) = (amy.project("Revoked").await, amy.project("Other").await);
        let running = started(&amy.start(&project, json!({})).await);
        let queued = started(&amy.start(&project, json!({})).await);
        let elsewhere = started(&amy.start(&other, json!({})).await);
        gate.until_begun(2).await;
        let session = id(&amy.open_project(&project, None).await["session"]);
        let revoked = revoke(&amy, &session).await;
        assert_eq!((&revoked["session"]["status"], &revoked["session"]["endReason"]), (&json!("ENDED"), &json!("REVOKED_BY_USER")));
        assert_eq!(revoke(&amy, &session).await, revoked, "ending it again is harmless");
        for run in [&queued, &running] {
            assert_eq!(amy.ended(run).await["status"], "CANCELLED");
            let events = amy.whole_timeline(run).await;
            assert_whole(&events);
            assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "SESSION_REVOKED");
        }
        let fresh = amy.open_project(&project, None).await;
        assert_eq!(fresh["provisioned"], true);
        assert_ne!(id(&fresh["session"]), session);
        gate.open();
        assert_eq!(amy.ended(&elsewhere).await["status"], "COMPLETED", "other projects' runs go on");
        world.stop().await;
    }

    async fn no_run_slips_into_a_session_that_ends(engine) {
        let (world, _closed) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Race").await;
        let query = "query($run: ID!) { run(id: $run) { session { status } } }";
        for _ in 0..5 {
            let session = id(&amy.open_project(&project, None).await["session"]);
            let starts = join_all((0..6).map(|_| amy.start(&project, json!({}))));
            let (payloads, _) = tokio::join!(starts, revoke(&amy, &session));
            for run in payloads.iter().map(started) {
                // The gate is closed: a run that was not cancelled with its session would not end.
                if amy.ask(query, json!({ "run": run })).await["run"]["session"]["status"] == "ENDED" {
                    assert_eq!(amy.ended(&run).await["status"], "CANCELLED");
                }
            }
        }
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_session_and_an_invented_one_cannot_be_revoked() {
    let world = World::start().await;
    let (amy, bob) = (world.user("amy").await, world.user("bob").await);
    let project = amy.project("Hers").await;
    let session = id(&amy.open_project(&project, None).await["session"]);
    let invented = workroom::model::id::SessionId::new().to_string();
    let (foreign, absent) = (revoke(&bob, &session).await, revoke(&bob, &invented).await);
    assert_eq!(foreign, absent);
    assert_eq!(foreign["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(foreign["userErrors"][0]["path"], json!(["input", "sessionId"]));
    assert_eq!(amy.open_project(&project, None).await["session"]["status"], "ACTIVE");
    world.stop().await;
}
