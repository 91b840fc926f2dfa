//! Following a timeline: what is there already, then what comes, without a seam.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::{
    BATCH_BYTES, BATCH_EVENTS, Timeline,
    tail::{Head, Tail, Taken},
};
use crate::{
    error::{Error, Result},
    model::{
        event::{Event, RunEventType},
        run::Run,
        scope::Viewer,
    },
    store::event::{self, Span},
};

/// What a follower reads at once when it is behind.
const READ: Span = Span { rows: 128, bytes: 256 << 10 };

/// Some events in a row, as they were there when the follower looked.
#[derive(Clone, Debug)]
pub struct Batch {
    /// At least one, oldest first; those that were asked for.
    pub events: Vec<Arc<Event>>,
    /// Where to go on: after this sequence. Events that were not asked for count too.
    pub end: i64,
}

struct Follower {
    timeline: Timeline,
    viewer: Viewer,
    run: Run,
    types: Option<Vec<RunEventType>>,
    tail: Arc<Tail>,
    head: watch::Receiver<Head>,
    /// Delivered up to here.
    at: i64,
    /// Read and not delivered yet: what did not fit into the batch before.
    backlog: VecDeque<Arc<Event>>,
}

impl Timeline {
    /// Follows a run of the viewer's from after the sequence `after`. The stream ends after the event that ends the run.
    ///
    /// An `after` beyond the last event is an error: a cursor is never bent to fit.
    pub fn follow(
        &self,
        viewer: Viewer,
        run: Run,
        after: i64,
        types: Option<Vec<RunEventType>>,
    ) -> Result<impl Stream<Item = Result<Batch>> + use<>> {
        let last = run.last_sequence.get();
        if after > last {
            return Err(Error::invalid(format!(
                "The cursor \"{after}\" is beyond the run's last event, which is \"{last}\"."
            ))
            .at(["after"]));
        }
        let tail = Tail::of(self, viewer, run.id, Head { sequence: last, ended: run.status.is_ended() });
        let head = tail.head();
        let follower =
            Follower { timeline: self.clone(), viewer, run, types, tail, head, at: after, backlog: VecDeque::new() };
        Ok(stream::unfold(Some(follower), |follower| async {
            let mut follower = follower?;
            match follower.next().await {
                Ok(Some(batch)) => Some((Ok(batch), Some(follower))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

impl Follower {
    /// The next batch with something in it, or `None` after the end.
    async fn next(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.batch() {
                return Ok(Some(batch));
            }
            let here = *self.head.borrow_and_update();
            match self.tail.take(self.at) {
                Taken::Events(events) => self.backlog = events.into(),
                Taken::Behind => self.backlog = self.read().await?,
                Taken::Nothing if here.ended => return Ok(None),
                // The tail lives as long as its followers, so this fails only when the process ends.
                Taken::Nothing => self.head.changed().await.map_err(Error::unavailable)?,
            }
        }
    }

    async fn read(&self) -> Result<VecDeque<Arc<Event>>> {
        let mut conn = self.timeline.store.read().await?;
        let events = event::after(&mut conn, &self.viewer, self.run.id, self.at, READ).await?;
        if events.is_empty() {
            // Its rows are gone although the run had them: the project is being deleted.
            return Err(Error::not_found("run"));
        }
        Ok(events.into_iter().map(Arc::new).collect())
    }

    /// Moves on over as many events of the backlog as fit in a batch; `None` if none of them was asked for.
    fn batch(&mut self) -> Option<Batch> {
        let mut shown = Vec::new();
        let mut bytes = 0;
        while let Some(event) = self.backlog.pop_front() {
            let wanted = self.asks_for(&event);
            let full = bytes + event.size > BATCH_BYTES || shown.len() == BATCH_EVENTS;
            if wanted && full && !shown.is_empty() {
                self.backlog.push_front(event);
                break;
            }
            self.at = event.sequence.get();
            if wanted {
                bytes += event.size;
                shown.push(event);
            }
        }
        (!shown.is_empty()).then_some(Batch { events: shown, end: self.at })
    }

    fn asks_for(&self, event: &Event) -> bool {
        let Some(types) = &self.types else { return true };
        event.body.is_terminal() || types.contains(&event.body.kind())
    }
}
