//! The run's log: append, tail, follow.
//!
//! The event table is the only truth; whatever is delivered was read from committed rows. `append` is the one door in.
//! `follow` is the way out for those who want to go on as it grows; a page is read with `store::event::page`.

pub mod append;
pub mod follow;
mod tail;

use std::sync::Arc;

use crate::{hint::Hints, store::Store};

/// Events in a batch at the most.
const BATCH_EVENTS: usize = 500;
/// Bytes of bodies in a batch at the most, unless its first event alone is larger.
const BATCH_BYTES: usize = 64 << 10;

/// The timelines of all runs, as this process sees them. Cheap to clone.
#[derive(Clone)]
pub struct Timeline {
    store: Store,
    hints: Hints,
    tails: Arc<tail::Tails>,
}

impl Timeline {
    /// The timelines in `store`; `hints` ring when one grows.
    pub fn new(store: Store, hints: Hints) -> Self {
        Self { store, hints, tails: Arc::default() }
    }
}
