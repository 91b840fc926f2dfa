//! Those who asked the same of a stream, and the answers that they share.
//!
//! Subscribers of one viewer with the same document and variables, who are in step, are to get the same answers. So the first of
//! them executes, what the transport serialises for it is left here, and the others are told that text. The hand-over goes through
//! a [`Seat`], which the transport puts into the request's data: `Shared` asks it whether there is anything to execute, and the
//! transport asks it what to send.
//!
//! Who is let in is no matter of this: each subscriber was admitted by itself, and is closed by itself.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, Response, ServerResult, Value, parser::types::Field,
    registry::Registry,
};
use serde_json::value::RawValue;
use tokio::{
    sync::{Mutex as Turns, OwnedMutexGuard},
    time::{Instant, timeout},
};

use crate::model::scope::Viewer;

/// Answers that an audience remembers.
const REMEMBERED: usize = 16;
/// How old an answer may be that is told to another: an answer says how things are now.
const FRESH: Duration = Duration::from_secs(1);
/// How long one waits for another's execution before executing oneself. The other may be held up by a client that does not
/// read, and nobody is to wait for that.
const PATIENCE: Duration = Duration::from_millis(250);

/// What an answer is about: the first and the last sequence of its batch.
type Span = (i64, i64);
type Text = Arc<RawValue>;
/// Held by the one who executes; then the text, or nothing if there was none to share.
type Telling = Arc<Turns<Option<Text>>>;

/// Who asked, and what.
type Key = (Viewer, Arc<str>);

/// The audiences of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Audiences(Arc<Mutex<HashMap<Key, Weak<Audience>>>>);

/// Those who asked the same.
pub struct Audience {
    key: Key,
    answers: Mutex<VecDeque<Answer>>,
    audiences: Audiences,
}

struct Answer {
    span: Span,
    begun: Instant,
    telling: Telling,
}

/// One subscriber's place: what it asked, and what it is told just now.
pub struct Seat {
    question: Arc<str>,
    told: Mutex<Told>,
}

#[derive(Default)]
enum Told {
    /// Nothing: it executes for itself alone.
    #[default]
    Nothing,
    /// It executes, and the others wait.
    ToTell(OwnedMutexGuard<Option<Text>>),
    /// Another has executed this.
    Text(Text),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Audiences {
    /// Takes a place among those who asked the same. It is left by dropping it.
    pub(super) fn join(&self, viewer: Viewer, seat: &Arc<Seat>) -> Arc<Place> {
        let key = (viewer, seat.question.clone());
        let mut audiences = lock(&self.0);
        let audience = audiences.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let audience = Arc::new(Audience { key: key.clone(), answers: Mutex::default(), audiences: self.clone() });
            audiences.insert(key, Arc::downgrade(&audience));
            audience
        });
        Arc::new(Place { audience, seat: seat.clone(), since: Instant::now() })
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let mut audiences = lock(&self.audiences.0);
        // Somebody may have asked the same in this moment, and have an audience of their own.
        if audiences.get(&self.key).is_some_and(|audience| audience.strong_count() == 0) {
            audiences.remove(&self.key);
        }
    }
}

impl Audience {
    /// The telling of the answer about `span` that was begun since then, if it is still fresh; otherwise a new one.
    fn telling(&self, span: Span, since: Instant) -> Telling {
        let mut answers = lock(&self.answers);
        let found = answers
            .iter()
            .find(|answer| answer.span == span && answer.begun >= since && answer.begun.elapsed() < FRESH);
        if let Some(answer) = found {
            return answer.telling.clone();
        }
        if answers.len() == REMEMBERED {
            answers.pop_front();
        }
        let telling = Telling::default();
        answers.push_back(Answer { span, begun: Instant::now(), telling: telling.clone() });
        telling
    }
}

/// A subscriber in its audience. One `Arc` of the audience is one subscriber: that is how it is counted.
pub(super) struct Place {
    audience: Arc<Audience>,
    seat: Arc<Seat>,
    since: Instant,
}

impl Place {
    /// Whether another has executed this already; then there is nothing to execute, and the seat has the answer.
    async fn is_told(&self, span: Span) -> bool {
        // Whoever is alone has nobody to share with, and keeps nothing.
        let told = if Arc::strong_count(&self.audience) == 1 {
            Told::Nothing
        } else {
            let telling = self.audience.telling(span, self.since);
            match timeout(PATIENCE, telling.lock_owned()).await {
                Ok(turn) => match &*turn {
                    Some(text) => Told::Text(text.clone()),
                    None => Told::ToTell(turn),
                },
                Err(_) => Told::Nothing,
            }
        };
        let is_told = matches!(told, Told::Text(_));
        *lock(&self.seat.told) = told;
        is_told
    }
}

impl Seat {
    /// A seat for a subscriber with this operation: its document, name and variables.
    pub fn new(question: String) -> Arc<Self> {
        Arc::new(Self { question: question.into(), told: Mutex::default() })
    }

    /// What the subscriber is to be sent instead of its own `response`, if it shares an answer: another's text, or what `text` makes
    /// of its own, which the others are then told. An answer with errors is not shared.
    pub fn share(
        &self,
        response: &Response,
        text: impl FnOnce(&Response) -> Option<Box<RawValue>>,
    ) -> Option<Arc<RawValue>> {
        match std::mem::take(&mut *lock(&self.told)) {
            Told::Text(text) => Some(text),
            Told::ToTell(mut turn) if response.errors.is_empty() => {
                let text: Text = text(response)?.into();
                *turn = Some(text.clone());
                Some(text)
            }
            Told::ToTell(_) | Told::Nothing => None,
        }
    }
}

/// One object of a stream, which those who asked the same share.
pub(super) struct Shared<T> {
    pub(super) object: T,
    /// What it is about.
    pub(super) span: Span,
    /// The subscriber's place, where the transport has given it a seat.
    pub(super) place: Option<Arc<Place>>,
}

impl<T: OutputType> OutputType for Shared<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        if let Some(place) = &self.place
            && place.is_told(self.span).await
        {
            // Never sent: the seat has the text that is.
            return Ok(Value::Null);
        }
        self.object.resolve(ctx, field).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{id::UserId, user::UserRole};

    fn viewer() -> Viewer {
        Viewer::authenticated(UserId::new(), UserRole::User, None)
    }

    fn text(said: &str) -> Option<Box<RawValue>> {
        serde_json::value::to_raw_value(said).ok()
    }

    /// Sits down with a question.
    fn seated(audiences: &Audiences, viewer: Viewer, question: &str) -> (Arc<Seat>, Arc<Place>) {
        let seat = Seat::new(question.into());
        let place = audiences.join(viewer, &seat);
        (seat, place)
    }

    /// What a subscriber is sent about `span`, if it is a shared text; its own would be `own`.
    async fn sent((seat, place): &(Arc<Seat>, Arc<Place>), span: Span, own: &str) -> Option<String> {
        place.is_told(span).await;
        seat.share(&Response::new(Value::Null), |_| text(own)).map(|text| text.get().to_owned())
    }

    #[tokio::test]
    async fn those_who_asked_the_same_are_told_the_same() {
        let (audiences, amy) = (Audiences::default(), viewer());
        let (one, two) = (seated(&audiences, amy, "q"), seated(&audiences, amy, "q"));
        let (else_asked, else_who) = (seated(&audiences, amy, "r"), seated(&audiences, viewer(), "q"));
        assert_eq!(sent(&one, (1, 2), "first").await.as_deref(), Some("\"first\""));
        assert_eq!(sent(&two, (1, 2), "second").await.as_deref(), Some("\"first\""));
        assert_eq!(sent(&two, (3, 3), "next").await.as_deref(), Some("\"next\""));
        assert_eq!(sent(&one, (3, 4), "longer").await.as_deref(), Some("\"longer\""));
        for other in [&else_asked, &else_who] {
            assert_eq!(sent(other, (1, 2), "own").await, None, "they are alone");
        }
        drop((one, two, else_asked, else_who));
        assert!(lock(&audiences.0).is_empty(), "nothing is left");
    }

    #[tokio::test]
    async fn an_answer_from_before_is_not_told() {
        let (audiences, amy) = (Audiences::default(), viewer());
        let (one, two) = (seated(&audiences, amy, "q"), seated(&audiences, amy, "q"));
        sent(&one, (1, 1), "old").await;
        let three = seated(&audiences, amy, "q");
        assert_eq!(sent(&three, (1, 1), "new").await.as_deref(), Some("\"new\""), "it came after the answer");
        for answer in lock(&two.1.audience.answers).iter_mut() {
            answer.begun = answer.begun.checked_sub(FRESH).expect("a clock that runs");
        }
        assert_eq!(sent(&two, (1, 1), "newer").await.as_deref(), Some("\"newer\""), "the answer is too old");
    }

    #[tokio::test]
    async fn who_fails_or_goes_or_is_held_up_holds_up_nobody() {
        let (audiences, amy) = (Audiences::default(), viewer());
        let (one, two) = (seated(&audiences, amy, "q"), seated(&audiences, amy, "q"));
        assert!(!one.1.is_told((1, 1)).await);
        let failed = Response::from_errors(vec![async_graphql::ServerError::new("failed", None)]);
        assert!(one.0.share(&failed, |_| text("no")).is_none());
        assert_eq!(sent(&two, (1, 1), "mine").await.as_deref(), Some("\"mine\""), "a failure is not shared");
        assert!(!one.1.is_told((2, 2)).await);
        assert_eq!(sent(&two, (2, 2), "alone").await, None, "the first is held up");
        let three = seated(&audiences, amy, "q");
        assert!(!three.1.is_told((3, 3)).await);
        drop(three);
        assert_eq!(sent(&two, (3, 3), "after").await.as_deref(), Some("\"after\""), "the first has gone");
    }
}
