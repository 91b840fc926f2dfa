//! Following a run while it goes.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::BATCHES;
use crate::world::{
    World,
    crew::{Gate, Scripted, Wait, calls, says},
    engine::on_engines,
    live::{Events, events_of},
    runs::{assert_whole, kind, started},
};

on_engines! {
    async fn fifty_followers_in_different_places_get_everything_exactly_once(engine) {
        let gate = Gate::closed();
        let world = engine.world(|_, crew| {
            crew.models = vec![Scripted::new("test/steps", |turn, _| match turn {
                0 => calls(0, &[("gate", json!({}))]),
                1..=8 => calls(turn, &[("wait", json!({ "ms": 5 })), ("wait", json!({ "ms": 5 }))]),
                _ => says("done"),
            })];
            crew.tools = vec![gate.clone(), std::sync::Arc::new(Wait::default())];
        }).await;
        let amy = world.user("amy").await;
        let project = amy.project("Crowd").await;
        let run = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let there = amy.whole_timeline(&run).await.len();
        let followers = join_all((0..50).map(|number| {
            let (amy, run) = (amy.clone(), run.clone());
            let after = number % (there + 1);
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(number as u64 * 4)).await;
                let events = if number % 2 == 0 {
                    amy.follow(&run, Some(&after.to_string())).await.until_the_end().await
                } else {
                    amy.over_socket(&run, Some(&after.to_string())).await
                };
                (after, events)
            })
        }));
        let opening = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            gate.open();
        };
        let (followers, ()) = tokio::join!(followers, opening);
        let all = amy.whole_timeline(&run).await;
        assert_whole(&all);
        let all: Vec<_> = all.iter().map(|event| (event["sequence"].as_u64().expect("a number"), kind(event).to_owned())).collect();
        for follower in followers {
            let (after, events) = follower.expect("a follower");
            assert_eq!(events, all[after..], "after {after}");
        }
        world.stop().await;
    }

    async fn followers_at_once_get_each_what_they_asked_for(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Together").await;
        let run = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let query = "subscription($run: ID!, $types: [RunEventType!]) { runEvents(runId: $run, types: $types) {
            endCursor events { sequence type } } }";
        let again = world.user("amy").await;
        let asked = [(&amy, json!(null)), (&amy, json!(["TOOL_CALLED"])), (&amy, json!(null)), (&again, json!(["TOOL_CALLED"]))];
        let followers = join_all(asked.iter().map(|(user, types)| user.events(query, json!({ "run": run, "types": types })))).await;
        gate.open();
        let seen = join_all(followers.into_iter().map(Events::until_the_end)).await;
        let all = amy.whole_timeline(&run).await;
        assert_eq!(seen[0].len(), all.len());
        assert_eq!(seen[0], seen[2]);
        assert_eq!(seen[1].iter().map(|(_, kind)| kind.as_str()).collect::<Vec<_>>(), ["TOOL_CALLED", "RUN_COMPLETED"]);
        assert_eq!(seen[1], seen[3]);
        world.stop().await;
    }

    async fn events_are_on_their_way_while_the_run_goes(engine) {
        let (world, gate) = engine.gated(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Live").await;
        let run = started(&amy.start(&project, json!({})).await);
        let mut stream = amy.events(BATCHES, json!({ "run": run })).await;
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(_, kind): &(u64, String)| kind != "TOOL_CALLED") {
            seen.extend(events_of(&stream.next().await.expect("a batch")));
        }
        // The gate is closed: what was seen up to now was seen before the end was written.
        assert_eq!(amy.status(&run).await, "RUNNING");
        gate.open();
        seen.extend(stream.until_the_end().await);
        assert_eq!(seen.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
        assert_eq!(seen.len(), amy.whole_timeline(&run).await.len());
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_does_not_hold_up_the_run_or_other_followers() {
    let world = World::with(|_, crew| {
        let big = "x".repeat(40_000);
        crew.models = vec![Scripted::new("test/large", move |turn, _| {
            let write = ("write_file", json!({ "area": "workspace", "path": "large.txt", "text": big }));
            if turn < 10 { calls(turn, &vec![write; 20]) } else { says("done") }
        })];
    })
    .await;
    let amy = world.user("amy").await;
    let project = amy.project("Stalled").await;
    let run = started(&amy.start(&project, json!({})).await);
    let query =
        "subscription($run: ID!) { runEvents(runId: $run) { events { sequence ... on ToolCalled { input } } } }";
    let body = json!({ "query": query, "variables": { "run": run } }).to_string();
    let address = world.house().address();
    let mut stalled = TcpStream::connect(address).await.expect("a connection");
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\naccept: text/event-stream\r\n\
        content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        amy.secret(),
        body.len()
    );
    stalled.write_all(request.as_bytes()).await.expect("the request is sent");
    let mut begin = [0; 12];
    stalled.read_exact(&mut begin).await.expect("the stream begins");
    assert_eq!(&begin, b"HTTP/1.1 200");
    let watched = amy.follow(&run, None).await.until_the_end().await;
    assert_eq!(watched.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
    assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
    let asked = Instant::now();
    world.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(10), "the server stops nevertheless: {:?}", asked.elapsed());
    drop(stalled);
}
