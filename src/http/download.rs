//! `GET /files/…`: what a signed address opens.
//!
//! Files come from the API's own origin, so they come as attachments, with their type fixed and in a sandbox: an agent's HTML
//! must not run beside GraphiQL.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{
            self, Charset, ContentDisposition, ContentRange, ContentRangeSpec, DispositionParam, DispositionType,
            EntityTag, ExtendedValue, HeaderValue,
        },
    },
    web,
};
use bytes::Bytes;
use chrono::DateTime;
use futures_util::stream;
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument;

use super::{
    condition::{Wanted, wanted},
    graphql::{answer, settings::Origins},
    request_id::{REQUEST_ID, request_id},
};
use crate::{
    app::{
        App,
        file::{Download, open_download},
    },
    error::{Error, Kind},
    files::{Location, signature::Grant},
    model::id::{TokenId, UserId, VersionId},
};

/// What a page of another origin may read besides the bytes.
const EXPOSED: &str = "accept-ranges, content-disposition, content-length, content-range, etag";

/// The query of a signed address.
#[derive(Deserialize)]
pub(super) struct Signed {
    user: UserId,
    token: Option<TokenId>,
    expires: i64,
    signature: String,
}

/// Answers with the bytes of a content.
pub(super) async fn download(
    request: HttpRequest,
    app: web::Data<App>,
    origins: web::Data<Origins>,
    path: web::Path<(String, String)>,
    signed: Option<web::Query<Signed>>,
) -> HttpResponse {
    let id = request_id(request.headers());
    // Of the highest level, so that it is there whichever lines are written: each carries the request's id.
    let span = tracing::error_span!("download", request_id = id);
    let answer = async {
        let answered = match opened(&app, path.into_inner(), signed).await {
            Ok((name, download)) => send(&request, &app, &name, &download).await,
            Err(error) => Err(error),
        };
        let response = answered.unwrap_or_else(|error| refuse(&error));
        tracing::debug!(method = %request.method(), status = response.status().as_u16(), "answered");
        response
    };
    let mut response = answer.instrument(span).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    // A page that may use the API may also load what the API gives it an address of.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| origins.admits(&request)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

async fn opened(
    app: &App,
    (version, name): (String, String),
    signed: Option<web::Query<Signed>>,
) -> Result<(String, Download), Error> {
    // Whatever is wrong with an address, it opens nothing, and that is all there is to say.
    let absent = || Error::not_found("file");
    let version_id: VersionId = version.parse().map_err(|_| absent())?;
    let signed = signed.ok_or_else(absent)?.into_inner();
    let expires_at = DateTime::from_timestamp(signed.expires, 0).ok_or_else(absent)?;
    let grant = Grant { user_id: signed.user, token_id: signed.token, version_id, name: name.clone(), expires_at };
    Ok((name, open_download(app, &grant, &signed.signature).await?))
}

async fn send(request: &HttpRequest, app: &App, name: &str, download: &Download) -> Result<HttpResponse, Error> {
    let version = &download.version;
    let size = version.size.as_u64();
    let tag = EntityTag::new_strong(version.sha256.clone());
    let mut response = HttpResponse::Ok();
    response
        .insert_header(header::ETag(tag.clone()))
        .insert_header(disposition(name))
        .insert_header((header::ACCEPT_RANGES, "bytes"))
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"));
    let part = match wanted(request, &tag, size) {
        Wanted::Whole => None,
        Wanted::Part(part) => {
            let range =
                ContentRangeSpec::Bytes { range: Some((*part.start(), *part.end())), instance_length: Some(size) };
            response.status(StatusCode::PARTIAL_CONTENT).insert_header(ContentRange(range));
            Some(*part.start()..*part.end() + 1)
        }
        Wanted::Nothing => {
            let range = ContentRangeSpec::Bytes { range: None, instance_length: Some(size) };
            return Ok(response.status(StatusCode::RANGE_NOT_SATISFIABLE).insert_header(ContentRange(range)).finish());
        }
        Wanted::NotModified => return Ok(response.status(StatusCode::NOT_MODIFIED).finish()),
        Wanted::Otherwise => return Ok(response.status(StatusCode::PRECONDITION_FAILED).finish()),
    };
    let location = Location { project_id: download.project_id, area: download.area, version };
    let length = part.as_ref().map_or(size, |part| part.end - part.start);
    response.content_type(version.media_type.as_str()).no_chunking(length);
    if request.method() == Method::HEAD {
        // What GET would send, without opening it.
        return Ok(response.streaming(stream::empty::<Result<Bytes, Error>>()));
    }
    Ok(response.streaming(app.files.stream(&location, part).await?))
}

/// As an attachment, under its own name in every script; beside it a plain one for programs that know no other.
fn disposition(name: &str) -> ContentDisposition {
    let plain = |letter: char| {
        if (letter.is_ascii_graphic() || letter == ' ') && !"\"\\%;".contains(letter) { letter } else { '_' }
    };
    let parameters = vec![
        DispositionParam::Filename(name.chars().map(plain).collect()),
        DispositionParam::FilenameExt(ExtendedValue {
            charset: Charset::Ext("UTF-8".into()),
            language_tag: None,
            value: name.as_bytes().to_vec(),
        }),
    ];
    ContentDisposition { disposition: DispositionType::Attachment, parameters }
}

fn refuse(error: &Error) -> HttpResponse {
    let status = match error.kind() {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Expired => StatusCode::GONE,
        Kind::Unavailable | Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status.is_server_error() {
        tracing::error!(?error, "a download failed");
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(
        json!({ "errors": [{ "message": error.message(), "extensions": { "code": answer::code(error.kind()) } }] }),
    )
}
