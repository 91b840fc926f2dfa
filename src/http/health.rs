//! `/healthz`: the process lives, and is ours. `/readyz`: it can work, which takes the database and the files.

use std::{net::SocketAddr, time::Duration};

use actix_web::{HttpResponse, web};
use serde_json::{Value, json};

use crate::{app::App, error::Result};

const PATIENCE: Duration = Duration::from_secs(2);

pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok", "server": env!("CARGO_PKG_NAME") }))
}

/// Whether a server of this kind answers at this address.
pub async fn serves_at(address: SocketAddr) -> bool {
    let asked = async {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        client.get(format!("http://{address}/healthz")).send().await?.json::<Value>().await
    };
    asked.await.is_ok_and(|said: Value| said["server"] == env!("CARGO_PKG_NAME"))
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
