//! A reader who comes back with its cursor, and checks each event that it is told.

use std::time::Duration;

use serde_json::json;
use tokio::time::sleep;

use super::place::Guest;
use crate::world::live::{FOLLOW, events_of};

/// Reads a run to its end, coming back after each break; it is told every event once, in order. Answers with the kinds.
pub async fn read(mut guest: Guest, run: String) -> (String, Vec<String>) {
    let mut kinds = Vec::new();
    loop {
        let cursor = (!kinds.is_empty()).then(|| kinds.len().to_string());
        let user = guest.here().await;
        let Some(mut stream) = user.try_events(FOLLOW, json!({ "run": run, "after": cursor })).await else {
            sleep(Duration::from_millis(10)).await;
            continue;
        };
        loop {
            match stream.piece().await {
                Some(Some(answer)) if answer["errors"].is_array() => break,
                Some(Some(answer)) => {
                    for (sequence, kind) in events_of(&answer) {
                        assert_eq!(sequence, kinds.len() as u64 + 1, "a reader of {run} is told of {kind}");
                        kinds.push(kind);
                    }
                }
                Some(None) => return (run, kinds),
                None => break,
            }
        }
    }
}
