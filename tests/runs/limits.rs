//! What a run may use up, and how it fails.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use workroom::{
    agent::model::{Conversation, Model, Reply},
    error::{Error, Result},
};

use crate::world::{
    World,
    crew::{Scripted, calls, says},
    runs::{assert_whole, of_kind, started},
};

/// A model that lists files for ever.
fn endless() -> Arc<Scripted> {
    Scripted::new("test/endless", |turn, _| calls(turn, &[("list_files", json!({ "area": "drive" }))]))
}

/// Runs once in a world and answers with the run and its timeline.
async fn run_in(world: World) -> (Value, Vec<Value>) {
    let amy = world.user("amy").await;
    let project = amy.project("Limits").await;
    let run = started(&amy.start(&project, json!({})).await);
    let ended = amy.ended(&run).await;
    let events = amy.whole_timeline(&run).await;
    assert_whole(&events);
    world.stop().await;
    (ended, events)
}

fn assert_failed(ended: &Value, events: &[Value], code: &str) {
    assert_eq!(ended["status"], "FAILED");
    assert_eq!(ended["answer"], json!(null));
    assert_eq!(ended["failure"]["code"], code, "{ended:#}");
    assert_eq!(events.last().expect("events")["failure"], ended["failure"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_out_of_turns_fails_after_a_warning() {
    let (ended, events) = run_in(
        World::with(|settings, crew| {
            settings.limits.turns = 5;
            crew.models = vec![endless()];
        })
        .await,
    )
    .await;
    assert_failed(&ended, &events, "OUT_OF_TURNS");
    assert_eq!(of_kind(&events, "USAGE_RECORDED").len(), 5);
    let warnings = of_kind(&events, "BUDGET_WARNING");
    assert_eq!(warnings.len(), 1, "one warning for one budget");
    assert_eq!(
        (&warnings[0]["budget"], &warnings[0]["used"], &warnings[0]["limit"]),
        (&json!("TURNS"), &json!(4), &json!(5))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_out_of_tokens_fails_and_its_usage_adds_up() {
    let (ended, events) = run_in(
        World::with(|settings, crew| {
            settings.limits.tokens = 60;
            crew.models = vec![endless()];
        })
        .await,
    )
    .await;
    assert_failed(&ended, &events, "OUT_OF_TOKENS");
    assert_eq!(of_kind(&events, "BUDGET_WARNING")[0]["budget"], "TOKENS");
    let sum = |field: &str| -> u64 {
        of_kind(&events, "USAGE_RECORDED").iter().filter_map(|event| event["usage"][field].as_u64()).sum()
    };
    assert_eq!(ended["usage"]["inputTokens"], sum("inputTokens"));
    assert_eq!(ended["usage"]["outputTokens"], sum("outputTokens"));
    assert_eq!(ended["usage"]["totalTokens"], 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_out_of_time_fails_in_the_middle_of_a_tool() {
    let (world, _closed) = World::gated(|settings, _| settings.limits.wall_time = Duration::from_secs(1)).await;
    let (ended, events) = run_in(world).await;
    assert_failed(&ended, &events, "OUT_OF_TIME");
}

/// A model whose provider is out of order.
struct Broken(bool);

impl Model for Broken {
    fn name(&self) -> &'static str {
        "test/broken"
    }

    fn reply<'a>(&'a self, _: &'a Conversation) -> BoxFuture<'a, Result<Reply>> {
        async move {
            assert!(!self.0, "a fault of the model's own");
            Err(Error::unavailable("the provider's secret address did not answer"))
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_fails_its_run_without_telling_what_is_inside() {
    let (ended, events) = run_in(World::with(|_, crew| crew.models = vec![Arc::new(Broken(false))]).await).await;
    assert_failed(&ended, &events, "AGENT_FAILED");
    assert!(!ended.to_string().contains("secret address"), "{ended:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_panics_fails_its_run() {
    let (ended, events) = run_in(World::with(|_, crew| crew.models = vec![Arc::new(Broken(true))]).await).await;
    assert_failed(&ended, &events, "AGENT_FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_there_is_not_and_input_that_it_does_not_take_are_told_to_the_model() {
    let (ended, events) = run_in(
        World::with(|_, crew| {
            crew.models = vec![Scripted::new("test/clumsy", |turn, _| match turn {
                0 => calls(
                    0,
                    &[
                        ("no_such_tool", json!({})),
                        ("read_file", json!({ "area": "attic" })),
                        ("read_file", json!({ "area": "drive", "path": "absent.md" })),
                    ],
                ),
                _ => says("gave up"),
            })];
        })
        .await,
    )
    .await;
    assert_eq!(ended["answer"], "gave up");
    let returned = of_kind(&events, "TOOL_RETURNED");
    assert_eq!(returned.len(), 3);
    for event in returned {
        assert_eq!(event["isError"], true);
        assert!(event["output"]["error"].is_string(), "{event:#}");
    }
}
