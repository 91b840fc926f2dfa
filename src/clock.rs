//! Time and ids: the only caller of the system's clock and of its id generator.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use uuid::Uuid;

/// The present, in whole microseconds.
///
/// PostgreSQL keeps microseconds and SQLite would keep nanoseconds; cutting here makes a value equal to itself after a
/// round trip through either.
#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

/// A new id: a UUID version 7, so that ids sort by the time of their making.
#[expect(clippy::disallowed_methods, reason = "the one place")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// `then` minus `earlier` in whole milliseconds, zero when the wall clock was set back between the two.
pub fn millis_between(earlier: DateTime<Utc>, then: DateTime<Utc>) -> u64 {
    u64::try_from((then - earlier).num_milliseconds()).unwrap_or(0)
}

/// `instant` moved on by `by`, or the end of time if that overflows.
pub fn after(instant: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(by)
        .ok()
        .and_then(|by| instant.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// `instant` moved back by `by`, or the beginning of time if that overflows.
pub fn before(instant: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(by)
        .ok()
        .and_then(|by| instant.checked_sub_signed(by))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}
