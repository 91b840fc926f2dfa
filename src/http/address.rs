//! What all signed addresses have in common: who may open them, from where, and what is said when nothing opens.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{self, Charset, ContentDisposition, DispositionParam, DispositionType, ExtendedValue, HeaderName},
    },
    web,
};
use chrono::DateTime;
use futures_util::{FutureExt, future::LocalBoxFuture};
use serde::Deserialize;
use serde_json::json;

use super::{
    graphql::{answer, settings::Origins},
    request_id::identified,
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
    answer: LocalBoxFuture<'_, Result<HttpResponse, Error>>,
) -> HttpResponse {
    let answer = answer.map(|answer| answer.unwrap_or_else(|error| refuse(&error))).boxed_local();
    let mut response = identified(request, |id| tracing::error_span!("download", request_id = id), answer).await;
    // A page that may use the API may also load what the API gives it an address of.
    origins.share(request, &mut response, EXPOSED);
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
