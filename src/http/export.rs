//! `GET /exports/…`: a project's history as a file, written while it is read.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
    web,
};
use bytes::Bytes;
use futures_util::{FutureExt, TryStreamExt, stream};

use super::{
    address::{HARMLESS, Signed, answered, disposition},
    graphql::settings::Origins,
};
use crate::{
    app::{
        App,
        history::export::{Export, open_export},
    },
    error::{Error, Kind},
    files::signature::Opens,
    model::export::ExportFormat,
};

/// Answers with the runs of a history.
pub(super) async fn export(
    request: HttpRequest,
    app: web::Data<App>,
    origins: web::Data<Origins>,
    path: web::Path<(String, String)>,
    signed: Option<web::Query<Signed>>,
) -> HttpResponse {
    let answer = async {
        let export = opened(&app, path.into_inner(), signed).await?;
        Ok(send(request.method(), export))
    };
    answered(&request, origins, answer.boxed_local()).await
}

async fn opened(
    app: &App,
    (project, name): (String, String),
    signed: Option<web::Query<Signed>>,
) -> Result<Export, Error> {
    // Whatever is wrong with an address, it opens nothing, and that is all there is to say.
    let absent = || Error::not_found("history");
    let project_id = project.parse().map_err(|_| absent())?;
    let format = name.strip_prefix("history.").and_then(ExportFormat::of_ending).ok_or_else(absent)?;
    let signed = signed.ok_or_else(absent)?.into_inner();
    let filter = signed.filter.clone();
    let grant = signed.grant(Opens::History { project_id, format, filter }).ok_or_else(absent)?;
    open_export(app, grant, &signed.signature).await
}

fn send(method: &Method, export: Export) -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response
        .insert_header(disposition(&export.file_name()))
        .insert_header((header::ACCEPT_RANGES, "none"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type(export.format.media_type());
    for header in HARMLESS {
        response.insert_header(header);
    }
    if method == Method::HEAD {
        // What GET would send, without reading it.
        return response.streaming(stream::empty::<Result<Bytes, Error>>());
    }
    let span = tracing::Span::current();
    response.streaming(export.stream().inspect_err(move |error| span.in_scope(|| broken_off(error))))
}

/// The connection is closed without the mark that ends a body, so that nobody takes what has come for all there is.
fn broken_off(error: &Error) {
    if error.kind() == Kind::Expired {
        tracing::info!(?error, "an export was broken off");
    } else {
        tracing::error!(?error, "an export was broken off");
    }
}
