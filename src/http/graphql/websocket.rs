//! The `graphql-transport-ws` protocol.
//!
//! One task per socket does everything in turn: it reads a message, or takes one result, or sends a ping. While a
//! message is on its way out nothing else is asked for, so a client that stops reading costs one result and the
//! socket's buffers, and is dropped when the message has not left in time. The token's end and the server's stop are
//! looked at first, also while a message waits to leave.
//!
//! Close codes: 4400 malformed message, 4401 `subscribe` before `connection_init`, 4403 refused or token ended, 4406
//! subprotocol not spoken, 4408 no `connection_init` in time, 4409 id in use, 4429 second `connection_init`, 4500 fault
//! of ours; 1002, 1007 and 1009 for broken, ill-encoded and oversized frames; 1012 the server stops, 1013 try later.

use std::{collections::HashMap, io, pin::Pin, time::Duration};

use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use async_graphql::Executor;
use futures_util::{
    Stream, StreamExt,
    stream::{self, SelectAll},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::{
    sync::oneshot,
    time::{Instant, interval_at, sleep, timeout},
};
use tracing::Instrument;

use super::{
    Endpoint,
    answer::{Answer, failure, json},
    bearer, execute, frames,
    gate::{Admission, Gate},
    request::Params,
};
use crate::error::{Error, Kind};

const PROTOCOL: &str = "graphql-transport-ws";
/// How long the closing of a socket may take, handshake included.
const FAREWELL: Duration = Duration::from_secs(1);
/// Longest id of an operation, in bytes.
const ID_BYTES: usize = 256;

/// What a client sends.
#[derive(Deserialize)]
struct Incoming {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    payload: Option<Value>,
}

/// What we send.
#[derive(Serialize)]
struct Outgoing<'a, P> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<P>,
}

/// Why a socket is left.
enum End {
    /// We close it, with this code and reason.
    Close(u16, String),
    /// The client closed it with this code; it is answered in kind.
    Closed(Option<CloseReason>),
    /// Nobody is there any more.
    Gone,
}

impl End {
    fn close(code: u16, reason: impl Into<String>) -> Self {
        Self::Close(code, reason.into())
    }

    fn malformed() -> Self {
        Self::close(4400, "Invalid message received")
    }

    fn stopping() -> Self {
        Self::close(1012, "The server is stopping")
    }
}

type Step = Result<(), End>;

/// One step of one operation.
enum Progress {
    Result(String, Answer),
    Done(String),
}

struct Socket<E, G> {
    endpoint: Endpoint<E, G>,
    session: Session,
    /// The token of the upgrade's own header, for clients that can send one.
    token: Option<String>,
    admission: Option<Admission>,
    /// The operations that run; dropping the sender stops one.
    running: HashMap<String, oneshot::Sender<()>>,
    results: SelectAll<Pin<Box<dyn Stream<Item = Progress>>>>,
    /// Pings since the last sign of life.
    missed: u32,
}

/// Answers the upgrade and serves the socket in a task of its own.
pub(super) fn upgrade<E: Executor, G: Gate>(
    endpoint: &Endpoint<E, G>,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, actix_web::Error> {
    let frame = endpoint.limits.frame;
    let payload = frames::guard(request, payload, frame)?;
    let (response, session, messages) = actix_ws::handle_with_protocols(request, payload, &[PROTOCOL])?;
    let spoken = response.headers().contains_key(actix_web::http::header::SEC_WEBSOCKET_PROTOCOL);
    let mut messages = messages.max_frame_size(frame).aggregate_continuations().max_continuation_size(frame);
    let mut socket = Socket {
        endpoint: endpoint.clone(),
        session,
        token: bearer(request.headers()).map(str::to_owned),
        admission: None,
        running: HashMap::new(),
        results: SelectAll::new(),
        missed: 0,
    };
    let serve = async move {
        let end =
            if spoken { socket.serve(&mut messages).await } else { End::close(4406, "Subprotocol not acceptable") };
        socket.leave(end, messages).await;
    };
    actix_web::rt::spawn(serve.instrument(tracing::Span::current()));
    Ok(response)
}

/// Waits for the end of the token; for ever as long as there is none.
async fn ended(admission: &mut Option<Admission>) -> End {
    match admission {
        Some(admission) => End::Close(4403, admission.ended().await.reason),
        None => std::future::pending().await,
    }
}

impl<E: Executor, G: Gate> Socket<E, G> {
    async fn serve(&mut self, messages: &mut AggregatedMessageStream) -> End {
        let initial_wait = sleep(self.endpoint.limits.initial_wait);
        tokio::pin!(initial_wait);
        let beat = self.endpoint.limits.heartbeat;
        let mut beats = interval_at(Instant::now() + beat, beat);
        loop {
            let step = tokio::select! {
                biased;
                end = ended(&mut self.admission) => Err(end),
                () = self.endpoint.shutdown.cancelled() => Err(End::stopping()),
                () = &mut initial_wait, if self.admission.is_none() => {
                    Err(End::close(4408, "Connection initialisation timeout"))
                }
                _ = beats.tick() => self.beat().await,
                message = messages.next() => self.receive(message).await,
                Some(progress) = self.results.next(), if !self.results.is_empty() => self.progress(progress).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    /// Says goodbye. What the client still sends is read for a moment, for unread bytes would reset the connection and
    /// the close frame would be lost with it.
    async fn leave(self, end: End, mut messages: AggregatedMessageStream) {
        // Whatever still runs for this socket ends here.
        drop((self.running, self.results));
        let session = self.session;
        let farewell = async {
            match end {
                End::Gone => {}
                End::Closed(reason) => {
                    let _ = session.close(reason).await;
                }
                End::Close(code, reason) => {
                    let reason = CloseReason { code: CloseCode::from(code), description: Some(reason) };
                    if session.close(Some(reason)).await.is_ok() {
                        while let Some(Ok(message)) = messages.next().await {
                            if matches!(message, AggregatedMessage::Close(_)) {
                                break;
                            }
                        }
                    }
                }
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }

    async fn beat(&mut self) -> Step {
        if self.missed >= self.endpoint.limits.missed_heartbeats {
            return Err(End::Gone);
        }
        self.missed += 1;
        match timeout(self.endpoint.limits.send, self.session.ping(b"")).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn receive(&mut self, message: Option<Result<AggregatedMessage, ProtocolError>>) -> Step {
        self.missed = 0;
        match message {
            None => Err(End::Gone),
            Some(Ok(AggregatedMessage::Text(text))) => self.message(&text).await,
            Some(Ok(AggregatedMessage::Binary(_))) => Err(End::malformed()),
            Some(Ok(AggregatedMessage::Pong(_))) => Ok(()),
            Some(Ok(AggregatedMessage::Ping(bytes))) => {
                match timeout(self.endpoint.limits.send, self.session.pong(&bytes)).await {
                    Ok(Ok(())) => Ok(()),
                    _ => Err(End::Gone),
                }
            }
            Some(Ok(AggregatedMessage::Close(reason))) => Err(End::Closed(reason)),
            Some(Err(ProtocolError::Io(error))) if error.kind() == io::ErrorKind::InvalidData => {
                Err(End::close(1007, "Text must be UTF-8"))
            }
            Some(Err(ProtocolError::Overflow | ProtocolError::Io(_))) => Err(End::close(1009, "Message too big")),
            Some(Err(_)) => Err(End::close(1002, "Protocol error")),
        }
    }

    async fn message(&mut self, text: &str) -> Step {
        let Ok(Incoming { kind, id, payload }) = serde_json::from_str(text) else { return Err(End::malformed()) };
        match (kind.as_str(), id) {
            ("connection_init", _) => self.init(payload).await,
            ("ping", _) => self.send(None, "pong", payload).await,
            ("pong", _) => Ok(()),
            ("subscribe", Some(id)) if !id.is_empty() && id.len() <= ID_BYTES => self.subscribe(id, payload).await,
            ("complete", Some(id)) => {
                self.running.remove(&id);
                Ok(())
            }
            _ => Err(End::malformed()),
        }
    }

    async fn init(&mut self, payload: Option<Value>) -> Step {
        if self.admission.is_some() {
            return Err(End::close(4429, "Too many initialisation requests"));
        }
        if payload.as_ref().is_some_and(|payload| !payload.is_object()) {
            return Err(End::malformed());
        }
        let token = payload.as_ref().and_then(init_token).or(self.token.as_deref());
        let admission = timeout(self.endpoint.limits.initial_wait, self.endpoint.gate.admit(token)).await;
        match admission {
            Ok(Ok(admission)) => self.admission = Some(admission),
            Ok(Err(error)) => return Err(refused(&error)),
            Err(_) => return Err(End::close(1013, "Try again later")),
        }
        self.send(None, "connection_ack", None::<()>).await
    }

    async fn subscribe(&mut self, id: String, payload: Option<Value>) -> Step {
        let Some(admission) = &self.admission else { return Err(End::close(4401, "Unauthorized")) };
        if self.running.contains_key(&id) {
            return Err(End::Close(4409, format!("Subscriber for {id} already exists")));
        }
        let Ok(params) = Params::from_json(payload.unwrap_or_default()) else { return Err(End::malformed()) };
        if self.running.len() >= self.endpoint.limits.operations {
            let error = Error::new(Kind::Busy, "Too many operations run on this connection.");
            return self.send(Some(&id), "error", Some(failure(&error).errors)).await;
        }
        let mut operation = match params.into_operation(&self.endpoint.limits.document) {
            Ok(operation) => operation,
            Err(refusal) => return self.send(Some(&id), "error", Some(failure(refusal.error()).errors)).await,
        };
        operation.request = (admission.prepare)(operation.request);
        let (stop, stopped) = oneshot::channel::<()>();
        let (of_result, of_done) = (id.clone(), id.clone());
        let results = execute::stream(self.endpoint.executor.clone(), operation, &self.endpoint.limits)
            .map(move |answer| Progress::Result(of_result.clone(), answer))
            .chain(stream::once(async { Progress::Done(of_done) }))
            .take_until(stopped);
        self.running.insert(id, stop);
        self.results.push(Box::pin(results));
        Ok(())
    }

    async fn progress(&mut self, progress: Progress) -> Step {
        match progress {
            Progress::Result(id, answer) => match answer.request_errors() {
                Some(errors) => {
                    // After `error` nothing may follow, `complete` included.
                    self.running.remove(&id);
                    self.send(Some(&id), "error", Some(errors)).await
                }
                None => self.send(Some(&id), "next", Some(answer)).await,
            },
            Progress::Done(id) => {
                self.running.remove(&id);
                self.send(Some(&id), "complete", None::<()>).await
            }
        }
    }

    async fn send(&mut self, id: Option<&str>, kind: &str, payload: Option<impl Serialize>) -> Step {
        let text = json(&Outgoing { id, kind, payload });
        tokio::select! {
            biased;
            end = ended(&mut self.admission) => Err(end),
            () = self.endpoint.shutdown.cancelled() => Err(End::stopping()),
            sent = timeout(self.endpoint.limits.send, self.session.text(text)) => match sent {
                Ok(Ok(())) => Ok(()),
                _ => Err(End::Gone),
            },
        }
    }
}

/// The token in a `connection_init` payload: `{"authorization": "Bearer …"}` or `{"token": "…"}`.
fn init_token(payload: &Value) -> Option<&str> {
    let header = payload.get("authorization").or_else(|| payload.get("Authorization"));
    match header {
        Some(header) => header.as_str().and_then(super::bearer_token),
        None => payload.get("token").and_then(Value::as_str),
    }
}

fn refused(error: &Error) -> End {
    match error.kind() {
        Kind::Busy | Kind::Timeout | Kind::Unavailable => End::close(1013, "Try again later"),
        Kind::Internal => {
            tracing::error!(?error, "a socket could not be admitted");
            End::close(4500, "Internal server error")
        }
        _ => End::close(4403, "Forbidden"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_is_found_under_each_of_its_names() {
        for payload in
            [json!({ "authorization": "Bearer t" }), json!({ "Authorization": "bearer t" }), json!({ "token": "t" })]
        {
            assert_eq!(init_token(&payload), Some("t"), "{payload}");
        }
        assert_eq!(init_token(&json!({ "authorization": "Basic t" })), None);
        assert_eq!(init_token(&json!({ "token": 1 })), None);
    }
}
