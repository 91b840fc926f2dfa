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
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, Response, ServerResult, Value, parser::types::Field,
    registry::Registry,
};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use crate::model::scope::Viewer;

/// Answers that an audience remembers.
const REMEMBERED: usize = 16;
/// The largest text that is remembered, in bytes.
const LARGEST: usize = 256 << 10;

/// How long the members of an audience rely on each other.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How old an answer may be that is told to another: an answer says how things are now.
    pub fresh: Duration,
    /// How long one waits for another's execution before executing oneself. The other may be held up by a client that does not
    /// read, and nobody is to wait for that.
    pub patience: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { fresh: Duration::from_secs(1), patience: Duration::from_millis(250) }
    }
}

/// What an answer is about: the first and the last sequence of its batch.
type Span = (i64, i64);
type Text = Arc<RawValue>;
/// Who asked, and the hash of what.
type Key = (Viewer, [u8; 32]);

/// The audiences of this process. Cheap to clone.
#[derive(Clone, Default)]
pub struct Audiences {
    present: Arc<Mutex<HashMap<Key, Weak<Audience>>>>,
    terms: Terms,
}

/// Those who asked the same.
struct Audience {
    key: Key,
    answers: Mutex<VecDeque<Answer>>,
    audiences: Audiences,
}

/// An answer that was begun; the text is there when it was serialised without errors.
#[derive(Clone)]
struct Answer {
    span: Span,
    begun: Instant,
    text: Arc<OnceLock<Text>>,
    /// One executes at a time.
    turn: Arc<Semaphore>,
}

/// Where the field and the transport of one subscriber meet: what was asked, and what is to be sent just now.
pub struct Seat {
    question: [u8; 32],
    told: Mutex<Told>,
}

#[derive(Default)]
enum Told {
    /// Nothing: the subscriber executes for itself alone.
    #[default]
    Nothing,
    /// It executes, and the others wait as long as it holds the turn.
    ToTell(Arc<OnceLock<Text>>, OwnedSemaphorePermit),
    /// Another has executed this.
    Text(Text),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Audiences {
    /// Audiences on these terms.
    pub fn on(terms: Terms) -> Self {
        Self { terms, ..Self::default() }
    }

    /// Takes a place among those who asked the same. It is left by dropping it.
    pub(super) fn join(&self, viewer: Viewer, seat: &Arc<Seat>) -> Arc<Member> {
        let key = (viewer, seat.question);
        let mut present = lock(&self.present);
        let audience = present.get(&key).and_then(Weak::upgrade).unwrap_or_else(|| {
            let audience = Arc::new(Audience { key, answers: Mutex::default(), audiences: self.clone() });
            present.insert(key, Arc::downgrade(&audience));
            audience
        });
        Arc::new(Member { audience, seat: seat.clone(), since: Mutex::new(Instant::now()) })
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        let mut present = lock(&self.audiences.present);
        // Somebody may have asked the same in this moment, and have an audience of their own.
        if present.get(&self.key).is_some_and(|audience| audience.strong_count() == 0) {
            present.remove(&self.key);
        }
    }
}

impl Audience {
    /// The answer about `span` that was begun since then, if it is still fresh; otherwise a new one.
    fn answer(&self, span: Span, since: Instant) -> Answer {
        let mut answers = lock(&self.answers);
        answers.retain(|answer| answer.begun.elapsed() < self.audiences.terms.fresh);
        if let Some(answer) = answers.iter().find(|answer| answer.span == span && answer.begun >= since) {
            return answer.clone();
        }
        if answers.len() == REMEMBERED {
            answers.pop_front();
        }
        let answer = Answer { span, begun: Instant::now(), text: Arc::default(), turn: Arc::new(Semaphore::new(1)) };
        answers.push_back(answer.clone());
        answer
    }
}

/// A subscriber in its audience. One `Arc` of the audience is one subscriber: that is how it is counted.
pub(super) struct Member {
    audience: Arc<Audience>,
    seat: Arc<Seat>,
    /// An answer that was begun before is not told: things never seem to go back.
    since: Mutex<Instant>,
}

impl Member {
    /// Whether another has executed this already; then there is nothing to execute, and the seat has the answer.
    async fn is_told(&self, span: Span) -> bool {
        // Whoever is alone has nobody to share with, and keeps nothing.
        let told = if Arc::strong_count(&self.audience) == 1 {
            lock(&self.audience.answers).clear();
            Told::Nothing
        } else {
            let answer = self.audience.answer(span, *lock(&self.since));
            let told = self.wait_for(&answer).await;
            *lock(&self.since) = if matches!(told, Told::Nothing) { Instant::now() } else { answer.begun };
            told
        };
        let is_told = matches!(told, Told::Text(_));
        *lock(&self.seat.told) = told;
        is_told
    }

    async fn wait_for(&self, answer: &Answer) -> Told {
        let told = || answer.text.get().cloned().map(Told::Text);
        if let Some(told) = told() {
            return told;
        }
        let turn = timeout(self.audience.audiences.terms.patience, answer.turn.clone().acquire_owned()).await;
        // Looked at before the turn: it may have been told while the one whose turn came next did not look.
        match (told(), turn) {
            (Some(told), _) => told,
            (None, Ok(Ok(turn))) => Told::ToTell(answer.text.clone(), turn),
            (None, _) => Told::Nothing,
        }
    }
}

impl Seat {
    /// A seat for a subscriber with this operation: its document, name and variables.
    pub fn new(question: &[u8]) -> Arc<Self> {
        Arc::new(Self { question: Sha256::digest(question).into(), told: Mutex::default() })
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
            Told::ToTell(telling, turn) if response.errors.is_empty() => {
                let text: Text = text(response)?.into();
                if text.get().len() <= LARGEST {
                    telling.get_or_init(|| text.clone());
                }
                drop(turn);
                Some(text)
            }
            Told::ToTell(..) | Told::Nothing => None,
        }
    }
}

/// One object of a stream, which those who asked the same share.
pub(super) struct Shared<T> {
    pub(super) object: T,
    /// What it is about.
    pub(super) span: Span,
    /// The subscriber in its audience, where the transport has given it a seat.
    pub(super) member: Option<Arc<Member>>,
}

impl<T: OutputType> OutputType for Shared<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        if let Some(member) = &self.member
            && member.is_told(self.span).await
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

    type Seated = (Arc<Seat>, Arc<Member>);

    fn viewer() -> Viewer {
        Viewer::authenticated(UserId::new(), UserRole::User, None)
    }

    fn audiences() -> Audiences {
        Audiences::on(Terms { fresh: Duration::from_mins(1), patience: Duration::from_millis(20) })
    }

    fn text(said: &str) -> Option<Box<RawValue>> {
        serde_json::value::to_raw_value(said).ok()
    }

    /// Sits down with a question.
    fn seated(audiences: &Audiences, viewer: Viewer, question: &str) -> Seated {
        let seat = Seat::new(question.as_bytes());
        let member = audiences.join(viewer, &seat);
        (seat, member)
    }

    /// What a subscriber is sent about `span`, if it is a shared text; its own would be `own`.
    async fn sent((seat, member): &Seated, span: Span, own: &str) -> Option<String> {
        member.is_told(span).await;
        seat.share(&Response::new(Value::Null), |_| text(own)).map(|text| text.get().to_owned())
    }

    #[tokio::test]
    async fn those_who_asked_the_same_are_told_the_same() {
        let (audiences, amy) = (audiences(), viewer());
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
        assert!(lock(&audiences.present).is_empty(), "nothing is left");
    }

    #[tokio::test]
    async fn an_answer_from_before_is_not_told() {
        let (audiences, amy) = (audiences(), viewer());
        let (one, two) = (seated(&audiences, amy, "q"), seated(&audiences, amy, "q"));
        sent(&one, (1, 1), "old").await;
        let three = seated(&audiences, amy, "q");
        assert_eq!(sent(&three, (1, 1), "new").await.as_deref(), Some("\"new\""), "it came after the answer");
        for answer in lock(&two.1.audience.answers).iter_mut() {
            answer.begun = answer.begun.checked_sub(audiences.terms.fresh).expect("a clock that runs");
        }
        assert_eq!(sent(&two, (1, 1), "newer").await.as_deref(), Some("\"newer\""), "the answer is too old");
    }

    #[tokio::test]
    async fn things_never_seem_to_go_back() {
        let (audiences, amy) = (audiences(), viewer());
        let (quick, late) = (seated(&audiences, amy, "q"), seated(&audiences, amy, "q"));
        assert!(!quick.1.is_told((1, 1)).await);
        let ahead = seated(&audiences, amy, "q");
        sent(&ahead, (2, 2), "early").await;
        assert_eq!(sent(&late, (1, 1), "own").await, None, "the quick one is held up, so it looks for itself");
        assert_eq!(sent(&late, (2, 2), "later").await.as_deref(), Some("\"later\""), "what it saw was later");
    }

    #[tokio::test]
    async fn who_fails_or_goes_or_is_held_up_holds_up_nobody() {
        let (audiences, amy) = (audiences(), viewer());
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

    #[tokio::test]
    async fn what_nobody_else_needs_is_not_kept() {
        let (audiences, amy) = (audiences(), viewer());
        let (one, two) = (seated(&audiences, amy, "q"), seated(&audiences, amy, "q"));
        let large = "x".repeat(LARGEST);
        assert!(sent(&one, (1, 1), &large).await.is_some(), "it is sent");
        assert_eq!(sent(&two, (1, 1), "own").await.as_deref(), Some("\"own\""), "but not remembered");
        drop(two);
        assert_eq!(sent(&one, (2, 2), "alone").await, None);
        assert!(lock(&one.1.audience.answers).is_empty());
    }
}
