//! A queue before one task: many ask, one does what is asked in its order.

use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, Result};

/// How much may wait; more callers wait for a place.
const PLACES: usize = 4096;

enum Message<T> {
    Order(T),
    Close(oneshot::Sender<()>),
}

/// The way to the task. Cheap to clone.
pub(super) struct Queue<T>(mpsc::Sender<Message<T>>);

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Queue<T> {
    /// A queue, and the task's end of it.
    pub(super) fn new() -> (Self, Inbox<T>) {
        let (queue, messages) = mpsc::channel(PLACES);
        (Self(queue), Inbox { messages, closing: Vec::new() })
    }

    /// Queues an order and waits for what comes of it.
    pub(super) async fn ask<A>(&self, order: T, answer: oneshot::Receiver<Result<A>>) -> Result<A> {
        let closed = || Error::unavailable("the store is closed");
        self.0.send(Message::Order(order)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Has the task finish what is queued, then stop.
    pub(super) async fn close(&self) {
        let (done, answer) = oneshot::channel();
        if self.0.send(Message::Close(done)).await.is_ok() {
            let _ = answer.await;
        }
    }
}

/// The task's end of the queue.
pub(super) struct Inbox<T> {
    messages: mpsc::Receiver<Message<T>>,
    closing: Vec<oneshot::Sender<()>>,
}

impl<T> Inbox<T> {
    /// Waits for orders, and takes at most so many; `None` when the task is to stop.
    pub(super) async fn next(&mut self, most: usize) -> Option<Vec<T>> {
        if !self.closing.is_empty() {
            return None;
        }
        let mut messages = Vec::new();
        let count = self.messages.recv_many(&mut messages, most).await;
        (count > 0).then(|| messages.into_iter().filter_map(|message| self.order(message)).collect())
    }

    /// What is in the queue at this moment.
    pub(super) fn at_once(&mut self) -> impl Iterator<Item = T> {
        std::iter::from_fn(|| {
            while let Ok(message) = self.messages.try_recv() {
                if let Some(order) = self.order(message) {
                    return Some(order);
                }
            }
            None
        })
    }

    /// Takes no more: whoever comes now is told that the store is closed. Those who asked for the close wait until the answer
    /// is dropped.
    pub(super) fn shut(self) -> Vec<oneshot::Sender<()>> {
        self.closing
    }

    fn order(&mut self, message: Message<T>) -> Option<T> {
        match message {
            Message::Order(order) => Some(order),
            Message::Close(done) => {
                self.closing.push(done);
                None
            }
        }
    }
}
