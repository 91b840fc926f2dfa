//! Watching live: server-sent events and graphql-transport-ws, as clients do.

use futures_util::{SinkExt, StreamExt, stream::BoxStream};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::{PATIENCE, User};

/// Follows a run: its events' sequence, type and time.
pub const FOLLOW: &str = "subscription($run: ID!, $after: String) { runEvents(runId: $run, after: $after) {
    endCursor events { sequence type at } } }";

/// A stream of answers over server-sent events.
pub struct Events {
    bytes: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    pending: Vec<u8>,
}

impl Events {
    /// What comes in this response.
    pub fn of(response: reqwest::Response) -> Self {
        Self { bytes: response.bytes_stream().boxed(), pending: Vec::new() }
    }

    /// The next answer; `None` after `complete`.
    pub async fn next(&mut self) -> Option<Value> {
        timeout(PATIENCE, self.patiently()).await.expect("an event in time")
    }

    /// The next answer, however long it takes; `None` after `complete`.
    pub async fn patiently(&mut self) -> Option<Value> {
        self.piece().await.expect("the stream ends with `complete`")
    }

    /// The next answer, or `Some(None)` after `complete`; `None` when the stream breaks before.
    pub async fn piece(&mut self) -> Option<Option<Value>> {
        loop {
            while let Some(end) = self.pending.windows(2).position(|pair| pair == b"\n\n") {
                let message: Vec<u8> = self.pending.drain(..end + 2).collect();
                let message = String::from_utf8(message).expect("UTF-8");
                if message.starts_with("event: complete") {
                    return Some(None);
                }
                if let Some(data) = message.lines().find_map(|line| line.strip_prefix("data:")) {
                    return Some(Some(serde_json::from_str(data).expect("JSON")));
                }
            }
            let bytes = self.bytes.next().await?.ok()?;
            self.pending.extend_from_slice(&bytes);
        }
    }

    /// All events of a followed run up to its end, as `(sequence, type)`.
    pub async fn until_the_end(mut self) -> Vec<(u64, String)> {
        let mut events = Vec::new();
        while let Some(answer) = self.next().await {
            events.extend(events_of(&answer));
        }
        events
    }
}

/// The events in an answer of [`FOLLOW`].
pub fn events_of(answer: &Value) -> Vec<(u64, String)> {
    let events = answer["data"]["runEvents"]["events"].as_array().unwrap_or_else(|| panic!("no events in {answer:#}"));
    events
        .iter()
        .map(|event| (event["sequence"].as_u64().unwrap_or(0), event["type"].as_str().unwrap_or_default().to_owned()))
        .collect()
}

impl User {
    /// Subscribes over server-sent events.
    pub async fn events(&self, query: &str, variables: Value) -> Events {
        self.try_events(query, variables).await.expect("a stream")
    }

    /// The same at a server that may die or stop first; then `None`.
    pub async fn try_events(&self, query: &str, variables: Value) -> Option<Events> {
        let request = self.http.post(self.graphql()).bearer_auth(self.secret()).header("accept", "text/event-stream");
        let response = request.json(&json!({ "query": query, "variables": variables })).send().await.ok()?;
        match response.status().as_u16() {
            200 => Some(Events::of(response)),
            503 => None,
            other => panic!("{other}: {:?}", response.text().await),
        }
    }

    /// Follows a run over server-sent events.
    pub async fn follow(&self, run: &str, after: Option<&str>) -> Events {
        self.events(FOLLOW, json!({ "run": run, "after": after })).await
    }

    /// All that a WebSocket tells of a run after a cursor, up to its end, as `(sequence, type)`.
    pub async fn over_socket(&self, run: &str, after: Option<&str>) -> Vec<(u64, String)> {
        let mut socket = self.socket().await;
        socket.subscribe("1", FOLLOW, json!({ "run": run, "after": after })).await;
        let mut events = Vec::new();
        loop {
            let message = socket.next().await.expect("the stream ends with `complete`");
            match message["type"].as_str() {
                Some("next") => events.extend(events_of(&message["payload"])),
                Some("complete") => return events,
                _ => panic!("{message:#}"),
            }
        }
    }

    /// A WebSocket that has been let in.
    pub async fn socket(&self) -> Socket {
        let mut socket = Socket::open(self).await;
        socket.send(json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", self.secret()) } })).await;
        assert_eq!(socket.next().await, Some(json!({ "type": "connection_ack" })));
        socket
    }
}

/// A WebSocket that speaks graphql-transport-ws.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// How the server closed it.
    pub closed: Option<CloseFrame>,
}

impl Socket {
    /// Connects, and says nothing yet.
    pub async fn open(user: &User) -> Self {
        let url = user.graphql().replacen("http", "ws", 1);
        let mut request = url.into_client_request().expect("a request");
        let protocol = "graphql-transport-ws".parse().expect("a header");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        let (stream, _) = tokio_tungstenite::connect_async(request).await.expect("a WebSocket");
        Self { stream, closed: None }
    }

    pub async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("the server listens");
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        self.send(json!({ "id": id, "type": "subscribe", "payload": { "query": query, "variables": variables } }))
            .await;
    }

    /// The next message; `None` when the server closes, and then `closed` says how.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.stream.next()).await.expect("a message in time") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).expect("JSON")),
                Some(Ok(Message::Close(frame))) => {
                    self.closed = frame;
                    return None;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}
