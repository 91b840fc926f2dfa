//! Request ids: the client's own or a new one, on every answer and on every log line of the request.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{HeaderMap, HeaderName, HeaderValue},
};
use futures_util::future::LocalBoxFuture;
use tracing::{Instrument, Span};

use super::graphql::settings::single;
use crate::clock;

/// The header that carries it, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own id for the request if it is at most 64 visible ASCII characters, otherwise a new one.
fn request_id(headers: &HeaderMap) -> String {
    let given = single(headers, &REQUEST_ID);
    let sane = given.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    sane.map_or_else(|| clock::new_id().to_string(), str::to_owned)
}

/// Answers within the span that `span` makes of the request's id, and puts the id on the answer. The span is to be of the highest
/// level, so that it is there whichever lines are written: each carries the id.
pub(super) async fn identified(
    request: &HttpRequest,
    span: impl FnOnce(&str) -> Span,
    answer: LocalBoxFuture<'_, HttpResponse>,
) -> HttpResponse {
    let id = request_id(request.headers());
    let answer = async {
        let response = answer.await;
        tracing::debug!(method = %request.method(), status = response.status().as_u16(), "answered");
        response
    };
    let mut response = answer.instrument(span(&id)).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
