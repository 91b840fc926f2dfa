//! `If-None-Match`: whether the client has what it asks for.

use actix_web::{
    HttpRequest,
    http::header::{EntityTag, Header, IF_NONE_MATCH, IfNoneMatch},
};

/// Whether the client says that it has the content of this tag.
pub(super) fn is_known(request: &HttpRequest, tag: &EntityTag) -> bool {
    request.headers().contains_key(IF_NONE_MATCH)
        && match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|other| tag.weak_eq(other)),
            Err(_) => false,
        }
}
