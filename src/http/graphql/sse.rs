//! GraphQL over server-sent events, in the mode of distinct connections: one request, one stream of `next` events, one
//! `complete`. Queries may come this way too.
//!
//! A task of its own reads the results and hands them to the response one at a time: it does not ask for the next
//! before the last is on its way, and gives up on a client that takes nothing for a while. So a stalled reader costs
//! two results and the socket's buffer.

use std::convert::Infallible;

use actix_web::{HttpResponse, http::header};
use async_graphql::Executor;
use bytes::Bytes;
use futures_util::{
    StreamExt,
    stream::{BoxStream, poll_fn},
};
use tokio::{
    sync::mpsc,
    time::{Instant, interval_at, timeout},
};
use tracing::Instrument;

use super::{
    Endpoint,
    answer::{Answer, failure, json},
    execute,
    gate::{Admission, Gate},
    request::Operation,
};
use crate::error::{Error, Kind};

const COMPLETE: &str = "event: complete\ndata:\n\n";
const COMMENT: &str = ":\n\n";

/// Answers with the operation's results as events.
pub(super) fn respond<E: Executor, G: Gate>(
    endpoint: &Endpoint<E, G>,
    admission: Admission,
    operation: Operation,
) -> HttpResponse {
    let (sender, mut chunks) = mpsc::channel(1);
    let results = execute::stream(endpoint.executor.clone(), operation, &endpoint.limits);
    let feed = feed(endpoint.clone(), admission, results, sender);
    actix_web::rt::spawn(feed.instrument(tracing::Span::current()));
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        // A compressor would hold events back until its block is full, and a proxy its buffer.
        .insert_header((header::CONTENT_ENCODING, "identity"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(poll_fn(move |cx| chunks.poll_recv(cx)).map(Ok::<Bytes, Infallible>))
}

/// Sends results until they end, the token ends, the server stops, or the client is gone.
async fn feed<E: Executor, G: Gate>(
    endpoint: Endpoint<E, G>,
    mut admission: Admission,
    mut results: BoxStream<'static, Answer>,
    sender: mpsc::Sender<Bytes>,
) {
    let beat = endpoint.limits.heartbeat;
    let mut comments = interval_at(Instant::now() + beat, beat);
    loop {
        let (text, last) = tokio::select! {
            biased;
            () = sender.closed() => return,
            ended = admission.ended() => {
                (next(&failure(&Error::new(Kind::Unauthenticated, ended.reason)).into()) + COMPLETE, true)
            }
            () = endpoint.shutdown.cancelled() => {
                let error = Error::new(Kind::Unavailable, "The server is stopping. Connect again and go on from the last cursor.");
                (next(&failure(&error).into()) + COMPLETE, true)
            }
            result = results.next() => match result {
                Some(answer) => (next(&answer), false),
                None => (COMPLETE.to_owned(), true),
            },
            _ = comments.tick() => (COMMENT.to_owned(), false),
        };
        let sent = timeout(endpoint.limits.send, sender.send(text.into())).await;
        if last || !matches!(sent, Ok(Ok(()))) {
            return;
        }
        comments.reset();
    }
}

fn next(answer: &Answer) -> String {
    format!("event: next\ndata: {}\n\n", json(answer))
}
