//! Doorbells: something changed, look again.
//!
//! A ring carries no data. Whoever hears it reads the committed rows; whoever misses it finds them at the next slow look.
//! Listen first and read then, and nothing falls between the two.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::model::id::RunId;

/// What can have changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A run's timeline.
    Run(RunId),
    /// There may be a run to claim.
    Queue,
    /// A running run may have been asked to stop, or its lease may be lost.
    Cancellations,
    /// There may be a deleted project to sweep up after.
    Deletions,
}

/// All doorbells of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hints(Arc<Mutex<HashMap<Topic, watch::Sender<()>>>>);

impl Hints {
    fn bells(&self) -> MutexGuard<'_, HashMap<Topic, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears every ring of `topic` from now on; rings that come while the listener is busy count as one.
    pub fn listen(&self, topic: Topic) -> Listener {
        let bell = self.bells().entry(topic).or_insert_with(|| watch::Sender::new(())).subscribe();
        Listener { bell, topic, hints: self.clone() }
    }

    /// Rings.
    pub fn ring(&self, topic: Topic) {
        if let Some(bell) = self.bells().get(&topic) {
            bell.send_replace(());
        }
    }
}

/// Hears one topic. The last listener takes the bell away with it.
pub struct Listener {
    bell: watch::Receiver<()>,
    topic: Topic,
    hints: Hints,
}

impl Listener {
    /// Waits for the next ring, for ever if need be.
    pub async fn heard(&mut self) {
        if self.bell.changed().await.is_err() {
            // A bell stays while it has listeners, so this is the end of the process.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let mut bells = self.hints.bells();
        if bells.get(&self.topic).is_some_and(|bell| bell.receiver_count() == 1) {
            bells.remove(&self.topic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_ring_before_the_wait_is_heard() {
        let hints = Hints::default();
        let mut listener = hints.listen(Topic::Queue);
        hints.ring(Topic::Queue);
        hints.ring(Topic::Queue);
        listener.heard().await;
        let silence = tokio::time::timeout(Duration::from_millis(20), listener.heard()).await;
        assert!(silence.is_err(), "two rings in one absence count as one");
    }

    #[test]
    fn the_last_listener_takes_the_bell_away() {
        let hints = Hints::default();
        let topic = Topic::Run(RunId::new());
        let (one, other) = (hints.listen(topic), hints.listen(topic));
        drop(one);
        assert_eq!(hints.bells().len(), 1);
        drop(other);
        assert!(hints.bells().is_empty());
    }
}
