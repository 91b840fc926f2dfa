//! GraphQL over HTTP, server-sent events and WebSocket, on one path.
//!
//! The engine validates and executes; how requests come in and answers go out is ours. A request walks through these
//! rooms, each a file:
//!
//! - [`settings`]: the limits, and which origins and hosts are answered;
//! - `negotiate`: the form of the answer, from `Accept`;
//! - [`gate`]: who is asking, and who keeps uploaded bytes. The product and the audits each bring their own;
//! - `body`, `request`, `multipart`: from bytes to parameters to an operation, through the guards of
//!   [`crate::graphql::limits`];
//! - `execute`: time limit and panics;
//! - [`answer`]: codes, masking, JSON, status;
//! - `sse`, `websocket`, `frames`: answers in many pieces;
//! - [`stall`]: what the server around this needs, so that a client that reads nothing holds no connection.
//!
//! Queries may come by GET, everything else by POST. A body is `application/json`, which no page of a foreign origin can
//! send without a preflight, or `multipart/form-data`, for which a header that forces one is demanded.

pub mod answer;
mod body;
mod execute;
mod frames;
pub mod gate;
mod multipart;
mod negotiate;
mod request;
pub mod settings;
mod sse;
pub mod stall;
mod websocket;

use std::{panic::AssertUnwindSafe, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap},
    },
    middleware::Compress,
    web,
};
use async_graphql::{Executor, parser::types::OperationType};
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use self::{
    answer::Refusal,
    gate::Gate,
    negotiate::{Media, negotiate},
    request::{Operation, Params},
    settings::{Limits, Origins, single},
};
use super::request_id::identified;
use crate::error::{Error, Kind};

/// Any of these makes a browser ask before it sends; a form cannot carry them.
const PREFLIGHT: [&str; 3] = ["graphql-require-preflight", "apollo-require-preflight", "x-requested-with"];
const ALLOWED_HEADERS: &str = "accept, authorization, content-type, x-request-id, graphql-require-preflight, apollo-require-preflight, x-requested-with";
const METHODS: &str = "GET, POST, OPTIONS";

/// A GraphQL endpoint: what executes, who is let in, and the bounds. Cloned into each worker and each open stream.
#[derive(Clone)]
pub struct Endpoint<E, G> {
    /// Executes what passed the guards.
    pub executor: E,
    /// Says who is asking and keeps uploads.
    pub gate: G,
    /// Every number.
    pub limits: Limits,
    /// Which browsers' pages and which host names are answered.
    pub origins: Origins,
    /// Once cancelled, open streams and sockets end with a reason. New requests are answered until nobody listens.
    pub shutdown: CancellationToken,
}

/// Registers the endpoint at `path`, for every method, with compression of answers in one piece.
pub fn configure<E: Executor, G: Gate>(config: &mut web::ServiceConfig, path: &str, endpoint: Endpoint<E, G>) {
    config.service(
        web::resource(path)
            .app_data(web::Data::new(endpoint))
            .wrap(Compress::default())
            .route(web::route().to(entry::<E, G>)),
    );
}

/// Answers any request, and puts on the answer what every answer carries.
async fn entry<E: Executor, G: Gate>(
    http: HttpRequest,
    endpoint: web::Data<Endpoint<E, G>>,
    payload: web::Payload,
) -> HttpResponse {
    let answer = async {
        if !endpoint.origins.answers(&http) {
            let message = "This server does not answer for that host.";
            return Refusal::bad(StatusCode::MISDIRECTED_REQUEST, message).respond(Media::Json);
        }
        // A panic would otherwise cut the connection, with no answer.
        let routed = AssertUnwindSafe(route(&http, &endpoint, payload)).catch_unwind().await;
        routed.unwrap_or_else(|_| Refusal::from(Error::internal("answering a request panicked")).respond(Media::Json))
    };
    let mut response =
        identified(&http, |id| tracing::error_span!("graphql", request_id = id), answer.boxed_local()).await;
    endpoint.origins.share(&http, &mut response, "x-request-id");
    response
}

async fn route<E: Executor, G: Gate>(
    http: &HttpRequest,
    endpoint: &Endpoint<E, G>,
    payload: web::Payload,
) -> HttpResponse {
    let upgrade = http.headers().get(header::UPGRADE);
    let socket = upgrade.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    // A browser opens sockets to any host without asking first, so this is the place to look at the origin.
    if (socket && !endpoint.origins.admits(http)) || endpoint.origins.refuses(http) {
        let error = Error::new(Kind::Denied, "Pages of that origin may not connect.");
        return Refusal::from(error).respond(Media::Json);
    }
    if socket {
        let upgraded = websocket::upgrade(endpoint, http, payload);
        return upgraded.unwrap_or_else(|error| error.error_response());
    }
    if *http.method() == Method::OPTIONS {
        return preflight(http, endpoint);
    }
    let Some(media) = negotiate(http.headers()) else {
        let message = "Answers are application/graphql-response+json, application/json or text/event-stream.";
        return Refusal::bad(StatusCode::NOT_ACCEPTABLE, message).respond(Media::Json);
    };
    answer(http, endpoint, payload, media).await.unwrap_or_else(|refusal| refusal.respond(media))
}

fn preflight<E: Executor, G: Gate>(http: &HttpRequest, endpoint: &Endpoint<E, G>) -> HttpResponse {
    if !endpoint.origins.admits(http) {
        return HttpResponse::Forbidden().finish();
    }
    let mut response = HttpResponse::NoContent();
    response.insert_header((header::ALLOW, METHODS));
    if http.headers().contains_key(header::ORIGIN) {
        response
            .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, METHODS))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, Duration::from_mins(10).as_secs().to_string()));
    }
    response.finish()
}

async fn answer<E: Executor, G: Gate>(
    http: &HttpRequest,
    endpoint: &Endpoint<E, G>,
    payload: web::Payload,
    media: Media,
) -> Result<HttpResponse, Refusal> {
    let by_get = *http.method() == Method::GET;
    if !by_get && *http.method() != Method::POST {
        let refusal = Refusal::bad(StatusCode::METHOD_NOT_ALLOWED, "Use POST, or GET for queries.");
        return Err(refusal.with(header::ALLOW, METHODS));
    }
    let admission = endpoint.gate.admit(bearer(http.headers())).await?;
    let mut operation = if by_get {
        Params::from_query_string(http.query_string())?.into_operation(&endpoint.limits.document)?
    } else {
        posted(http, endpoint, payload).await?
    };
    if by_get && operation.kind == OperationType::Mutation {
        let refusal = Refusal::bad(StatusCode::METHOD_NOT_ALLOWED, "Mutations need POST.");
        return Err(refusal.with(header::ALLOW, "POST"));
    }
    operation.request = (admission.prepare)(operation.request);
    if media == Media::EventStream {
        return Ok(sse::respond(endpoint, admission, operation));
    }
    if operation.kind == OperationType::Subscription {
        let message = "Subscriptions need a WebSocket, or `Accept: text/event-stream`.";
        return Err(Refusal::bad(StatusCode::NOT_ACCEPTABLE, message));
    }
    Ok(answer::respond(media, &execute::once(&endpoint.executor, operation, &endpoint.limits).await))
}

/// The operation in the body of a POST.
async fn posted<E: Executor, G: Gate>(
    http: &HttpRequest,
    endpoint: &Endpoint<E, G>,
    payload: web::Payload,
) -> Result<Operation, Refusal> {
    let limits = &endpoint.limits;
    let unsupported =
        || Refusal::bad(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send application/json or multipart/form-data, in UTF-8.");
    let content_type = single(http.headers(), &header::CONTENT_TYPE).ok_or_else(unsupported)?;
    let content_type: mime::Mime = content_type.parse().map_err(|_| unsupported())?;
    let readable = content_type.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8);
    match content_type.essence_str() {
        "application/json" if readable => {
            let body = body::whole(payload, limits.body, limits.body_pause).await?;
            let json = serde_json::from_slice(&body).map_err(|_| Error::invalid("The body is not JSON."))?;
            Params::from_json(json)?.into_operation(&limits.document)
        }
        "multipart/form-data" => {
            if !PREFLIGHT.iter().any(|name| http.headers().contains_key(*name)) {
                return Err(Error::invalid("A multipart request needs the header `GraphQL-Require-Preflight`.").into());
            }
            let boundary = content_type.get_param(mime::BOUNDARY).ok_or_else(unsupported)?;
            multipart::receive(&endpoint.gate, limits, boundary.as_str(), payload).await
        }
        _ => Err(unsupported()),
    }
}

/// The token of the `Authorization` header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    bearer_token(single(headers, &header::AUTHORIZATION)?)
}

/// The token in the value of an `Authorization` header, or of what stands for one.
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}
