//! PostgreSQL's gatherer: the appends of many runs in one transaction.
//!
//! Appends queue here. The gatherer commits what has queued up while the batch before was under way, in a handful of
//! statements however many runs it is of (see `batch`). An append whose run somebody else holds is put aside, and one whose
//! batch is undone is tried again; both then go on alone, each in a transaction of its own, and hold up no other.

mod batch;

use std::{collections::BTreeMap, sync::Arc};

use futures_util::FutureExt;
use sqlx::PgPool;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use self::batch::{Encoded, Outcome};
use super::{
    event::{self, Append},
    unit::{self, Failure},
};
use crate::{
    error::{Error, Result},
    model::id::RunId,
};

/// The most appends in one transaction: bounds how long the first of them waits for the last.
const BATCH: usize = 256;
/// The most bytes in one transaction; the first append is taken however large it is.
const BATCH_BYTES: usize = 1 << 20;
/// Appends that may wait; more callers wait for a place.
const QUEUE: usize = 4096;

enum Message {
    Append(Waiting),
    Close(oneshot::Sender<()>),
}

/// An append with its caller behind it.
struct Waiting {
    append: Arc<Encoded>,
    reply: oneshot::Sender<Result<Option<i64>>>,
}

impl Waiting {
    fn answer(self, outcome: Result<Option<i64>>) {
        // The caller may have stopped waiting; what is done is done all the same.
        let _ = self.reply.send(outcome);
    }
}

/// The way to the gatherer. Cheap to clone.
#[derive(Clone)]
pub(super) struct Gatherer(mpsc::Sender<Message>);

impl Gatherer {
    /// Starts the gatherer.
    pub(super) fn start(pool: PgPool) -> Self {
        let (queue, messages) = mpsc::channel(QUEUE);
        tokio::spawn(drain(pool, messages));
        Self(queue)
    }

    /// As [`super::Store::append`].
    pub(super) async fn append(&self, append: Append) -> Result<Option<i64>> {
        let closed = || Error::unavailable("the store is closed");
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting { append: Arc::new(Encoded::new(append)?), reply };
        self.0.send(Message::Append(waiting)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Finishes what is queued, then stops.
    pub(super) async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.0.send(Message::Close(done)).await.is_ok() {
            let _ = answer.await;
        }
    }
}

async fn drain(pool: PgPool, mut queue: mpsc::Receiver<Message>) {
    let alone = TaskTracker::new();
    let mut messages = Vec::with_capacity(BATCH);
    let mut closing = Vec::new();
    while closing.is_empty() && queue.recv_many(&mut messages, BATCH).await > 0 {
        let mut batch = Vec::with_capacity(messages.len());
        let mut bytes = 0;
        for message in messages.drain(..) {
            match message {
                Message::Append(waiting) => {
                    bytes += waiting.append.bytes();
                    if bytes > BATCH_BYTES && !batch.is_empty() {
                        bytes = waiting.append.bytes();
                        commit(&pool, std::mem::take(&mut batch), &alone).await;
                    }
                    batch.push(waiting);
                }
                Message::Close(done) => closing.push(done),
            }
        }
        commit(&pool, batch, &alone).await;
    }
    // Whoever comes now is told that the store is closed.
    drop(queue);
    alone.close();
    alone.wait().await;
    for done in closing {
        let _ = done.send(());
    }
}

/// Commits a batch and answers to all for whom that settles it; the others go on alone.
async fn commit(pool: &PgPool, batch: Vec<Waiting>, alone: &TaskTracker) {
    if batch.is_empty() {
        return;
    }
    let appends: Vec<_> = batch.iter().map(|waiting| Arc::clone(&waiting.append)).collect();
    let written = unit::transaction(pool, move |tx| async move { batch::write(tx, &appends).await }.boxed()).await;
    let mut aside: BTreeMap<RunId, Vec<Waiting>> = BTreeMap::new();
    let mut put_aside = |waiting: Waiting| aside.entry(waiting.append.run()).or_default().push(waiting);
    match written {
        Ok(outcomes) => {
            for (waiting, outcome) in batch.into_iter().zip(outcomes) {
                match outcome {
                    Outcome::Appended { last } => waiting.answer(Ok(Some(last))),
                    Outcome::Lost => waiting.answer(Ok(None)),
                    Outcome::Held => put_aside(waiting),
                }
            }
        }
        Err(Failure::Undone(error)) => {
            tracing::debug!(?error, appends = batch.len(), "a batch was undone, its appends are tried one by one");
            batch.into_iter().for_each(put_aside);
        }
        // Tried again, an append might be there twice; and what did not even begin would only wait as long once more.
        Err(Failure::Unknown(error) | Failure::NotBegun(error)) => {
            for waiting in batch {
                waiting.answer(Err(error.clone()));
            }
        }
    }
    for appends in aside.into_values() {
        alone.spawn(one_by_one(pool.clone(), appends));
    }
}

/// Commits appends of one run in their order, each in a transaction of its own.
async fn one_by_one(pool: PgPool, appends: Vec<Waiting>) {
    for waiting in appends {
        let append = Arc::clone(&waiting.append);
        let written =
            unit::on_postgres(&pool, move |tx| async move { event::append(tx, &append.append).await }.boxed()).await;
        waiting.answer(written);
    }
}
