//! A request that is repeated makes one run.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::world::{
    crew::echo,
    engine::on_engines,
    id,
    runs::{assert_whole, started},
};

on_engines! {
    async fn twenty_equal_requests_at_once_make_one_run(engine) {
        let world = engine.world(|_, crew| crew.models = vec![echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Once").await;
        let request = || amy.start(&project, json!({ "idempotencyKey": "order-1" }));
        let payloads = join_all((0..20).map(|_| request())).await;
        let runs: HashSet<String> = payloads.iter().map(started).collect();
        assert_eq!(runs.len(), 1);
        let run = runs.into_iter().next().expect("one");
        amy.ended(&run).await;
        assert_eq!(started(&request().await), run, "also when it has ended");
        assert_whole(&amy.whole_timeline(&run).await);
        let next = amy.start(&project, json!({})).await;
        assert_eq!(next["run"]["number"], 2, "the repeated requests used no number up");
        world.stop().await;
    }

    async fn another_body_under_the_same_key_is_a_conflict_that_says_when(engine) {
        let world = engine.world(|_, crew| crew.models = vec![echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Conflict").await;
        let key = "order-1";
        let first = started(&amy.start(&project, json!({ "idempotencyKey": key })).await);
        let other = amy.start(&project, json!({ "idempotencyKey": key, "prompt": "Something else." })).await;
        assert_eq!(other["run"], json!(null));
        let error = &other["userErrors"][0];
        assert_eq!(error["__typename"], "IdempotencyConflictError", "{other:#}");
        assert_eq!(error["path"], json!(["input", "idempotencyKey"]));
        let data = amy.ask("query($run: ID!) { run(id: $run) { createdAt project { runs { totalCount } } } }", json!({ "run": first })).await;
        let asked = error["firstRequestAt"].as_str().expect("a time");
        assert_eq!(asked[..19], data["run"]["createdAt"].as_str().expect("a time")[..19]);
        assert_eq!(data["run"]["project"]["runs"]["totalCount"], 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_outlives_a_restart_and_belongs_to_its_user_and_operation() {
    let mut world = crate::world::World::with(|_, crew| crew.models = vec![echo()]).await;
    let amy = world.user("amy").await;
    let project = amy.project("Kept").await;
    let first = started(&amy.start(&project, json!({ "idempotencyKey": "k" })).await);
    let again = started(&amy.rerun(&first, json!({ "idempotencyKey": "k" })).await);
    assert_ne!(first, again, "another operation");
    amy.ended(&again).await;
    world.restart().await;
    let amy = amy.at(&world);
    assert_eq!(started(&amy.start(&project, json!({ "idempotencyKey": "k" })).await), first);
    assert_eq!(started(&amy.rerun(&first, json!({ "idempotencyKey": "k" })).await), again);
    let bob = world.user("bob").await;
    let of_bob = bob.project("His").await;
    let his = bob.start(&of_bob, json!({ "idempotencyKey": "k" })).await;
    assert_ne!(started(&his), first);
    for key in ["", "two words", "ключ", &"k".repeat(201)] {
        let refused = amy.start(&project, json!({ "idempotencyKey": key })).await;
        assert_eq!(refused["userErrors"][0]["code"], "INVALID", "{key}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", "idempotencyKey"]));
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_request_leaves_its_key_free() {
    let world = crate::world::World::with(|_, crew| crew.models = vec![echo()]).await;
    let amy = world.user("amy").await;
    let project = amy.project("Free").await;
    let refused = amy.start(&project, json!({ "idempotencyKey": "k", "prompt": "  " })).await;
    assert_eq!(refused["userErrors"][0]["code"], "INVALID");
    let taken = amy.start(&project, json!({ "idempotencyKey": "k", "prompt": "Now." })).await;
    assert_eq!(taken["run"]["id"], json!(id(&taken["run"])));
    world.stop().await;
}
