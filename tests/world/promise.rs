//! The promise of one second, measured so that a busy machine does not break it and a wrong interval does.

use std::time::{Duration, Instant};

/// Within which a cancellation reaches a tool, and the end of a token what it holds open.
pub const PROMISED: Duration = Duration::from_secs(1);
/// How often such a thing is tried.
pub const TRIES: usize = 5;

/// Does the same with one thing after another; how long the quickest took.
///
/// What waits for a look at intervals is over just after a look. So whoever tries again at once waits for one whole interval, and
/// no luck makes that shorter; only the first try begins at any time, and does not count. A machine with much to do slows some
/// tries, an interval that is too long slows all of them: hence the quickest.
pub async fn quickest<T>(things: impl IntoIterator<Item = T>, attempt: impl AsyncFn(T)) -> Duration {
    let mut took = Vec::new();
    for thing in things {
        let begun = Instant::now();
        attempt(thing).await;
        took.push(begun.elapsed());
    }
    println!("it took {took:?}");
    took.into_iter().skip(1).min().expect("two tries and more")
}
