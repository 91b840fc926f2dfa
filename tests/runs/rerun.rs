//! Runs that repeat others.

use serde_json::json;

use crate::world::{
    World,
    crew::{Scripted, calls, echo, says},
    id,
    runs::started,
};

/// A model that reads `note.md` and answers with its text.
fn reader() -> std::sync::Arc<Scripted> {
    use workroom::agent::model::Message;
    Scripted::new("test/reader", |turn, conversation| {
        if turn == 0 {
            return calls(0, &[("read_file", json!({ "area": "drive", "path": "note.md" }))]);
        }
        match conversation.messages.last() {
            Some(Message::Tool { output, .. }) => says(output["text"].as_str().unwrap_or("no text")),
            other => says(&format!("{other:?}")),
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rerun_reads_its_pinned_files_as_they_were() {
    let world = World::with(|_, crew| crew.models = vec![reader()]).await;
    let amy = world.user("amy").await;
    let project = amy.project("Pinned").await;
    let uploaded = amy.upload(&project, &[("note.md", b"the first text\n")]).await;
    let file = id(&uploaded["results"][0]["file"]);
    let first = started(&amy.start(&project, json!({ "files": [file], "prompt": "Read." })).await);
    assert_eq!(amy.ended(&first).await["answer"], "the first text\n");
    amy.upload(&project, &[("note.md", b"another text\n")]).await;

    let same = amy.rerun(&first, json!({})).await;
    assert_eq!(same["run"]["rerunOf"]["id"], first.as_str());
    assert_eq!(same["run"]["prompt"], "Read.");
    assert_eq!(same["run"]["inputs"][0]["path"], "note.md");
    assert_eq!(amy.ended(&started(&same)).await["answer"], "the first text\n");
    let changed = amy.rerun(&first, json!({ "prompt": "Read it again." })).await;
    assert_eq!(changed["run"]["prompt"], "Read it again.");
    assert_eq!(amy.ended(&started(&changed)).await["answer"], "the first text\n");
    let fresh = amy.finished_run(&project, "Read what is there now.").await;
    assert_eq!(amy.ended(&fresh).await["answer"], "another text\n");

    let data = amy
        .ask("query($run: ID!) { run(id: $run) { reruns { totalCount nodes { id } } } }", json!({ "run": first }))
        .await;
    let expected = [started(&changed), started(&same)].map(|id| json!({ "id": id }));
    assert_eq!(data["run"]["reruns"]["nodes"], json!(expected), "newest first");
    assert_eq!(data["run"]["reruns"]["totalCount"], 2);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_run_can_be_repeated_or_cancelled() {
    let world = World::with(|_, crew| crew.models = vec![echo()]).await;
    let (amy, bob) = (world.user("amy").await, world.user("bob").await);
    let project = amy.project("Hers").await;
    let run = amy.finished_run(&project, "Say it.").await;
    let refused = bob.rerun(&run, json!({})).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "runId"]));
    let refused = bob.mutate("cancelRun", json!({ "runId": run }), "run { id }").await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND");
    world.stop().await;
}
