//! How streams end when it is not the run that ends.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{closed, last_of};
use crate::world::{
    PATIENCE, World,
    live::FOLLOW,
    promise::{PROMISED, TRIES, quickest},
    runs::waiting_runs,
};

fn assert_told(last: &Value, code: &str) {
    assert_eq!(last["errors"][0]["extensions"]["code"], code, "{last:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_closes_its_streams_and_no_others() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let (amy, other_token) = (world.user("amy").await, world.user("amy").await);
    let run = waiting_runs(&amy, &gate, 1).await.remove(0);
    let mut socket = amy.socket().await;
    socket.subscribe("1", FOLLOW, json!({ "run": run })).await;
    socket.next().await.expect("the past");
    let mut stream = amy.follow(&run, None).await;
    stream.next().await.expect("the past");
    let stays = other_token.follow(&run, None).await;
    world.revoke(&amy).await;
    let (code, reason) = closed(&mut socket, PATIENCE).await;
    assert_eq!(code, 4403);
    assert!(reason.contains("revoked"), "{reason}");
    assert_told(&last_of(&mut stream).await, "UNAUTHENTICATED");
    gate.open();
    let rest = stays.until_the_end().await;
    assert_eq!(rest.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
    world.stop().await;
}

/// The tokens are revoked in the database alone, as another process does it: only the server's own look finds that.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_closes_what_it_has_open_within_a_second() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let run = waiting_runs(&world.user("amy").await, &gate, 1).await.remove(0);
    let mut open = Vec::new();
    for _ in 0..TRIES {
        let token = world.user("amy").await;
        let mut stream = token.follow(&run, None).await;
        stream.next().await.expect("the past");
        open.push((token.socket().await, stream, token));
    }
    let quickest = quickest(open, async |(mut socket, mut stream, token)| {
        world.revoke(&token).await;
        let gone = async {
            let (code, _) = closed(&mut socket, PATIENCE).await;
            // A browser tells its page of the closing only when the connection is gone.
            assert_eq!(socket.next().await, None);
            code
        };
        let (code, last) = tokio::join!(gone, last_of(&mut stream));
        assert_eq!(code, 4403);
        assert_told(&last, "UNAUTHENTICATED");
    });
    assert!(quickest.await <= PROMISED);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_closes_its_streams() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let amy = world.user_until("amy", Some(Duration::from_secs(5))).await;
    let run = waiting_runs(&amy, &gate, 1).await.remove(0);
    let mut socket = amy.socket().await;
    socket.subscribe("1", FOLLOW, json!({ "run": run })).await;
    let mut stream = amy.follow(&run, None).await;
    assert_eq!(closed(&mut socket, Duration::from_secs(12)).await.0, 4403);
    assert_told(&last_of(&mut stream).await, "UNAUTHENTICATED");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_tells_its_followers_and_the_next_one_goes_on() {
    let (mut world, gate) = World::gated(|_, _| {}).await;
    let amy = world.user("amy").await;
    let run = waiting_runs(&amy, &gate, 1).await.remove(0);
    let mut socket = amy.socket().await;
    socket.subscribe("1", FOLLOW, json!({ "run": run })).await;
    let mut stream = amy.follow(&run, None).await;
    let past = stream.next().await.expect("the past");
    let cursor = past["data"]["runEvents"]["endCursor"].as_str().expect("a cursor").to_owned();
    let telling = async { tokio::join!(last_of(&mut stream), closed(&mut socket, Duration::from_secs(5))) };
    let asked = Instant::now();
    let (told, ()) = tokio::join!(telling, world.restart());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    let (last, (code, reason)) = told;
    assert_told(&last, "UNAVAILABLE");
    assert_eq!(code, 1012, "{reason}");
    gate.open();
    let rest = amy.at(&world).follow(&run, Some(&cursor)).await.until_the_end().await;
    let numbers: Vec<u64> = rest.iter().map(|(sequence, _)| *sequence).collect();
    let first = cursor.parse::<u64>().expect("a number") + 1;
    assert_eq!(numbers, (first..first + rest.len() as u64).collect::<Vec<_>>());
    assert_eq!(rest[0].1, "RUN_RESUMED");
    assert_eq!(rest.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_leaves_its_history_readable() {
    let (world, gate) = World::gated(|_, _| {}).await;
    let amy = world.user("amy").await;
    let run = waiting_runs(&amy, &gate, 1).await.remove(0);
    let follower = amy.follow(&run, None).await;
    let query = "query($run: ID!) { run(id: $run) { session { id } } }";
    let session = amy.ask(query, json!({ "run": run })).await["run"]["session"]["id"].take();
    amy.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
    let events = follower.until_the_end().await;
    assert_eq!(events.last().map(|(_, kind)| kind.as_str()), Some("RUN_CANCELLED"));
    assert_eq!(amy.follow(&run, None).await.until_the_end().await, events);
    world.stop().await;
}
