//! `GET /files/…`: what a signed address opens.
//!
//! Files come from the API's own origin, so they come as attachments, with their type fixed and in a sandbox: an agent's HTML
//! must not run beside GraphiQL.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            self, Charset, ContentDisposition, DispositionParam, DispositionType, EntityTag, ExtendedValue, HeaderValue,
        },
    },
    web,
};
use chrono::DateTime;
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument;

use super::{
    conditional::is_known,
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
    let tag = EntityTag::new_strong(version.sha256.clone());
    let mut response = HttpResponse::Ok();
    response
        .insert_header(header::ETag(tag.clone()))
        .insert_header(disposition(name))
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"))
        .insert_header(("cross-origin-resource-policy", "cross-origin"));
    if is_known(request, &tag) {
        return Ok(response.status(StatusCode::NOT_MODIFIED).finish());
    }
    let location = Location { project_id: download.project_id, area: download.area, version };
    let bytes = app.files.stream(&location).await?;
    Ok(response.content_type(version.media_type.as_str()).no_chunking(version.size.as_u64()).streaming(bytes))
}

/// As an attachment, under its own name in every script.
fn disposition(name: &str) -> ContentDisposition {
    let mut parameters = vec![DispositionParam::FilenameExt(ExtendedValue {
        charset: Charset::Ext("UTF-8".into()),
        language_tag: None,
        value: name.as_bytes().to_vec(),
    })];
    if name.is_ascii() {
        parameters.insert(0, DispositionParam::Filename(name.to_owned()));
    }
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
