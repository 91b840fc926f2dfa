//! `GET /files/…`: what a signed address opens.
//!
//! Files come from the API's own origin, so they come as attachments, with their type fixed and in a sandbox: an agent's HTML
//! must not run beside GraphiQL.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            self, Charset, ContentDisposition, DispositionParam, DispositionType, EntityTag, ExtendedValue, IfNoneMatch,
        },
    },
    web,
};
use chrono::DateTime;
use serde::Deserialize;
use serde_json::json;

use super::graphql::answer;
use crate::{
    app::{
        App,
        file::{Download, open_download},
    },
    clock,
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
    path: web::Path<(String, String)>,
    signed: Option<web::Query<Signed>>,
) -> HttpResponse {
    let id = clock::new_id();
    let opened = opened(&app, path.into_inner(), signed).await;
    match opened {
        Ok((name, download)) => match send(&request, &app, &name, &download).await {
            Ok(response) => response,
            Err(error) => refuse(&error, &id.to_string()),
        },
        Err(error) => refuse(&error, &id.to_string()),
    }
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
    let known = request.headers().contains_key(header::IF_NONE_MATCH)
        && match <IfNoneMatch as header::Header>::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|other| tag.weak_eq(other)),
            Err(_) => false,
        };
    if known {
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

fn refuse(error: &Error, request_id: &str) -> HttpResponse {
    let status = match error.kind() {
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Expired => StatusCode::GONE,
        Kind::Unavailable | Kind::Busy => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    if status.is_server_error() {
        tracing::error!(request_id, ?error, "a download failed");
    }
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-request-id", request_id))
        .json(
            json!({ "errors": [{ "message": error.message(), "extensions": { "code": answer::code(error.kind()) } }] }),
        )
}
