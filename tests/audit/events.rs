//! Server-sent events.

use std::{sync::atomic::Ordering, time::Duration};

use reqwest::Response;
use serde_json::json;
use tokio::time::{sleep, timeout};
use workroom::http::graphql::gate::Ended;

use super::server::{Server, client};

async fn events(server: &Server, query: &str) -> Response {
    let request = client().post(server.url()).header("accept", "text/event-stream");
    request.header("accept-encoding", "gzip").json(&json!({ "query": query })).send().await.expect("an answer")
}

async fn rest(response: Response) -> String {
    timeout(Duration::from_secs(5), response.text()).await.expect("the stream ends").expect("text")
}

#[tokio::test]
async fn each_result_is_an_event_and_the_end_is_told() {
    let server = Server::start();
    let response = events(&server, "subscription { counter(to: 2) { n } }").await;
    assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
    assert_eq!(response.headers()["content-encoding"], "identity");
    let expected = "event: next\ndata: {\"data\":{\"counter\":{\"n\":1}}}\n\nevent: next\ndata: {\"data\":{\"counter\":{\"n\":2}}}\n\nevent: complete\ndata:\n\n";
    assert_eq!(rest(response).await, expected);
    let query = rest(events(&server, "{ viewer }").await).await;
    assert_eq!(query, "event: next\ndata: {\"data\":{\"viewer\":\"nobody\"}}\n\nevent: complete\ndata:\n\n");
}

#[tokio::test]
async fn a_quiet_stream_shows_that_it_lives() {
    let server = Server::with(|endpoint| endpoint.limits.heartbeat = Duration::from_millis(50));
    let text = rest(events(&server, "subscription { counter(to: 1, everyMs: 300) { n } }").await).await;
    assert!(text.starts_with(":\n\n:\n\n"), "{text}");
}

#[tokio::test]
async fn a_stream_ends_with_the_reason_when_its_token_ends() {
    let server = Server::start();
    let response = events(&server, "subscription { counter(to: 1000000, everyMs: 10) { n } }").await;
    server.gate.end.send_replace(Some(Ended { reason: "The token was revoked.".into() }));
    let text = rest(response).await;
    let end = "event: next\ndata: {\"errors\":[{\"message\":\"The token was revoked.\",\"extensions\":{\"code\":\"UNAUTHENTICATED\"}}]}\n\nevent: complete\ndata:\n\n";
    assert!(text.ends_with(end), "{text}");
}

#[tokio::test]
async fn a_stopping_server_ends_its_streams_and_still_answers() {
    let server = Server::start();
    let response = events(&server, "subscription { counter(to: 1000000, everyMs: 10) { n } }").await;
    server.shutdown.cancel();
    let text = rest(response).await;
    assert!(text.contains("UNAVAILABLE") && text.ends_with("event: complete\ndata:\n\n"), "{text}");
    let answer = client().post(server.url()).json(&json!({ "query": "{ viewer }" })).send().await.expect("an answer");
    assert!(answer.status().is_success());
}

#[tokio::test]
async fn a_reader_that_stalls_or_leaves_costs_little() {
    const RESULT: usize = 60_000;
    let server = Server::with(|endpoint| endpoint.limits.send = Duration::from_millis(500));
    let counts = &server.gate.counts;
    let response = events(&server, &format!("subscription {{ flood(bytes: {RESULT}) }}")).await;
    let dropped = async {
        while counts.flooded.load(Ordering::SeqCst) == 0 || counts.alive.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), dropped).await.expect("a stalled stream is dropped");
    let made = counts.flooded.load(Ordering::SeqCst) * RESULT;
    assert!(made < 24 << 20, "{made} bytes were made for nobody");
    drop(response);

    let response = events(&server, "subscription { counter(to: 1000000, everyMs: 1) { n } }").await;
    drop(response);
    let left = async {
        while counts.alive.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), left).await.expect("a stream without a reader is dropped");
}
