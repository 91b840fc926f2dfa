//! Following a timeline: what is there already, then what comes, without a seam.

use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::sync::watch;

use super::{
    Timeline,
    tail::{Head, Tail, Taken},
};
use crate::{
    error::{Error, Result},
    model::{
        event::{Event, RunEventType},
        page::{PageRequest, Take},
        run::Run,
        scope::Viewer,
    },
    store::event,
};

/// Events in a batch at the most.
const BATCH_EVENTS: usize = 500;
/// Bytes of bodies in a batch at the most, unless its first event alone is larger.
const BATCH_BYTES: usize = 64 << 10;
/// Rows that a follower reads at once when it is behind.
const ROWS: i64 = 128;

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
        let follower = Follower { timeline: self.clone(), viewer, run, types, tail, head, at: after };
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
            let here = *self.head.borrow_and_update();
            let events = match self.tail.take(self.at, BATCH_EVENTS) {
                Taken::Events(events) => events,
                Taken::Behind => self.read().await?,
                Taken::Nothing if here.ended => return Ok(None),
                Taken::Nothing => {
                    // The tail lives as long as its followers, so this fails only when the process ends.
                    self.head.changed().await.map_err(Error::unavailable)?;
                    continue;
                }
            };
            if let Some(batch) = self.batch(events) {
                return Ok(Some(batch));
            }
        }
    }

    async fn read(&self) -> Result<Vec<Arc<Event>>> {
        let request = PageRequest { size: ROWS, after: Some(self.at), before: None, take: Take::First };
        let mut conn = self.timeline.store.read().await?;
        let page = event::page(&mut conn, &self.viewer, self.run.id, None, &request).await?;
        if page.items.is_empty() {
            // Its rows are gone although the run had them: the project is being deleted.
            return Err(Error::not_found("run"));
        }
        Ok(page.items.into_iter().map(Arc::new).collect())
    }

    /// Moves on over as many events as fit in a batch; `None` if none of them was asked for.
    fn batch(&mut self, events: Vec<Arc<Event>>) -> Option<Batch> {
        let mut shown = Vec::new();
        let mut bytes = 0;
        for event in events {
            if !self.asks_for(&event) {
                self.at = event.sequence.get();
                continue;
            }
            bytes += event.size;
            if bytes > BATCH_BYTES && !shown.is_empty() {
                break;
            }
            self.at = event.sequence.get();
            shown.push(event);
        }
        (!shown.is_empty()).then_some(Batch { events: shown, end: self.at })
    }

    fn asks_for(&self, event: &Event) -> bool {
        let Some(types) = &self.types else { return true };
        event.body.is_terminal() || types.contains(&event.body.kind())
    }
}
