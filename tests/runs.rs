//! Runs: asked for once or twice, queued, stopped, run again, at their limits; and what has ended stays.

mod agent;
mod busy;
mod cancel;
mod idempotency;
mod limits;
mod rerun;
