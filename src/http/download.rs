//! `GET /files/…`: what a signed address opens.
//!
//! Files come from the API's own origin, so they come as attachments, with their type fixed and in a sandbox: an agent's HTML
//! must not run beside GraphiQL.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, ContentRange, ContentRangeSpec, EntityTag},
    },
    web,
};
use bytes::Bytes;
use futures_util::{FutureExt, stream};

use super::{
    address::{HARMLESS, Signed, answered, disposition},
    condition::{Wanted, wanted},
    graphql::settings::Origins,
};
use crate::{
    app::{
        App,
        file::{Download, open_download},
    },
    error::Error,
    files::{Location, signature::Opens},
    model::id::VersionId,
};

/// Answers with the bytes of a content.
pub(super) async fn download(
    request: HttpRequest,
    app: web::Data<App>,
    origins: web::Data<Origins>,
    path: web::Path<(String, String)>,
    signed: Option<web::Query<Signed>>,
) -> HttpResponse {
    let answer = async {
        let (name, download) = opened(&app, path.into_inner(), signed).await?;
        send(&request, &app, &name, &download).await
    };
    answered(&request, origins, answer.boxed_local()).await
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
    let grant = signed.grant(Opens::Content { version_id, name: name.clone() }).ok_or_else(absent)?;
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
        .insert_header((header::CACHE_CONTROL, "private, max-age=300"));
    for header in HARMLESS {
        response.insert_header(header);
    }
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
