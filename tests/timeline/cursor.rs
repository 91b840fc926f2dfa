//! Going on from a cursor.

use serde_json::{Value, json};

use super::{BATCHES, first_over_socket, last_of};
use crate::world::{
    User, World,
    crew::{Scripted, calls, echo, says},
    engine::on_engines,
    live::{FOLLOW, events_of},
    runs::{assert_whole, kind},
};

/// A model that takes some turns with some calls each.
fn busy(turns: usize, calls_each: usize) -> std::sync::Arc<Scripted> {
    Scripted::new("test/busy", move |turn, _| {
        let list = ("list_files", json!({ "area": "drive" }));
        if turn < turns { calls(turn, &vec![list; calls_each]) } else { says("done") }
    })
}

async fn told(user: &User, run: &str) -> Vec<(u64, String)> {
    let events = user.whole_timeline(run).await;
    assert_whole(&events);
    events.iter().map(|event| (event["sequence"].as_u64().expect("a number"), kind(event).to_owned())).collect()
}

on_engines! {
    async fn every_cursor_gives_exactly_the_rest_over_all_three_ways(engine) {
        let world = engine.world(|_, crew| crew.models = vec![busy(2, 2)]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Cursors").await;
        let run = amy.finished_run(&project, "Go.").await;
        let all = told(&amy, &run).await;
        let query = "query($run: ID!, $after: String) { run(id: $run) { events(first: 500, after: $after) { nodes { sequence type } } } }";
        for after in 0..=all.len() {
            let cursor = after.to_string();
            let rest = &all[after..];
            assert_eq!(amy.follow(&run, Some(&cursor)).await.until_the_end().await, rest, "SSE after {after}");
            assert_eq!(amy.over_socket(&run, Some(&cursor)).await, rest, "WebSocket after {after}");
            let data = amy.ask(query, json!({ "run": run, "after": cursor })).await;
            let paged = json!({ "data": { "runEvents": { "events": data["run"]["events"]["nodes"] } } });
            assert_eq!(events_of(&paged), rest, "query after {after}");
        }
        world.stop().await;
    }

    async fn a_cursor_that_is_none_is_an_error_over_all_three_ways(engine) {
        let world = engine.world(|_, crew| crew.models = vec![echo()]).await;
        let amy = world.user("amy").await;
        let project = amy.project("Beyond").await;
        let run = amy.finished_run(&project, "Go.").await;
        let beyond = (told(&amy, &run).await.len() + 1).to_string();
        for cursor in [beyond.as_str(), "-1", "+1", "1.0", "", "x", "99999999999999999999"] {
            let variables = json!({ "run": run, "after": cursor });
            let query = "query($run: ID!, $after: String) { run(id: $run) { events(after: $after) { nodes { sequence } } } }";
            let answer = amy.answer(query, variables.clone()).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "query {cursor}: {answer:#}");
            let answer = last_of(&mut amy.events(FOLLOW, variables.clone()).await).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "SSE {cursor}: {answer:#}");
            let message = first_over_socket(&amy, FOLLOW, variables).await;
            assert_eq!(code(&message), "BAD_USER_INPUT", "WebSocket {cursor}: {message:#}");
        }
        world.stop().await;
    }
}

/// The code of the error in a socket's message, be it an `error` or a `next` with errors.
fn code(message: &Value) -> &str {
    let errors = if message["type"] == "error" { &message["payload"] } else { &message["payload"]["errors"] };
    errors[0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("{message:#}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn anothers_run_and_an_invented_one_are_equally_not_there() {
    let world = World::with(|_, crew| crew.models = vec![echo()]).await;
    let (amy, bob) = (world.user("amy").await, world.user("bob").await);
    let project = amy.project("Hers").await;
    let run = amy.finished_run(&project, "Go.").await;
    let invented = workroom::model::id::RunId::new().to_string();
    let mut answers = Vec::new();
    for target in [&run, &invented] {
        let answer = last_of(&mut bob.follow(target, None).await).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "NOT_FOUND", "{answer:#}");
        let message = first_over_socket(&bob, FOLLOW, json!({ "run": target })).await;
        assert_eq!(code(&message), "NOT_FOUND");
        answers.push((answer.to_string(), message.to_string()));
    }
    assert_eq!(answers[0], answers[1]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn types_hide_the_others_but_never_the_end_and_the_cursor_moves_over_what_is_hidden() {
    let world = World::with(|_, crew| crew.models = vec![busy(2, 2)]).await;
    let amy = world.user("amy").await;
    let project = amy.project("Types").await;
    let run = amy.finished_run(&project, "Go.").await;
    let all = told(&amy, &run).await;
    let shown = |wanted: &[&str]| -> Vec<(u64, String)> {
        all.iter().filter(|(_, kind)| wanted.contains(&kind.as_str()) || kind == "RUN_COMPLETED").cloned().collect()
    };
    for wanted in [&["TOOL_CALLED"][..], &["RUN_QUEUED", "RUN_STARTED"], &[]] {
        let mut stream = amy.events(BATCHES, json!({ "run": run, "types": wanted })).await;
        let (mut events, mut cursor) = (Vec::new(), 0);
        while let Some(answer) = stream.next().await {
            let batch = events_of(&answer);
            cursor = answer["data"]["runEvents"]["endCursor"].as_str().expect("a cursor").parse().expect("a number");
            assert!(cursor >= batch.last().expect("no empty batch").0);
            events.extend(batch);
        }
        assert_eq!(events, shown(wanted), "{wanted:?}");
        assert_eq!(cursor, all.len() as u64);
        let query = "query($run: ID!, $types: [RunEventType!]) { run(id: $run) { events(first: 500, types: $types) {
            totalCount nodes { sequence type } } } }";
        let data = amy.ask(query, json!({ "run": run, "types": wanted })).await;
        let paged = json!({ "data": { "runEvents": { "events": data["run"]["events"]["nodes"] } } });
        assert_eq!(events_of(&paged), shown(wanted), "{wanted:?}");
        assert_eq!(data["run"]["events"]["totalCount"], shown(wanted).len());
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_timeline_comes_in_bounded_batches_and_nothing_is_lost_between_them() {
    let world = World::with(|_, crew| crew.models = vec![busy(3, 400)]).await;
    let amy = world.user("amy").await;
    let project = amy.project("Long").await;
    let run = amy.start_run(&project, "Go.").await;
    let mut stream = amy.events(BATCHES, json!({ "run": run })).await;
    let (mut next, mut batches) = (1, 0);
    while let Some(answer) = stream.next().await {
        let batch = events_of(&answer);
        assert!((1..=500).contains(&batch.len()), "{}", batch.len());
        for (sequence, _) in &batch {
            assert_eq!(*sequence, next);
            next += 1;
        }
        assert_eq!(answer["data"]["runEvents"]["endCursor"], (next - 1).to_string());
        batches += 1;
    }
    assert!(next > 2_400, "{next}");
    assert!(batches > 5);
    let after = amy.follow(&run, Some("1000")).await.until_the_end().await;
    assert_eq!((after.first().map(|event| event.0), after.len() as u64), (Some(1001), next - 1 - 1000));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_bounded_in_bytes_unless_one_event_alone_is_larger() {
    let world = World::with(|_, crew| {
        crew.models = vec![Scripted::new("test/sizes", |turn, _| {
            let write =
                |size: usize| ("write_file", json!({ "area": "workspace", "path": "x.txt", "text": "x".repeat(size) }));
            if turn == 0 {
                calls(0, &[write(30_000), write(30_000), write(30_000), write(100_000)])
            } else {
                says("done")
            }
        })];
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Sizes").await;
    let run = amy.finished_run(&project, "Go.").await;
    let query =
        "subscription($run: ID!) { runEvents(runId: $run) { events { sequence type ... on ToolCalled { input } } } }";
    let mut stream = amy.events(query, json!({ "run": run })).await;
    let mut next = 1;
    while let Some(answer) = stream.next().await {
        let events = answer["data"]["runEvents"]["events"].as_array().expect("events");
        let bytes: usize = events.iter().map(|event| event["input"].to_string().len()).sum();
        assert!(bytes <= 64 << 10 || events.len() == 1, "{} events of {bytes} bytes", events.len());
        for event in events {
            assert_eq!(event["sequence"], next);
            next += 1;
        }
    }
    assert_eq!(next - 1, amy.whole_timeline(&run).await.len());
    world.stop().await;
}
