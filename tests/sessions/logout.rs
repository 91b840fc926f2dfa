//! Logging out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{
    User, World,
    crew::{Gate, through_the_gate},
    engine::on_engines,
    id,
    runs::{assert_whole, of_kind, started},
};

async fn logout(user: &User) -> Value {
    user.ask("mutation { logout { revokedSessions userErrors { message } } }", json!({})).await["logout"].take()
}

const SESSIONS: &str =
    "{ viewer { sessions(activeOnly: false) { totalCount nodes { id status endReason endedAt expiresAt } } } }";

on_engines! {
    async fn a_logout_ends_all_sessions_and_revokes_the_token_alone(engine) {
        let gate = Gate::closed();
        let world = engine.world(|_, crew| {
            crew.models = vec![through_the_gate()];
            crew.tools = vec![gate.clone()];
        }).await;
        let (amy, elsewhere, bob) = (world.user("amy").await, world.user("amy").await, world.user("bob").await);
        let (one, two, his) = (amy.project("One").await, amy.project("Two").await, bob.project("His").await);
        amy.open_project(&two, None).await;
        let running = started(&amy.start(&one, json!({})).await);
        let queued = started(&amy.start(&one, json!({})).await);
        let bobs = started(&bob.start(&his, json!({})).await);
        gate.until_begun(2).await;
        let mut stream = amy.follow(&running, None).await;
        stream.next().await.expect("the past");

        assert_eq!(logout(&amy).await, json!({ "revokedSessions": 2, "userErrors": [] }));
        let refused = amy.answer("{ viewer { id } }", json!({})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{refused:#}");
        let mut last = Value::Null;
        while let Some(answer) = stream.next().await {
            last = answer;
        }
        let told = last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            || last["data"]["runEvents"]["events"][0]["type"] == "RUN_CANCELLED";
        assert!(told, "the stream of the token ends: {last:#}");

        let seen = elsewhere.ask(SESSIONS, json!({})).await;
        assert_eq!(seen["viewer"]["sessions"]["totalCount"], 2);
        for session in seen["viewer"]["sessions"]["nodes"].as_array().expect("sessions") {
            assert_eq!((&session["status"], &session["endReason"]), (&json!("ENDED"), &json!("LOGOUT")));
        }
        for run in [&running, &queued] {
            assert_eq!(elsewhere.ended(run).await["status"], "CANCELLED");
            let events = elsewhere.whole_timeline(run).await;
            assert_whole(&events);
            assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "SESSION_LOGOUT");
        }
        assert_eq!(logout(&elsewhere).await["revokedSessions"], 0, "nothing is left to end");
        gate.open();
        assert_eq!(bob.ended(&bobs).await["status"], "COMPLETED", "other users' runs go on");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_mode_a_logout_has_no_token_to_revoke() {
    let world = World::with(|settings, _| settings.dev = true).await;
    let anybody = world.user("ignored").await;
    let project = anybody.project("Local").await;
    let session = id(&anybody.open_project(&project, None).await["session"]);
    assert_eq!(logout(&anybody).await["revokedSessions"], 1);
    let seen = anybody.ask(SESSIONS, json!({})).await;
    assert_eq!(seen["viewer"]["sessions"]["nodes"][0]["endReason"], "LOGOUT");
    assert_ne!(id(&anybody.open_project(&project, None).await["session"]), session);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_session_is_not_logged_out_and_coming_back_moves_no_end() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let (short, long) = (amy.project("Short").await, amy.project("Long").await);
    amy.open_project(&short, Some(1)).await;
    let before = amy.open_project(&long, Some(600)).await;
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let after = amy.open_project(&long, Some(6_000)).await;
    assert_eq!(before["session"]["expiresAt"], after["session"]["expiresAt"]);
    let other = world.user("amy").await;
    assert_eq!(logout(&amy).await["revokedSessions"], 1, "the other one was over");
    let seen = other.ask(SESSIONS, json!({})).await;
    let reasons: Vec<_> = seen["viewer"]["sessions"]["nodes"].as_array().expect("sessions").iter().collect();
    assert_eq!((&reasons[0]["endReason"], &reasons[1]["endReason"]), (&json!("LOGOUT"), &json!("TTL_EXPIRED")));
    assert_eq!(reasons[0]["expiresAt"], before["session"]["expiresAt"], "its end by itself stays what it was");
    world.stop().await;
}
