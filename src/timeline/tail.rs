//! One tail reader per run and process: the newest committed rows, decoded once, for all who follow.
//!
//! The reader starts with the first follower and ends with the last. At a ring of the run's bell it reads the new rows and
//! puts them into a ring bounded in bytes. A follower at the tail takes from there; one that is behind reads the table until
//! it has caught up, so it is never skipped and never holds the writer up.
//!
//! The ring keeps the rows in the pieces in which they came, and hands out a piece at a time as long as a follower is not far
//! behind: so followers in step get the same batches, and who asked the same can be answered once.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::watch;

use super::{BATCH_BYTES, BATCH_EVENTS, Timeline};
use crate::{
    hint::Topic,
    model::{event::Event, id::RunId, scope::Viewer},
    store::event::{self, Span},
};

/// Bytes of bodies that the ring holds at the most; the newest event is always there.
const RING_BYTES: usize = 256 << 10;
/// What is read at once: about a batch.
const READ: Span = Span { rows: BATCH_EVENTS, bytes: BATCH_BYTES };
/// Pieces by which a follower may lag and still be handed one at a time. One that is further behind is given more at once: it
/// has lost step anyhow.
const IN_STEP: usize = 8;
/// The slow look, for changes whose bell rang in another process.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// The tails of this process, by run.
#[derive(Default)]
pub(super) struct Tails(Mutex<HashMap<RunId, Weak<Tail>>>);

/// How far a timeline has been read, and whether that is its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: i64,
    pub(super) ended: bool,
}

pub(super) struct Tail {
    ring: Mutex<Ring>,
    head: watch::Sender<Head>,
    run: RunId,
    /// Where it is listed until its last follower goes.
    tails: Arc<Tails>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        let mut tails = self.tails.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody may have begun to follow the run again in this moment, with a tail of their own.
        if tails.get(&self.run).is_some_and(|tail| tail.strong_count() == 0) {
            tails.remove(&self.run);
        }
    }
}

#[derive(Default)]
struct Ring {
    /// In a row, oldest first, none of them empty.
    pieces: VecDeque<Piece>,
    bytes: usize,
}

impl Ring {
    /// The events after a sequence to the end of their piece, or as many as a batch holds if many pieces follow; `None` if the
    /// first of them is not here any more.
    fn after(&self, sequence: i64) -> Option<Vec<Arc<Event>>> {
        let next = self.pieces.partition_point(|piece| piece.last() <= sequence);
        let mut events = self.pieces.get(next)?.after(sequence).to_vec();
        if events.first()?.sequence.get() != sequence + 1 {
            return None;
        }
        let following = self.pieces.range(next + 1..);
        if following.len() > IN_STEP {
            for event in following.flat_map(|piece| &piece.events).take(BATCH_EVENTS.saturating_sub(events.len())) {
                events.push(event.clone());
            }
        }
        Some(events)
    }
}

/// Events that fit into one batch.
#[derive(Default)]
struct Piece {
    events: Vec<Arc<Event>>,
    bytes: usize,
}

impl Piece {
    /// Cuts events that were read together into as few pieces as possible.
    fn cut(events: Vec<Event>) -> Vec<Self> {
        let mut pieces: Vec<Self> = Vec::new();
        for event in events {
            match pieces.last_mut() {
                Some(piece) if piece.bytes + event.size <= BATCH_BYTES => piece.push(event),
                _ => {
                    let mut piece = Self::default();
                    piece.push(event);
                    pieces.push(piece);
                }
            }
        }
        pieces
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.size;
        self.events.push(Arc::new(event));
    }

    fn last(&self) -> i64 {
        self.events.last().map_or(0, |event| event.sequence.get())
    }

    /// Those of its events that come after a sequence.
    fn after(&self, sequence: i64) -> &[Arc<Event>] {
        let seen = self.events.partition_point(|event| event.sequence.get() <= sequence);
        &self.events[seen..]
    }
}

/// What the ring has for a follower.
pub(super) enum Taken {
    /// Events after its place, oldest first.
    Events(Vec<Arc<Event>>),
    /// It is at the tail.
    Nothing,
    /// It is behind the ring: the table has what it needs.
    Behind,
}

impl Tail {
    /// The tail of a run, whose events up to `from` its owner has just seen committed.
    pub(super) fn of(timeline: &Timeline, owner: Viewer, run: RunId, from: Head) -> Arc<Self> {
        let mut tails = timeline.tails.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tail) = tails.get(&run).and_then(Weak::upgrade) {
            return tail;
        }
        let tail = Arc::new(Self {
            ring: Mutex::default(),
            head: watch::Sender::new(from),
            run,
            tails: timeline.tails.clone(),
        });
        tails.insert(run, Arc::downgrade(&tail));
        if !from.ended {
            tokio::spawn(read(timeline.clone(), owner, run, Arc::downgrade(&tail)));
        }
        tail
    }

    pub(super) fn head(&self) -> watch::Receiver<Head> {
        self.head.subscribe()
    }

    pub(super) fn take(&self, after: i64) -> Taken {
        if after >= self.head.borrow().sequence {
            return Taken::Nothing;
        }
        self.ring().after(after).map_or(Taken::Behind, Taken::Events)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, events: Vec<Event>) {
        let Some(last) = events.last() else { return };
        let head = Head { sequence: last.sequence.get(), ended: last.body.is_terminal() };
        let mut ring = self.ring();
        for piece in Piece::cut(events) {
            ring.bytes += piece.bytes;
            ring.pieces.push_back(piece);
        }
        while ring.bytes > RING_BYTES && ring.pieces.len() > 1 {
            if let Some(oldest) = ring.pieces.pop_front() {
                ring.bytes -= oldest.bytes;
            }
        }
        drop(ring);
        self.head.send_replace(head);
    }
}

/// Reads a run's new rows into its ring, until the run has ended or nobody follows.
async fn read(timeline: Timeline, owner: Viewer, run: RunId, tail: Weak<Tail>) {
    let mut bell = timeline.hints.listen(Topic::Run(run));
    loop {
        let Some(present) = tail.upgrade() else { break };
        match more(&timeline, &owner, run, &present).await {
            Ok(true) => {}
            Ok(false) => {
                if present.head.borrow().ended {
                    break;
                }
                drop(present);
                let _ = tokio::time::timeout(SLOW_LOOK, bell.heard()).await;
            }
            Err(error) => {
                tracing::warn!(%run, ?error, "the timeline cannot be read just now");
                drop(present);
                tokio::time::sleep(SLOW_LOOK).await;
            }
        }
    }
}

/// Reads the next rows; says whether there may be more at once.
async fn more(timeline: &Timeline, owner: &Viewer, run: RunId, tail: &Tail) -> crate::error::Result<bool> {
    let after = tail.head.borrow().sequence;
    let mut conn = timeline.store.read().await?;
    let events = event::after(&mut conn, owner, run, after, READ).await?;
    let some = !events.is_empty();
    tail.push(events);
    Ok(some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        hint::Hints,
        model::{
            event::{Notice, NoticeLevel},
            id::UserId,
            user::UserRole,
        },
        store::{Location, Store},
    };

    /// A ring of pieces of one event each, from sequence 1.
    fn ring(pieces: u64) -> Ring {
        let event = |sequence: u64| Event {
            run_id: RunId::new(),
            sequence: sequence.into(),
            at: chrono::DateTime::default(),
            body: Notice { level: NoticeLevel::Info, text: "said".into() }.into(),
            size: 10,
        };
        Ring { pieces: (1..=pieces).flat_map(|sequence| Piece::cut(vec![event(sequence)])).collect(), bytes: 0 }
    }

    fn sequences(events: Option<Vec<Arc<Event>>>) -> Vec<i64> {
        events.unwrap_or_default().iter().map(|event| event.sequence.get()).collect()
    }

    #[test]
    fn who_is_in_step_gets_a_piece_and_who_lags_gets_many() {
        let mut ring = ring(20);
        assert_eq!(sequences(ring.after(15)), [16]);
        assert_eq!(sequences(ring.after(2)), (3..=20).collect::<Vec<_>>());
        ring.pieces.pop_front();
        assert!(ring.after(0).is_none(), "the first has left the ring");
        assert!(ring.after(20).is_none());
    }

    #[tokio::test]
    async fn the_last_follower_takes_the_tail_away() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&Location::Sqlite(folder.path().join("rows"))).await.unwrap();
        let timeline = Timeline::new(store.clone(), Hints::default());
        let viewer = Viewer::authenticated(UserId::new(), UserRole::User, None);
        let listed = || timeline.tails.0.lock().unwrap().len();
        for ended in [true, false] {
            let run = RunId::new();
            let follow = || Tail::of(&timeline, viewer, run, Head { sequence: 3, ended });
            let (one, other) = (follow(), follow());
            assert!(Arc::ptr_eq(&one, &other), "they share it");
            drop(one);
            assert_eq!(listed(), 1);
            drop(other);
            // Its reader may hold it for the moment of a look.
            let gone = async {
                while listed() > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), gone).await.expect("the tail goes");
        }
        store.close().await;
    }
}
