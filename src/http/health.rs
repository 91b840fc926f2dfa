//! `/healthz`: the process lives. `/readyz`: it can work, which takes the database and the files.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::json;

use crate::{app::App, error::Result};

const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

pub(super) async fn readyz(app: web::Data<App>) -> HttpResponse {
    let (database, files) = tokio::join!(answers(app.store.ping()), answers(app.files.ping()));
    let ready = database && files;
    let word = |ok: bool| if ok { "ok" } else { "unavailable" };
    let body = json!({ "status": word(ready), "database": word(database), "files": word(files) });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn answers(ping: impl Future<Output = Result<()>>) -> bool {
    match tokio::time::timeout(PATIENCE, ping).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::warn!(?error, "not ready");
            false
        }
        Err(_) => false,
    }
}
