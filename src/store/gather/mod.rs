//! PostgreSQL's gatherer: the appends of many runs in one transaction.
//!
//! Appends queue here. The gatherer commits what has queued up while the batch before was under way, in a handful of
//! statements however many runs it is of (see `batch`). An append whose run somebody else holds is put off to the next
//! batch, and put aside if it is held still; so are those whose batch is undone. What is put aside goes on alone, in a
//! transaction of its own, and holds up no batch.

mod batch;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, oneshot};
use tokio_util::task::TaskTracker;

use self::batch::Outcome;
use super::{
    event::{self, Prepared},
    queue::{Inbox, Queue},
    transaction::{Failure, Transactions},
};
use crate::{
    error::{Error, Result},
    model::id::RunId,
};

/// The most appends in one transaction: bounds how long the first of them waits for the last.
const BATCH: usize = 256;
/// The most bytes in one transaction; the first append is taken however large it is.
const BATCH_BYTES: usize = 1 << 20;
/// Appends that go alone at once. Each takes a connection, and may wait on it for a lock: most connections stay the readers'.
const ALONE: usize = 4;

/// An append with its caller behind it.
struct Waiting {
    append: Arc<Prepared>,
    reply: oneshot::Sender<Result<Option<i64>>>,
    /// A batch found its run held by somebody else.
    was_held: bool,
}

impl Waiting {
    fn answer(self, outcome: Result<Option<i64>>) {
        // The caller may have stopped waiting; what is done is done all the same.
        let _ = self.reply.send(outcome);
    }
}

/// The way to the gatherer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Gatherer(Queue<Waiting>);

impl Gatherer {
    /// Starts the gatherer.
    pub(super) fn start(transactions: Transactions) -> Self {
        let (queue, inbox) = Queue::new();
        let alone = Alone { transactions, places: Arc::new(Semaphore::new(ALONE)), tasks: TaskTracker::new() };
        tokio::spawn(Gathering { inbox, waiting: VecDeque::new(), alone }.drain());
        Self(queue)
    }

    /// As [`super::Store::append`].
    pub(super) async fn append(&self, append: Arc<Prepared>) -> Result<Option<i64>> {
        let (reply, answer) = oneshot::channel();
        self.0.ask(Waiting { append, reply, was_held: false }, answer).await
    }

    /// Finishes what is queued, then stops.
    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

/// The gatherer at work.
struct Gathering {
    inbox: Inbox<Waiting>,
    /// Taken from the inbox, for the next batches.
    waiting: VecDeque<Waiting>,
    alone: Alone,
}

impl Gathering {
    async fn drain(mut self) {
        loop {
            if self.waiting.is_empty() {
                let Some(orders) = self.inbox.next(BATCH).await else { break };
                self.waiting.extend(orders);
            }
            let free = BATCH.saturating_sub(self.waiting.len());
            self.waiting.extend(self.inbox.at_once().take(free));
            let batch = self.batch();
            if !batch.is_empty() {
                self.commit(batch).await;
            }
        }
        let _closing = self.inbox.shut();
        self.alone.tasks.close();
        self.alone.tasks.wait().await;
    }

    /// The longest waiting, as many as go into one transaction.
    fn batch(&mut self) -> Vec<Waiting> {
        let mut bytes = 0;
        let fits = |waiting: &&Waiting| {
            bytes += waiting.append.bytes();
            bytes <= BATCH_BYTES
        };
        let count = self.waiting.iter().take(BATCH).take_while(fits).count();
        self.waiting.drain(..count.max(1).min(self.waiting.len())).collect()
    }

    /// Commits a batch and answers to all for whom that settles it.
    async fn commit(&mut self, batch: Vec<Waiting>) {
        let appends: Vec<_> = batch.iter().map(|waiting| Arc::clone(&waiting.append)).collect();
        let written = self.alone.transactions.once(move |tx| async move { batch::write(tx, &appends).await }.boxed());
        match written.await {
            Ok(outcomes) => {
                let mut held = Vec::new();
                for (waiting, outcome) in batch.into_iter().zip(outcomes) {
                    match outcome {
                        Outcome::Appended { last } => waiting.answer(Ok(Some(last))),
                        Outcome::Lost => waiting.answer(Ok(None)),
                        Outcome::Held => held.push(waiting),
                    }
                }
                self.put_off(held);
            }
            Err(Failure::Undone(error)) => {
                tracing::debug!(?error, appends = batch.len(), "a batch was undone, its appends are tried one by one");
                self.alone.take(batch);
            }
            // Tried again, an append might be there twice.
            Err(Failure::Unknown(error)) => refuse(batch, &error),
            // What waits would only wait as long once more, and then for nothing.
            Err(Failure::NotBegun(error)) => {
                refuse(batch.into_iter().chain(self.waiting.drain(..)).chain(self.inbox.at_once()), &error);
            }
        }
    }

    /// Has appends whose runs are held wait for the next batch, for most are held for a moment. Those who have done so once go
    /// alone, and with them all that is behind them on the same run.
    fn put_off(&mut self, held: Vec<Waiting>) {
        let stuck: BTreeSet<RunId> =
            held.iter().filter(|waiting| waiting.was_held).map(|waiting| waiting.append.run()).collect();
        let (alone, again): (Vec<_>, Vec<_>) =
            held.into_iter().partition(|waiting| stuck.contains(&waiting.append.run()));
        self.alone.take(alone);
        for waiting in again.into_iter().rev() {
            self.waiting.push_front(Waiting { was_held: true, ..waiting });
        }
    }
}

fn refuse(appends: impl IntoIterator<Item = Waiting>, error: &Error) {
    for waiting in appends {
        waiting.answer(Err(error.clone()));
    }
}

/// Where appends go that no batch takes.
struct Alone {
    transactions: Transactions,
    places: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl Alone {
    /// Commits the appends of each run in their order, each in a transaction of its own.
    fn take(&self, appends: Vec<Waiting>) {
        let mut runs: BTreeMap<RunId, Vec<Waiting>> = BTreeMap::new();
        for waiting in appends {
            runs.entry(waiting.append.run()).or_default().push(waiting);
        }
        for appends in runs.into_values() {
            let (transactions, places) = (self.transactions.clone(), Arc::clone(&self.places));
            self.tasks.spawn(async move {
                for waiting in appends {
                    // The places are never closed; without one the append would go all the same.
                    let _place = places.acquire().await;
                    let append = Arc::clone(&waiting.append);
                    let written = transactions
                        .run(move |tx| async move { event::write(tx, &append.append, &append.entries).await }.boxed());
                    waiting.answer(written.await);
                }
            });
        }
    }
}
