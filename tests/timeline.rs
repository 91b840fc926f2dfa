//! The stream contract: one timeline, the same over query, WebSocket and server-sent events, from every place, exactly once.

mod cursor;
mod ends;
mod following;
mod kinds;
mod model;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::world::{
    PATIENCE, User,
    live::{Events, Socket},
};

/// Follows a run and says how far each batch goes.
const BATCHES: &str = "subscription($run: ID!, $after: String, $types: [RunEventType!]) {
    runEvents(runId: $run, after: $after, types: $types) { endCursor events { sequence type at } run { status } } }";

/// The first message that a socket's subscription gets.
async fn first_over_socket(user: &User, query: &str, variables: Value) -> Value {
    let mut socket = user.socket().await;
    socket.subscribe("1", query, variables).await;
    socket.next().await.expect("a message")
}

/// How a stream ended: the last answer before `complete`.
async fn last_of(events: &mut Events) -> Value {
    let mut last = json!(null);
    while let Some(answer) = events.next().await {
        last = answer;
    }
    last
}

/// Reads a socket until the server closes it; answers with the code and the reason.
async fn closed(socket: &mut Socket, within: Duration) -> (u16, String) {
    let reading = async { while socket.next().await.is_some() {} };
    timeout(within.min(PATIENCE), reading).await.expect("the socket is closed in time");
    let frame = socket.closed.as_ref().expect("a close frame");
    (u16::from(frame.code), frame.reason.to_string())
}
