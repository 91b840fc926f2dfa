//! A server over the audit schema, on a free port of the loopback, with two workers.

use std::{net::SocketAddr, thread::JoinHandle, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};
use tokio_util::sync::CancellationToken;
use workroom::http::graphql::{
    Endpoint, configure,
    settings::{Limits, Origins},
    stall::drop_stalled,
};

use super::schema::{AuditGate, AuditSchema, schema};

pub type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// A client whose every request ends in time.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(Duration::from_secs(20)).build().expect("a client")
}

/// A running server. Stops when dropped.
pub struct Server {
    pub address: SocketAddr,
    pub gate: AuditGate,
    pub shutdown: CancellationToken,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts with defaults.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// Starts with what `change` makes of the defaults.
    pub fn with(change: impl FnOnce(&mut Endpoint<AuditSchema, AuditGate>)) -> Self {
        let mut endpoint = Endpoint {
            executor: schema(),
            gate: AuditGate::default(),
            limits: Limits::default(),
            origins: Origins::default(),
            shutdown: CancellationToken::new(),
        };
        change(&mut endpoint);
        let (gate, shutdown) = (endpoint.gate.clone(), endpoint.shutdown.clone());
        let stalled = drop_stalled(endpoint.limits.send);
        let (started, start) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    let endpoint = endpoint.clone();
                    App::new().configure(move |config| configure(config, "/graphql", endpoint))
                };
                let server = HttpServer::new(app)
                    .on_connect(stalled)
                    .workers(2)
                    .disable_signals()
                    .bind("127.0.0.1:0")
                    .expect("a free port");
                let address = server.addrs()[0];
                let server = server.run();
                started.send((address, server.handle())).expect("the test waits");
                server.await.expect("the server runs");
            });
        });
        let (address, handle) = start.recv().expect("the server starts");
        Self { address, gate, shutdown, handle, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/graphql", self.address)
    }

    pub fn ws_url(&self) -> String {
        format!("ws://{}/graphql", self.address)
    }

    /// A socket that speaks the protocol, not yet initialised.
    pub async fn socket(&self) -> Socket {
        let mut request = self.ws_url().into_client_request().expect("an address");
        request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
        tokio_tungstenite::connect_async(request).await.expect("an upgrade").0
    }

    /// A socket that was admitted.
    pub async fn admitted(&self) -> Socket {
        use futures_util::{SinkExt, StreamExt};
        let mut socket = self.socket().await;
        socket.send(Message::text(r#"{"type":"connection_init"}"#)).await.expect("sent");
        let ack = socket.next().await.expect("a message").expect("a frame");
        assert_eq!(ack.to_text().expect("text"), r#"{"type":"connection_ack"}"#);
        socket
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
        // The command goes out at once; the future would only wait for its effect, as the thread's end does.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
