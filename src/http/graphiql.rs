//! `/graphiql`: GraphiQL with the explorer, a page for people who try the API. `web/` has its source.
//!
//! The page is in the binary, compressed as it leaves, and loads nothing from elsewhere. It is the same for everybody and
//! holds no data: who asks is found out by what it asks of `/graphql`.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder, guard,
    http::{
        StatusCode,
        header::{self, AcceptEncoding, Encoding, EntityTag, Header, Preference, Quality},
    },
    web,
};
use sha2::{Digest, Sha256};

use super::condition::is_known;

/// What the page may do: load from this server, and talk to it. `'self'` takes in its WebSocket.
///
/// Styles written into the document are let in, because the editor makes style sheets and `style` attributes as it goes and
/// can give them neither a nonce nor a hash. Scripts are not, nor is anything built from a string.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; \
    worker-src 'self'; img-src 'self' data:; font-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'";

const NOT_BUILT_IN: &str = "GraphiQL is not part of this build. `make web` makes the page, for which it needs Node.js; a build \
    after that takes it in, unless the feature `graphiql` is off. The API is at /graphql.\n";

/// The folder of the files whose names hold a hash of what is in them.
const HASHED: &str = "assets/";

/// A file of the page.
struct Asset {
    name: &'static str,
    is_gzip: bool,
    bytes: &'static [u8],
}

/// All files of the page; none if it was not there when this was built.
const ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/graphiql.rs"));

/// Whether this build has the page.
pub fn is_built_in() -> bool {
    !ASSETS.is_empty()
}

/// Registers the page, and leads there whoever opens the server's address in a browser.
pub(super) fn configure(config: &mut web::ServiceConfig) {
    let reading = || web::route().guard(guard::Any(guard::Get()).or(guard::Head()));
    config
        .service(web::resource("/").route(reading().to(front_door)))
        .service(web::resource(["/graphiql", "/graphiql/"]).route(reading().to(page)))
        .service(web::resource("/graphiql/{name:.+}").route(reading().to(asset)));
}

async fn front_door() -> HttpResponse {
    HttpResponse::Found().insert_header((header::LOCATION, "/graphiql")).finish()
}

async fn page(request: HttpRequest) -> HttpResponse {
    answer(&request, "index.html")
}

async fn asset(request: HttpRequest, name: web::Path<String>) -> HttpResponse {
    answer(&request, &name)
}

fn answer(request: &HttpRequest, name: &str) -> HttpResponse {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return sorry(StatusCode::NOT_FOUND, if is_built_in() { "There is nothing here.\n" } else { NOT_BUILT_IN });
    };
    let mut response = guarded(StatusCode::OK);
    if asset.is_gzip {
        if !takes_gzip(request) {
            return sorry(StatusCode::NOT_ACCEPTABLE, "This is sent compressed: accept `gzip`.\n");
        }
        response.insert_header(header::ContentEncoding::Gzip).insert_header((header::VARY, "Accept-Encoding"));
    }
    if asset.name.starts_with(HASHED) {
        response.insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"));
    } else {
        let tag = EntityTag::new_strong(hex::encode(Sha256::digest(asset.bytes)));
        response.insert_header((header::CACHE_CONTROL, "no-cache")).insert_header(header::ETag(tag.clone()));
        if is_known(request, &tag) {
            return response.status(StatusCode::NOT_MODIFIED).finish();
        }
    }
    response.content_type(media_type(asset.name)).body(asset.bytes)
}

/// An answer with what every answer here carries. Workers have no policy but that of their own answer.
fn guarded(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    response
}

fn sorry(status: StatusCode, said: &'static str) -> HttpResponse {
    guarded(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .content_type("text/plain; charset=utf-8")
        .body(said)
}

/// Whether the client takes gzip. One that says nothing takes anything.
fn takes_gzip(request: &HttpRequest) -> bool {
    if !request.headers().contains_key(header::ACCEPT_ENCODING) {
        return true;
    }
    let Ok(AcceptEncoding(said)) = AcceptEncoding::parse(request) else { return false };
    let of = |coding: Preference<Encoding>| said.iter().find(|said| said.item == coding);
    of(Preference::Specific(Encoding::gzip()))
        .or_else(|| of(Preference::Any))
        .is_some_and(|said| said.quality > Quality::ZERO)
}

fn media_type(name: &str) -> String {
    let media_type = mime_guess::from_path(name).first_or_octet_stream();
    if media_type.type_() == mime::TEXT { format!("{media_type}; charset=utf-8") } else { media_type.to_string() }
}
