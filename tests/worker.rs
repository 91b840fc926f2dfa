//! Workers that die, stop, share a queue, and lose their database.

mod contract;
mod death;
mod outage;
mod outside;
pub mod process;
mod several;
mod takeover;

use serde_json::Value;

use crate::world::runs::{assert_whole, of_kind};

/// A whole timeline in which each call was made once and returned once.
pub fn assert_nothing_repeated(events: &[Value]) {
    assert_whole(events);
    for kind in ["TOOL_CALLED", "TOOL_RETURNED"] {
        let mut calls: Vec<&str> = of_kind(events, kind).iter().filter_map(|event| event["callId"].as_str()).collect();
        let count = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), count, "{kind}");
    }
}
