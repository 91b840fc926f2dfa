//! The first run: a document goes up, an agent reads it, its timeline is watched live, and what it made is opened.

use serde_json::json;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_watched_live_and_what_it_made_can_be_opened() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Supplier dispute").await;
    let uploaded =
        amy.upload(&project, &[("contract.md", b"# Terms\n\nLate sums bear interest at four per cent.\n")]).await;
    assert_eq!(uploaded["results"][0]["file"]["mediaType"], "text/markdown");
    let run = amy.start_run(&project, "What interest do late sums bear?").await;
    let watched = amy.follow(&run, None).await.until_the_end().await;
    let sequences: Vec<u64> = watched.iter().map(|(sequence, _)| *sequence).collect();
    assert_eq!(sequences, (1..=watched.len() as u64).collect::<Vec<_>>());
    assert_eq!(watched.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));

    let ended = amy.ended(&run).await;
    assert_eq!(ended["status"], "COMPLETED");
    assert!(ended["answer"].as_str().expect("an answer").contains("four per cent"), "{ended:#}");
    let artifact = &ended["artifacts"]["nodes"][0];
    let data = amy
        .ask(
            "query($id: ID!) { node(id: $id) { id ... on Artifact { text downloadUrl run { id } project { id } } } }",
            json!({ "id": artifact["id"] }),
        )
        .await;
    let url = data["node"]["downloadUrl"].as_str().expect("an address");
    let response = amy.http.get(url).send().await.expect("an answer");
    assert_eq!(response.headers()["x-content-type-options"], "nosniff");
    assert!(response.headers()["content-disposition"].to_str().expect("ASCII").starts_with("attachment"));
    assert_eq!(response.text().await.expect("text"), data["node"]["text"].as_str().expect("text"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_timeline_comes_over_query_socket_and_events() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Anything").await;
    let run = amy.start_run(&project, "Is there anything?").await;
    let live = amy.follow(&run, None).await.until_the_end().await;
    let kinds: Vec<String> = live.iter().map(|(_, kind)| kind.clone()).collect();
    assert_eq!(amy.timeline(&run).await, kinds);

    assert_eq!(amy.over_socket(&run, Some("2")).await, live[2..]);
    world.stop().await;
}
