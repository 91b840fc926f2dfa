//! Request ids: the client's own or a new one, on every answer and on every log line of the request.

use actix_web::http::header::{HeaderMap, HeaderName};

use super::graphql::settings::single;
use crate::clock;

/// The header that carries it, in both directions.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own id for the request if it is at most 64 visible ASCII characters, otherwise a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let given = single(headers, &REQUEST_ID);
    let sane = given.filter(|id| (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()));
    sane.map_or_else(|| clock::new_id().to_string(), str::to_owned)
}
