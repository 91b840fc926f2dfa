//! What all signed addresses have in common: who may open them, from where, and what is said when nothing opens.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            self, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue, HeaderName,
            HeaderValue,
        },
    },
    web,
};
use chrono::DateTime;
use serde::Deserialize;
use serde_json::json;
use tracing::Instrument;

use super::{
    graphql::{answer, settings::Origins},
    request_id::{REQUEST_ID, request_id},
};
use crate::{
    error::{Error, Kind},
    files::signature::{Grant, Opens},
    model::id::{TokenId, UserId},
};

/// What a page of another origin may read besides the bytes.
const EXPOSED: &str = "accept-ranges, content-disposition, content-length, content-range, etag";

/// What keeps a file that comes from the API's own origin from doing anything there: its type is fixed, it is in a sandbox, and
/// pages of other origins may show it.
pub(super) const HARMLESS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"),
    (header::CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"),
];

/// The query of a signed address.
#[derive(Deserialize)]
pub(super) struct Signed {
    /// Which runs, for an export.
    #[serde(default)]
    pub(super) filter: String,
    user: UserId,
    token: Option<TokenId>,
    expires: i64,
    pub(super) signature: String,
}

impl Signed {
    /// What the address grants, if this server made it; `None` where it could not have.
    pub(super) fn grant(&self, opens: Opens) -> Option<Grant> {
        let expires_at = DateTime::from_timestamp(self.expires, 0)?;
        Some(Grant { user_id: self.user, token_id: self.token, opens, expires_at })
    }
}

/// Answers at a signed address.
pub(super) async fn answered(
    request: &HttpRequest,
    origins: web::Data<Origins>,
    answer: impl Future<Output = Result<HttpResponse, Error>>,
) -> HttpResponse {
    let id = request_id(request.headers());
    // Of the highest level, so that it is there whichever lines are written: each carries the request's id.
    let span = tracing::error_span!("download", request_id = id);
    let answer = async {
        let response = answer.await.unwrap_or_else(|error| refuse(&error));
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
    if let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| origins.admits(request)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    }
    response
}

/// As an attachment, under its own name in every script; beside it a plain one for programs that know no other.
pub(super) fn disposition(name: &str) -> ContentDisposition {
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
    match status {
        StatusCode::SERVICE_UNAVAILABLE => tracing::warn!(?error, "a download has to wait"),
        StatusCode::INTERNAL_SERVER_ERROR => tracing::error!(?error, "a download failed"),
        _ => {}
    }
    HttpResponse::build(status).insert_header((header::CACHE_CONTROL, "no-store")).json(
        json!({ "errors": [{ "message": error.message(), "extensions": { "code": answer::code(error.kind()) } }] }),
    )
}
