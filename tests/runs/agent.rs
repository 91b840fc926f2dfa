//! What the agent is told and what it counts.

use serde_json::json;
use workroom::agent::model::Message;

use crate::world::{
    World,
    crew::{Scripted, calls, echo, says},
    id,
    runs::started,
};

#[tokio::test(flavor = "multi_thread")]
async fn follow_ups_see_the_sessions_earlier_prompts_and_answers_and_no_others() {
    let world = World::with(|_, crew| {
        crew.models = vec![Scripted::new("test/memory", |_, conversation| {
            let told: Vec<String> = conversation
                .messages
                .iter()
                .filter_map(|message| match message {
                    Message::User { text, .. } => Some(format!("Q:{text}")),
                    Message::Assistant { text, .. } => Some(format!("A:{}", text.len())),
                    _ => None,
                })
                .collect();
            says(&told.join(" "))
        })];
    })
    .await;
    let amy = world.user("amy").await;
    let (project, other) = (amy.project("Talk").await, amy.project("Other").await);
    amy.finished_run(&other, "elsewhere").await;
    let first = amy.finished_run(&project, "one").await;
    assert_eq!(amy.ended(&first).await["answer"], "Q:one");
    let second = amy.finished_run(&project, "two").await;
    assert_eq!(amy.ended(&second).await["answer"], "Q:one A:5 Q:two");
    let session = id(&amy.open_project(&project, None).await["session"]);
    amy.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
    let third = amy.finished_run(&project, "three").await;
    assert_eq!(amy.ended(&third).await["answer"], "Q:three", "a new session knows nothing of the one before");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_adds_up_and_names_its_model() {
    let world = World::with(|_, crew| {
        let chatty = Scripted::new("test/chatty", |turn, _| match turn {
            0 | 1 => calls(turn, &[("list_files", json!({ "area": "drive" }))]),
            _ => says("done"),
        });
        crew.models = vec![echo(), chatty];
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Usage").await;
    let run = started(&amy.start(&project, json!({ "model": "test/chatty" })).await);
    amy.ended(&run).await;
    let query = "query($run: ID!) { run(id: $run) { model usage { inputTokens outputTokens totalTokens }
        models { model usage { totalTokens } } } }";
    let data = amy.ask(query, json!({ "run": run })).await;
    assert_eq!(data["run"]["usage"], json!({ "inputTokens": 30, "outputTokens": 6, "totalTokens": 36 }));
    assert_eq!(data["run"]["models"], json!([{ "model": "test/chatty", "usage": { "totalTokens": 36 } }]));
    let refused = amy.start(&project, json!({ "model": "test/none" })).await;
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "model"]));
    world.stop().await;
}
