//! Doorbells: something changed, look again.
//!
//! A ring carries no data. Whoever hears it reads the committed rows; whoever misses it finds them at the next slow look.
//! Listen first and read then, and nothing falls between the two.
//!
//! Where several processes share a database, a [`bridge`] carries the rings from each to the others.

pub mod bridge;
mod outbox;
mod rings;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::watch;

use self::{outbox::Outbox, rings::Rings};
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
    /// Another process may have changed what watchers of projects are told. (What this one changes they hear from the store.)
    Changes,
}

/// All doorbells of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Hints {
    bells: Arc<Mutex<Bells>>,
    /// What goes over the bridge, if there is one.
    outbox: Arc<OnceLock<Arc<Outbox>>>,
}

type Bells = HashMap<Topic, watch::Sender<()>>;

impl Hints {
    fn bells(&self) -> MutexGuard<'_, Bells> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears every ring of `topic` from now on; rings that come while the listener is busy count as one.
    pub fn listen(&self, topic: Topic) -> Listener {
        let bell = self.bells().entry(topic).or_insert_with(|| watch::Sender::new(())).subscribe();
        Listener { bell, topic, hints: self.clone() }
    }

    /// Rings, in all processes on the database. Nobody waits for the others to hear it.
    pub fn ring(&self, topic: Topic) {
        self.ring_here(topic);
        if let Some(outbox) = self.outbox.get() {
            outbox.put(topic);
        }
    }

    /// Rings in this process alone.
    pub fn ring_here(&self, topic: Topic) {
        if let Some(bell) = self.bells().get(&topic) {
            bell.send_replace(());
        }
    }

    /// Rings here for what rang elsewhere.
    fn pass_on(&self, rings: &Rings) {
        match rings {
            Rings::These(topics) => topics.iter().for_each(|topic| self.ring_here(*topic)),
            Rings::Everything => self.bells().values().for_each(|bell| bell.send_replace(())),
        }
    }

    /// What goes over the bridge, from now on.
    fn bridged(&self) -> Arc<Outbox> {
        self.outbox.get_or_init(Arc::default).clone()
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

    #[tokio::test]
    async fn what_rang_elsewhere_rings_here_and_goes_no_further() {
        let hints = Hints::default();
        let outbox = hints.bridged();
        let run = Topic::Run(RunId::new());
        let (mut queue, mut runs) = (hints.listen(Topic::Queue), hints.listen(run));
        hints.pass_on(&Rings::Everything);
        tokio::join!(queue.heard(), runs.heard());
        hints.pass_on(&Rings::These([run].into()));
        runs.heard().await;
        hints.ring_here(Topic::Queue);
        queue.heard().await;
        assert!(outbox.take().is_empty());
        hints.ring(run);
        hints.ring(run);
        assert_eq!(outbox.take(), Rings::These([run].into()));
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
