//! Rings that wait for the bridge.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{Topic, rings::Rings};

/// What the other processes are still to be told.
#[derive(Default)]
pub(super) struct Outbox {
    rings: Mutex<Rings>,
    filled: Notify,
}

impl Outbox {
    fn rings(&self) -> MutexGuard<'_, Rings> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a ring.
    pub(super) fn put(&self, topic: Topic) {
        self.rings().add(topic);
        self.filled.notify_one();
    }

    /// Notes again what could not be told.
    pub(super) fn put_back(&self, rings: Rings) {
        self.rings().add_all(rings);
        self.filled.notify_one();
    }

    /// Takes all that is noted, which may be nothing.
    pub(super) fn take(&self) -> Rings {
        std::mem::take(&mut *self.rings())
    }

    /// Waits until something may be noted.
    pub(super) async fn filled(&self) {
        self.filled.notified().await;
    }
}
