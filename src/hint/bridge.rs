//! The bridge to the other processes on the same database.
//!
//! What rings here is told to them, and what they tell is rung here. Both go over notifications of the database, each over a
//! connection of its own. A ring waits for nobody: it is noted, and one task tells what has been noted, at once when it had
//! nothing to do and otherwise when it comes to it, each topic once. When its connection is lost, what is noted waits.
//!
//! Who listens again has missed what rang in the meantime, so then every bell of this process is rung once. And each process
//! knocks now and then: who hears nothing for long, not even the own knock, has lost the connection without being told so.
//!
//! None of this has to work for anything to be right: whoever listens to a bell also looks by itself, only later.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Hints, Topic, outbox::Outbox, rings::Rings};
use crate::{
    clock,
    error::{Error, Result},
    store::{
        Store,
        notify::{self, Hearer, MOST_BYTES, Notifications, Notifier},
    },
};

/// What rings within this time of a notification waits for the next: many processes that append as fast as they can do not
/// busy the database with telling so.
const REST: Duration = Duration::from_millis(10);
/// The wait before the second attempt to connect again, the first being made at once; it doubles from attempt to attempt.
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// The longest wait before an attempt.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// A connection that lived so long was a good one: the next attempts begin in a hurry again.
const STEADY: Duration = Duration::from_secs(5);
/// How long what is still noted at the end may take to be told.
const FAREWELL: Duration = Duration::from_millis(500);

/// How a bridge notices that a connection has died without a word.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often a process knocks that has nothing to tell.
    pub knock: Duration,
    /// Who hears nothing for so long, with every process knocking, is not connected any more.
    pub silence: Duration,
}

/// Often enough to keep a quiet connection alive wherever it passes through, and no burden for an idle database.
impl Default for Pace {
    fn default() -> Self {
        Self { knock: Duration::from_secs(30), silence: Duration::from_secs(75) }
    }
}

/// A bridge that stands. Without it bells ring in their own process only.
pub struct Bridge {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// What both directions know.
#[derive(Clone)]
struct Side {
    notifications: Notifications,
    /// This process, in what it tells.
    me: Arc<str>,
    pace: Pace,
    stop: CancellationToken,
}

impl Bridge {
    /// Connects the bells of this process to those of the others on the database of `store`, in the background; `None` where
    /// there can be no others.
    pub fn start(hints: &Hints, store: &Store, pace: Pace) -> Option<Self> {
        let notifications = notify::of(store)?;
        let outbox = hints.bridged();
        let stop = CancellationToken::new();
        let me = clock::new_id().simple().to_string().into();
        let side = Side { notifications, me, pace, stop: stop.clone() };
        let mut tasks = JoinSet::new();
        tasks.spawn(side.clone().note_changes(store.changed(), outbox.clone()));
        tasks.spawn(side.clone().tell(outbox));
        tasks.spawn(side.hear(hints.clone()));
        Some(Self { tasks, stop })
    }

    /// Tells what is still noted, and takes leave.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let quiet = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(FAREWELL, quiet).await.is_err() {
            // They wait for a database that does not answer.
            self.tasks.shutdown().await;
        }
    }
}

impl Side {
    /// Notes for the others that something has changed here.
    async fn note_changes(self, mut changed: watch::Receiver<()>, outbox: Arc<Outbox>) {
        while let Some(Ok(())) = self.until_stopped(changed.changed()).await {
            outbox.put(Topic::Changes);
        }
    }

    /// Tells the others what rings here.
    async fn tell(self, outbox: Arc<Outbox>) {
        let mut line = Line::new("telling other processes of changes");
        while let Some(connected) = self.until_stopped(line.again(|| notify::notifier(&self.notifications))).await {
            let told = match connected {
                Ok(notifier) => self.tell_by(notifier, &outbox).await,
                Err(error) => Err(error),
            };
            let Err(error) = told else { return };
            line.is_lost(&error);
        }
    }

    /// Tells as long as this connection lives, or until the end.
    async fn tell_by(&self, mut notifier: Notifier, outbox: &Outbox) -> Result<()> {
        let mut knock = Instant::now();
        loop {
            let is_over = self.stop.is_cancelled();
            let rings = outbox.take();
            if !rings.is_empty() || Instant::now() >= knock {
                for text in rings.written(&self.me, MOST_BYTES) {
                    if let Err(error) = notify::send(&mut notifier, &text).await {
                        outbox.put_back(rings);
                        return Err(error);
                    }
                }
                knock = Instant::now() + self.pace.knock;
            }
            if is_over {
                notify::hang_up(notifier).await;
                return Ok(());
            }
            let next = async {
                sleep(REST).await;
                let _ = timeout_at(knock, outbox.filled()).await;
            };
            self.until_stopped(next).await;
        }
    }

    /// Rings here for what the others tell.
    async fn hear(self, hints: Hints) {
        let mut line = Line::new("hearing of changes by other processes");
        while let Some(connected) = self.until_stopped(line.again(|| notify::hearer(&self.notifications))).await {
            let heard = match connected {
                Ok(hearer) => self.hear_by(hearer, &hints).await,
                Err(error) => Err(error),
            };
            let Err(error) = heard else { return };
            line.is_lost(&error);
        }
    }

    /// Rings as long as this connection lives, or until the end.
    async fn hear_by(&self, mut hearer: Hearer, hints: &Hints) -> Result<()> {
        // From now on everything is heard; what came before may have been missed.
        hints.pass_on(&Rings::Everything);
        while let Some(heard) = self.until_stopped(timeout(self.pace.silence, notify::next(&mut hearer))).await {
            let text = heard.map_err(Error::unavailable)??;
            hints.pass_on(&Rings::read(&text, &self.me));
        }
        notify::stop_hearing(hearer).await;
        Ok(())
    }

    async fn until_stopped<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            () = self.stop.cancelled() => None,
            done = wait => Some(done),
        }
    }
}

/// One of the two connections, as the log tells of it: when it is lost and when it is back, once each.
struct Line {
    what: &'static str,
    since: Instant,
    failures: u32,
}

impl Line {
    fn new(what: &'static str) -> Self {
        Self { what, since: Instant::now(), failures: 0 }
    }

    /// Connects, the later the more often that has failed.
    async fn again<C>(&mut self, connect: impl AsyncFnOnce() -> Result<C>) -> Result<C> {
        if self.failures > 1 {
            sleep(FIRST_WAIT.saturating_mul(1 << (self.failures - 2).min(10)).min(LONGEST_WAIT)).await;
        }
        let connected = connect().await;
        self.since = Instant::now();
        if self.failures > 0 && connected.is_ok() {
            tracing::info!("{} works again", self.what);
        }
        connected
    }

    fn is_lost(&mut self, error: &Error) {
        if self.since.elapsed() >= STEADY {
            self.failures = 0;
        }
        if self.failures == 0 {
            tracing::warn!(?error, "{} does not work just now, so they are found a little later", self.what);
        }
        self.failures += 1;
    }
}
