//! The HTTP server: all routes on one listener.

use std::{
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_web::{App as Routes, HttpServer, dev::ServerHandle, web};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{
    download::download,
    export::export,
    gate::ProductGate,
    graphiql,
    graphql::{
        self as transport, Endpoint,
        settings::{Limits, Origins},
        stall::drop_stalled,
    },
    health::{healthz, readyz},
};
use crate::{
    app::App,
    error::{Error, Kind, Result},
    graphql::{self, audience::Terms},
    model::scope::Viewer,
};

/// How long requests under way have to be answered at a shutdown, in seconds.
const GRACE: u64 = 2;
/// How long a connection waits for its next request: longer than the minute for which load balancers commonly keep one, or they
/// would send a request into a connection that is just being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection that is being closed is still read, so that a client that is writing hears the answer instead of a reset.
///
/// Every WebSocket waits for this after both close frames, unless the client hangs up first, and a browser tells of the closing
/// only then. It is measured by a clock that moves twice a second, so it is half a second less at the worst.
pub(super) const LINGER: Duration = Duration::from_millis(700);

/// Who is answered.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Browser origins that may use the API from elsewhere.
    pub allow_origin: Vec<String>,
    /// In development mode: who everybody is. Then pages of this machine are let in and others refused, and only requests for it
    /// are answered.
    pub local: Option<Viewer>,
    /// How long subscribers who ask the same rely on each other's answers.
    pub sharing: Terms,
}

/// A server at work.
pub struct Server {
    handle: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    shutdown: CancellationToken,
}

/// Takes the address, so that clients can connect from now on; nobody answers yet.
pub fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address)
        .map_err(|error| Error::new(Kind::Unavailable, format!("{address} cannot be listened at: {error}.")))
}

impl Server {
    /// Serves on `listener`.
    pub fn start(app: App, policy: Policy, listener: TcpListener) -> Result<Self> {
        let shutdown = CancellationToken::new();
        let gate = ProductGate::new(app.clone(), policy.local);
        tokio::spawn(gate.clone().watch_tokens(shutdown.clone()));
        let uploads = app.rules.uploads;
        let mut origins = Origins::new(policy.allow_origin);
        if policy.local.is_some() {
            origins = origins.with_this_machine().without_others().only_hosts(["localhost", "127.0.0.1", "[::1]"]);
        }
        let allowed = web::Data::new(origins.clone());
        let endpoint = Endpoint {
            executor: graphql::engine(app.clone(), policy.sharing),
            gate,
            limits: Limits { file: uploads.bytes, files: uploads.files, ..Limits::default() },
            origins,
            shutdown: shutdown.clone(),
        };
        let patience = endpoint.limits.send;
        let app = web::Data::new(app);
        let routes = move || {
            Routes::new()
                .app_data(app.clone())
                .app_data(allowed.clone())
                .configure(|config| transport::configure(config, "/graphql", endpoint.clone()))
                .configure(graphiql::configure)
                .route("/files/{version}/{name}", web::get().to(download))
                .route("/files/{version}/{name}", web::head().to(download))
                .route("/exports/{project}/{name}", web::get().to(export))
                .route("/exports/{project}/{name}", web::head().to(export))
                .route("/healthz", web::get().to(healthz))
                .route("/readyz", web::get().to(readyz))
        };
        let server = HttpServer::new(routes)
            .disable_signals()
            .on_connect(drop_stalled(patience))
            .keep_alive(KEEP_ALIVE)
            .client_disconnect_timeout(LINGER)
            .shutdown_timeout(GRACE)
            .listen(listener)
            .map_err(Error::unavailable)?
            .run();
        let handle = server.handle();
        Ok(Self { handle, serving: tokio::spawn(server), shutdown })
    }

    /// Ends open streams and sockets with a reason. Requests are still answered.
    pub fn close_streams(&self) {
        self.shutdown.cancel();
    }

    /// Answers what is under way and stops.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.handle.stop(true).await;
        let _ = self.serving.await;
    }
}
