//! From the engine's response to what leaves the process.
//!
//! Every error that leaves has a code of the house in `extensions.code`. What a resolver failed with leaves only if it
//! carries such a code, or is the house's own [`Error`]; anything else is masked, and its text goes to the log.

use std::{borrow::Cow, sync::Arc};

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
};
use async_graphql::{ErrorExtensionValues, PathSegment, Response, ServerError, Value};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::negotiate::Media;
use crate::error::{Error, Kind};

/// The codes that may leave in `extensions.code`.
const CODES: [&str; 8] =
    ["UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "NOT_FOUND", "RATE_LIMITED", "TIMEOUT", "UNAVAILABLE", INTERNAL];

const INTERNAL: &str = "INTERNAL";
/// From this size on an answer is compressed for clients that take it, in bytes.
const WORTH_COMPRESSING: usize = 1 << 10;
const MASKED: &str = "Something went wrong here. It has been logged.";

/// What a kind of failure is called in `extensions.code`.
pub fn code(kind: Kind) -> &'static str {
    match kind {
        Kind::NotFound => "NOT_FOUND",
        Kind::Conflict | Kind::Invalid => "BAD_USER_INPUT",
        Kind::Unauthenticated | Kind::Expired => "UNAUTHENTICATED",
        Kind::Denied => "FORBIDDEN",
        Kind::Busy => "RATE_LIMITED",
        Kind::Timeout => "TIMEOUT",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Internal => INTERNAL,
    }
}

/// A response that is this error alone: nothing was executed, or nothing of it can be told.
pub(super) fn failure(error: &Error) -> Response {
    let mut failed = ServerError::new(error.message(), None);
    set_code(&mut failed, code(error.kind()));
    if error.kind() == Kind::Internal {
        tracing::error!(?error, "a request failed");
    }
    Response::from_errors(vec![failed])
}

/// The request came to nothing before execution: no error has a place in the data, and there is no data.
pub(super) fn is_request_error(response: &Response) -> bool {
    !response.errors.is_empty()
        && response.data == Value::Null
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Gives every error its code, masks what is nobody's business, and takes echoes out of messages.
pub(super) fn polish(mut response: Response) -> Response {
    for error in &mut response.errors {
        let chosen = given_code(error);
        let code = chosen.unwrap_or_else(|| if is_coercion(error) { "BAD_USER_INPUT" } else { INTERNAL });
        if code == INTERNAL && (error.message != MASKED || error.source.is_some()) {
            mask(error);
        } else if chosen.is_none() {
            error.message = plain(&error.message);
        } else if let Some(source) = error.source::<Error>()
            && source.cause().is_some()
        {
            // The caller reads that a part is away; whoever runs this server reads which, and why.
            tracing::warn!(path = place(error), error = ?source, "a resolver failed");
        } else if let Some(said) = own_words(&error.message) {
            error.message = said;
        }
        set_code(error, code);
    }
    response
}

/// The code that the error was given by us, by its extension or by its source.
fn given_code(error: &ServerError) -> Option<&'static str> {
    let Some(Value::String(given)) = error.extensions.as_ref().and_then(|extensions| extensions.get("code")) else {
        return error.source::<Error>().map(|source| code(source.kind()));
    };
    CODES.into_iter().find(|code| code == given)
}

/// Whether the engine refused the request's document or one of its values. Such an error has no source. It has a place
/// in the data only where a value of an argument was not understood.
fn is_coercion(error: &ServerError) -> bool {
    let unset = error.message.starts_with("Variable ") && error.message.ends_with(" is not defined.");
    let unread = ["Failed to parse \"", "Expected input type \""].iter().any(|words| error.message.starts_with(words));
    error.source.is_none() && error.extensions.is_none() && (error.path.is_empty() || unread || unset)
}

fn mask(error: &mut ServerError) {
    let cause = error.source::<Error>().map_or_else(|| error.message.clone(), |source| format!("{source:?}"));
    tracing::error!(path = place(error), error = cause, "a resolver failed");
    MASKED.clone_into(&mut error.message);
    error.extensions = None;
}

/// Where in the answer the error stands, as in `projects.nodes.0.name`.
fn place(error: &ServerError) -> String {
    let path: Vec<String> = error.path.iter().map(segment).collect();
    path.join(".")
}

fn segment(segment: &PathSegment) -> String {
    match segment {
        PathSegment::Field(name) => name.clone(),
        PathSegment::Index(index) => index.to_string(),
    }
}

fn set_code(error: &mut ServerError, code: &str) {
    error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
}

/// What a value of ours said when it refused to be read, without the engine's words around it.
fn own_words(message: &str) -> Option<String> {
    let (_, said) = message.strip_prefix("Failed to parse \"")?.split_once("\": ")?;
    let said = said.split_once(" (occurred while parsing").map_or(said, |(said, _)| said);
    Some(said.to_owned())
}

/// The message without the document's text and without hints at names that the client did not say.
///
/// A syntax error of the parser is a picture of the line with what was expected below it; only the latter is kept.
fn plain(message: &str) -> String {
    let kept = match message.split_once('\n') {
        Some((_, picture)) => match picture.rsplit_once("= ") {
            Some((_, expected)) => format!("Syntax error: {}.", expected.trim()),
            None => message.lines().next().unwrap_or_default().to_owned(),
        },
        None => message.to_owned(),
    };
    if kept == "Query is too complex." {
        let advice = "The document asks for too much at once. Give smaller pages: a connection counts its size, which is 50 when \
            nothing is said, times what it holds. `server.limits.complexity` is the most.";
        return advice.into();
    }
    match kept.split_once(" Did you mean") {
        Some((said, _)) => said.to_owned(),
        None => kept,
    }
}

/// A polished response as JSON, keys in the order of the selection; a request error has no `data`.
pub(super) struct Body<'a>(pub(super) &'a Response);

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Response { data, extensions, errors, .. } = self.0;
        let mut map = serializer.serialize_map(None)?;
        if !errors.is_empty() {
            map.serialize_entry("errors", errors)?;
        }
        if !is_request_error(self.0) {
            map.serialize_entry("data", data)?;
        }
        if !extensions.is_empty() {
            map.serialize_entry("extensions", extensions)?;
        }
        map.end()
    }
}

/// One answer of a stream, on its way out.
pub(super) enum Answer {
    /// Made for this subscriber, and polished.
    Own(Box<Response>),
    /// The text of one that several subscribers share; it has no errors.
    Shared(Arc<RawValue>),
}

impl Answer {
    /// The errors, if this is that of a request which came to nothing before execution.
    pub(super) fn request_errors(&self) -> Option<&[ServerError]> {
        match self {
            Self::Own(response) if is_request_error(response) => Some(&response.errors),
            _ => None,
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Own(Box::new(response))
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Own(response) => Body(response).serialize(serializer),
            Self::Shared(text) => text.serialize(serializer),
        }
    }
}

/// `value` as JSON text that goes into other JSON as it is; nothing if it cannot be serialised.
pub(super) fn raw(value: &impl Serialize) -> Option<Box<RawValue>> {
    serde_json::value::to_raw_value(value).ok()
}

/// `value` as JSON text. What we serialise is strings, numbers and maps of ours, so there is nothing that could fail;
/// should it, the client gets an error and the log the cause.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be serialised");
        format!(r#"{{"errors":[{{"message":"{MASKED}","extensions":{{"code":"{INTERNAL}"}}}}]}}"#)
    })
}

/// The whole answer to a request that was executed, or that the engine refused.
pub(super) fn respond(media: Media, response: &Response) -> HttpResponse {
    let ours = |code: &str| response.errors.iter().any(|error| given_code(error) == Some(code));
    let status = if !is_request_error(response) {
        StatusCode::OK
    } else if ours(INTERNAL) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if ours("TIMEOUT") {
        StatusCode::GATEWAY_TIMEOUT
    } else if ours("UNAVAILABLE") {
        StatusCode::SERVICE_UNAVAILABLE
    } else if media == Media::GraphQl {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let body = json(&Body(response));
    let mut answer = HttpResponse::build(status);
    if body.len() < WORTH_COMPRESSING {
        answer.insert_header(header::ContentEncoding::Identity);
    }
    answer
        .content_type(media.content_type())
        .insert_header((header::VARY, "Accept"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

/// A request that never came to the engine, as HTTP says it.
pub(super) struct Refusal {
    status: StatusCode,
    error: Box<Error>,
    header: Option<(header::HeaderName, &'static str)>,
}

impl Refusal {
    /// Refuses with this status. `error` is what the body says.
    pub(super) fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error: Box::new(error), header: None }
    }

    /// Refuses what breaks a rule of the protocol, with this status.
    pub(super) fn bad(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(status, Error::invalid(message))
    }

    /// Adds a header that the status calls for.
    pub(super) fn with(mut self, name: header::HeaderName, value: &'static str) -> Self {
        self.header = Some((name, value));
        self
    }

    /// What is wrong, without HTTP.
    pub(super) fn error(&self) -> &Error {
        &self.error
    }

    /// The answer.
    pub(super) fn respond(&self, media: Media) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(header) = &self.header {
            response.insert_header((header.0.clone(), header.1));
        }
        response
            .content_type(media.content_type())
            .insert_header((header::VARY, "Accept"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(json(&Body(&failure(&self.error))))
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            Kind::NotFound => StatusCode::NOT_FOUND,
            Kind::Conflict => StatusCode::CONFLICT,
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unauthenticated | Kind::Expired => StatusCode::UNAUTHORIZED,
            Kind::Denied => StatusCode::FORBIDDEN,
            Kind::Busy => StatusCode::TOO_MANY_REQUESTS,
            Kind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let refusal = Self::new(status, error);
        if status == StatusCode::UNAUTHORIZED { refusal.with(header::WWW_AUTHENTICATE, "Bearer") } else { refusal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polished(mut error: ServerError, path: bool) -> serde_json::Value {
        if path {
            error.path.push(PathSegment::Field("a".into()));
        }
        let response = polish(Response::from_errors(vec![error]));
        serde_json::from_str::<serde_json::Value>(&json(&Body(&response))).expect("JSON")["errors"][0].clone()
    }

    #[test]
    fn a_resolver_error_without_a_code_of_ours_is_masked() {
        for code in [None, Some("HOUSE_OF_CARDS"), Some("INTERNAL")] {
            let mut error = ServerError::new("the secret", None);
            if let Some(code) = code {
                set_code(&mut error, code);
            }
            let left = polished(error, true);
            assert_eq!((&left["message"], &left["extensions"]["code"]), (&MASKED.into(), &INTERNAL.into()));
        }
    }

    #[test]
    fn an_error_of_the_house_keeps_its_message_and_gets_its_code() {
        let error = async_graphql::Error::new_with_source(Error::not_found("run"));
        let left = polished(error.into_server_error(async_graphql::Pos::default()), true);
        assert_eq!(
            (&left["message"], &left["extensions"]["code"]),
            (&"There is no such run.".into(), &"NOT_FOUND".into())
        );
    }

    #[test]
    fn syntax_errors_echo_nothing() {
        let error = async_graphql::parser::parse_query("{ secret(token: ").expect_err("not a document");
        let left = polished(error.into(), false);
        let message = left["message"].as_str().expect("a message");
        assert!(!message.contains("secret") && message.starts_with("Syntax error: expected"), "{message}");
        assert_eq!(left["extensions"]["code"], "BAD_USER_INPUT");
    }

    #[test]
    fn a_value_of_ours_speaks_for_itself() {
        let mut error =
            ServerError::new("Failed to parse \"ID\": No such id. (occurred while parsing \"[ID!]\")", None);
        set_code(&mut error, "BAD_USER_INPUT");
        assert_eq!(polished(error, true)["message"], "No such id.");
    }

    #[test]
    fn hints_are_cut_off() {
        let error = ServerError::new("Unknown field \"a\" on type \"Query\". Did you mean \"b\"?", None);
        assert_eq!(polished(error, false)["message"], "Unknown field \"a\" on type \"Query\".");
    }

    #[test]
    fn a_failed_argument_is_the_callers_fault() {
        let left = polished(ServerError::new("Failed to parse \"Int\": no", None), true);
        assert_eq!(left["extensions"]["code"], "BAD_USER_INPUT");
    }
}
