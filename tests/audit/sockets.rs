//! What the WebSocket suite does not see.

use std::{sync::atomic::Ordering, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue};
use workroom::http::graphql::gate::Ended;

use super::server::{Server, Socket};

const LONG: Duration = Duration::from_secs(5);

async fn subscribe(socket: &mut Socket, query: &str) {
    let message = json!({ "type": "subscribe", "id": "1", "payload": { "query": query } });
    socket.send(Message::text(message.to_string())).await.expect("sent");
}

async fn json_of(socket: &mut Socket) -> Value {
    loop {
        let message = timeout(LONG, socket.next()).await.expect("in time").expect("a message").expect("a frame");
        if message.is_text() {
            return serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        }
    }
}

/// Reads on until the close frame.
async fn close_of(socket: &mut Socket) -> (u16, String) {
    loop {
        match timeout(LONG, socket.next()).await.expect("in time") {
            Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
            Some(Ok(_)) => {}
            other => panic!("no close frame: {other:?}"),
        }
    }
}

async fn nothing_alive(server: &Server) {
    let gone = async {
        while server.gate.counts.alive.load(Ordering::SeqCst) > 0 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LONG, gone).await.expect("the stream is dropped");
}

#[tokio::test]
async fn a_socket_closes_with_the_reason_when_its_token_ends() {
    let server = Server::start();
    let mut socket = server.admitted().await;
    subscribe(&mut socket, "subscription { counter(to: 100000, everyMs: 10) { n } }").await;
    assert_eq!(json_of(&mut socket).await["payload"]["data"]["counter"]["n"], 1);
    let mut idle = server.admitted().await;
    server.gate.end.send_replace(Some(Ended { reason: "The token was revoked.".into() }));
    for socket in [&mut socket, &mut idle] {
        let closed = timeout(Duration::from_secs(1), close_of(socket)).await.expect("within a second");
        assert_eq!(closed, (4403, "The token was revoked.".into()));
    }
    nothing_alive(&server).await;
}

#[tokio::test]
async fn a_stopping_server_closes_its_sockets() {
    let server = Server::start();
    let mut socket = server.admitted().await;
    server.shutdown.cancel();
    assert_eq!(close_of(&mut socket).await.0, 1012);
}

#[tokio::test]
async fn a_stalled_reader_costs_little_and_is_dropped() {
    const RESULT: usize = 60_000;
    let server = Server::with(|endpoint| endpoint.limits.send = Duration::from_millis(500));
    let mut socket = server.admitted().await;
    subscribe(&mut socket, &format!("subscription {{ flood(bytes: {RESULT}) }}")).await;
    // Nothing is read from here on. The kernel's buffers of both ends take some megabytes, we a few results.
    nothing_alive_after_first(&server).await;
    let made = server.gate.counts.flooded.load(Ordering::SeqCst) * RESULT;
    assert!(made < 24 << 20, "{made} bytes were made for nobody");
    // And the connection goes, with all that waited in it. The kernel asks less and less often whether the client
    // takes more, so it takes the kernel a few times the wait to notice.
    sleep(Duration::from_secs(3)).await;
    let end = loop {
        match timeout(LONG, socket.next()).await.expect("in time").expect("no orderly end") {
            Ok(_) => {}
            Err(Error::Io(error)) => break error.kind(),
            Err(other) => panic!("the server had kept the rest: {other}"),
        }
    };
    assert_eq!(end, std::io::ErrorKind::ConnectionReset);
}

async fn nothing_alive_after_first(server: &Server) {
    let begun = async {
        while server.gate.counts.flooded.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, begun).await.expect("the flood begins");
    nothing_alive(server).await;
}

#[tokio::test]
async fn a_token_may_come_in_the_upgrade_or_in_the_payload() {
    let server = Server::with(|endpoint| endpoint.gate.strict = true);
    let viewer = async |mut socket: Socket, init: Value| {
        socket.send(Message::text(init.to_string())).await.expect("sent");
        subscribe(&mut socket, "{ viewer }").await;
        assert_eq!(json_of(&mut socket).await["type"], "connection_ack");
        json_of(&mut socket).await["payload"]["data"]["viewer"].clone()
    };
    let init = json!({ "type": "connection_init", "payload": { "Authorization": "Bearer amy" } });
    assert_eq!(viewer(server.socket().await, init).await, "amy");

    let mut request = server.ws_url().into_client_request().expect("an address");
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    request.headers_mut().insert("authorization", HeaderValue::from_static("Bearer ben"));
    let (socket, _) = tokio_tungstenite::connect_async(request).await.expect("an upgrade");
    assert_eq!(viewer(socket, json!({ "type": "connection_init" })).await, "ben");

    let mut socket = server.socket().await;
    socket.send(Message::text(r#"{"type":"connection_init"}"#)).await.expect("sent");
    assert_eq!(close_of(&mut socket).await, (4403, "Forbidden".into()));
    let mut socket = server.socket().await;
    socket.send(Message::text(r#"{"type":"connection_init","payload":{"token":"away"}}"#)).await.expect("sent");
    assert_eq!(close_of(&mut socket).await.0, 1013);
}

#[tokio::test]
async fn odd_frames_have_their_codes() {
    let server = Server::with(|endpoint| endpoint.limits.frame = 1000);
    let mut socket = server.admitted().await;
    socket.send(Message::text("x".repeat(5000))).await.expect("sent");
    assert_eq!(close_of(&mut socket).await.0, 1009);

    let mut socket = server.admitted().await;
    socket.send(Message::binary(b"{}".to_vec())).await.expect("sent");
    assert_eq!(close_of(&mut socket).await.0, 4400);
}

/// A text frame whose bytes are no UTF-8, and a frame of which only half comes, written by hand.
#[tokio::test]
async fn broken_frames_do_not_hold_a_socket() {
    use tokio::io::AsyncWriteExt;
    use tokio_tungstenite::MaybeTlsStream;
    let server = Server::with(|endpoint| {
        endpoint.limits.heartbeat = Duration::from_millis(100);
        endpoint.limits.missed_heartbeats = 2;
    });
    let raw = async |bytes: &[u8]| {
        let mut socket = server.admitted().await;
        let MaybeTlsStream::Plain(stream) = socket.get_mut() else { panic!("no TLS here") };
        stream.write_all(bytes).await.expect("sent");
        socket
    };
    // FIN + text, masked with zeros, two bytes of which neither begins a character.
    let mut socket = raw(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await;
    assert_eq!(close_of(&mut socket).await.0, 1007);

    // The same head, announcing 100 bytes, and only one. Pongs cannot be sent inside a frame, so the client is silent.
    let socket = raw(&[0x81, 0xe4, 0, 0, 0, 0, b'x']).await;
    let MaybeTlsStream::Plain(stream) = socket.get_ref() else { panic!("no TLS here") };
    let ended = async {
        let mut bytes = [0u8; 256];
        loop {
            stream.readable().await.expect("readable");
            match stream.try_read(&mut bytes) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    timeout(LONG, ended).await.expect("the silent socket is dropped");
}

#[tokio::test]
async fn a_panic_ends_one_operation_and_nothing_else() {
    let server = Server::start();
    let mut socket = server.admitted().await;
    subscribe(&mut socket, "subscription { subPanics { n } }").await;
    assert_eq!(json_of(&mut socket).await["payload"]["data"]["subPanics"]["n"], 1);
    let failed = json_of(&mut socket).await;
    assert_eq!((&failed["type"], &failed["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("INTERNAL")));
    assert!(!failed.to_string().contains("secret"), "{failed}");
    subscribe(&mut socket, "{ viewer }").await;
    assert_eq!(json_of(&mut socket).await["payload"]["data"]["viewer"], "nobody");
}

#[tokio::test]
async fn a_stream_that_cannot_begin_tells_no_cause() {
    let server = Server::start();
    let mut socket = server.admitted().await;
    subscribe(&mut socket, "subscription { subFails { n } }").await;
    let failed = json_of(&mut socket).await.to_string();
    assert!(failed.contains("INTERNAL") && !failed.contains("secret"), "{failed}");
}

#[tokio::test]
async fn one_operation_too_many_fails_alone() {
    let server = Server::with(|endpoint| endpoint.limits.operations = 1);
    let mut socket = server.admitted().await;
    subscribe(&mut socket, "subscription { counter(to: 3, everyMs: 100) { n } }").await;
    let second = json!({ "type": "subscribe", "id": "2", "payload": { "query": "{ viewer }" } });
    socket.send(Message::text(second.to_string())).await.expect("sent");
    let refused = json_of(&mut socket).await;
    assert_eq!((&refused["id"], &refused["payload"][0]["extensions"]["code"]), (&json!("2"), &json!("RATE_LIMITED")));
    assert_eq!(json_of(&mut socket).await["payload"]["data"]["counter"]["n"], 1);
}
