//! What is wrong before GraphQL is reached: bodies, parts, frames, connections and tokens.

use std::time::Duration;

use futures_util::SinkExt;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::tungstenite::Message;
use workroom::model::id::ProjectId;

use super::{START_RUN, Scene, discreet, is_bad_input};
use crate::world::{
    PATIENCE, World,
    form::{BOUNDARY, Body},
    live::Socket,
};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cannot_be_read_are_refused() {
    let scene = Scene::on_sqlite().await;
    let before = scene.state().await;
    let post = |content_type: &'static str, body: Vec<u8>| {
        let request = scene.amy.http.post(scene.amy.graphql()).bearer_auth(scene.amy.secret()).timeout(PATIENCE);
        let request = if content_type.is_empty() { request } else { request.header("content-type", content_type) };
        request.body(body).send()
    };
    let good = json!({ "query": "mutation { createProject(input: { name: \"no\" }) { project { id } } }" }).to_string();
    let huge = json!({ "query": START_RUN, "variables": { "input": { "projectId": scene.project, "prompt": "x".repeat(1_100_000) } } });
    let deep = format!("{}{}", "[".repeat(300_000), "]".repeat(300_000));
    let surrogate = format!(
        r#"{{"query": "mutation($name: String!) {{ createProject(input: {{ name: $name }}) {{ project {{ id }} }} }}", "variables": {{"name": "a{}ud800"}}}}"#,
        '\\'
    );
    for (content_type, body, status) in [
        ("", good.clone().into_bytes(), 415),
        ("text/plain", good.clone().into_bytes(), 415),
        ("application/x-www-form-urlencoded", good.clone().into_bytes(), 415),
        ("application/json; charset=latin1", good.clone().into_bytes(), 415),
        ("application/graphql", b"{ viewer { name } }".to_vec(), 415),
        ("multipart/form-data", good.clone().into_bytes(), 400),
        ("a/b/c; =", good.clone().into_bytes(), 415),
        ("application/json", Vec::new(), 400),
        ("application/json", b"{".to_vec(), 400),
        ("application/json", b"null".to_vec(), 400),
        ("application/json", format!("[{good}]").into_bytes(), 400),
        ("application/json", b"{\"query\": \"\xff\"}".to_vec(), 400),
        ("application/json", surrogate.into_bytes(), 400),
        ("application/json", deep.into_bytes(), 400),
        ("application/json", b"{\"query\": null}".to_vec(), 400),
        ("application/json", b"{\"query\": {}}".to_vec(), 400),
        ("application/json", b"{\"query\": \"{ viewer { name } }\", \"variables\": []}".to_vec(), 400),
        ("application/json", huge.to_string().into_bytes(), 413),
    ] {
        let said = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let response = post(content_type, body).await.expect("an answer");
        assert_eq!(response.status(), status, "{content_type} {said}");
        let answer: Value = response.json().await.expect("JSON");
        assert!(is_bad_input(&answer), "{content_type} {said}: {answer:#}");
        discreet(&answer);
    }
    let form = format!("--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{good}\r\n--x--\r\n");
    assert_eq!(
        post("multipart/form-data; boundary=x", form.into_bytes()).await.expect("an answer").status(),
        400,
        "no preflight header"
    );
    let get = |query: &str| {
        scene.amy.http.get(format!("{}?{query}", scene.amy.graphql())).bearer_auth(scene.amy.secret()).send()
    };
    assert_eq!(
        get("query=mutation%7BcreateProject(input%3A%7Bname%3A%22no%22%7D)%7Bproject%7Bid%7D%7D%7D")
            .await
            .expect("an answer")
            .status(),
        405
    );
    for bad in [
        "",
        "query=",
        "query=%ff",
        "query=%7Bviewer%7Bname%7D%7D&query=x",
        "query=%7Bviewer%7Bname%7D%7D&variables=%7B",
    ] {
        let response = get(bad).await.expect("an answer");
        assert!([200, 400].contains(&response.status().as_u16()), "{bad}");
        assert!(is_bad_input(&response.json().await.expect("JSON")), "{bad}");
    }
    for method in [reqwest::Method::PUT, reqwest::Method::DELETE, reqwest::Method::PATCH] {
        let response = scene
            .amy
            .http
            .request(method, scene.amy.graphql())
            .bearer_auth(scene.amy.secret())
            .send()
            .await
            .expect("an answer");
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    for nowhere in ["/nowhere", "/graphql/", "/../etc/passwd", "//", "/files", "/.git/config", "/%00"] {
        let response = scene.amy.http.get(format!("{}{nowhere}", scene.world.base())).send().await.expect("an answer");
        assert!([400, 404].contains(&response.status().as_u16()), "{nowhere}: {}", response.status());
    }
    assert_eq!(scene.state().await, before);
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn multipart_bodies_out_of_shape_keep_nothing() {
    let scene = Scene::on_sqlite().await;
    let before = scene.state().await;
    let project = scene.project.as_str();
    let map = |body: Value| {
        Body::of(
            &json!({ "query": "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) { results { file { id } userErrors { code } } userErrors { code } } }",
        "variables": { "input": { "projectId": project, "files": [null] } } }),
            &body,
        )
    };
    let forged = |key: Value| {
        Body::of(
            &json!({ "query": "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) { results { file { id } } userErrors { code } } }",
        "variables": { "input": { "projectId": project, "files": [key] } } }),
            &json!({}),
        )
    };
    let good = || Body::upload(project, None, 1);
    let two = Body::of(
        &json!({ "query": "mutation($a: UploadFilesInput!) { x: uploadFiles(input: $a) { results { file { id } } } y: uploadFiles(input: $a) { results { file { id } } } }",
        "variables": { "a": { "projectId": ProjectId::new().to_string(), "files": [null] } } }),
        &json!({ "0": ["variables.a.files.0"] }),
    );
    for (what, body) in [
        ("a file twice", good().file("0", "a.txt", b"a").file("0", "b.txt", b"b").end()),
        ("a file that the map does not name", good().file("0", "a.txt", b"a").file("1", "b.txt", b"b").end()),
        ("a file missing", good().end()),
        ("operations twice", good().field("operations", "{}").file("0", "a.txt", b"a").end()),
        ("files before the map", Body::default().file("0", "a.txt", b"a").end()),
        ("a map that is a list", map(json!([])).file("0", "a.txt", b"a").end()),
        ("a map to nowhere", map(json!({ "0": ["variables.input.files.7"] })).file("0", "a.txt", b"a").end()),
        ("a map to the query", map(json!({ "0": ["query"] })).file("0", "a.txt", b"a").end()),
        ("a map over a value", map(json!({ "0": ["variables.input.projectId"] })).file("0", "a.txt", b"a").end()),
        (
            "two files for one variable",
            map(json!({ "0": ["variables.input.files.0"], "1": ["variables.input.files.0"] }))
                .file("0", "a.txt", b"a")
                .file("1", "a.txt", b"b")
                .end(),
        ),
        ("no end", good().file("0", "a.txt", b"a").0),
        ("a cut in the file", good().file("0", "a.txt", b"a").0[..].split_last_chunk::<3>().expect("long").0.to_vec()),
        ("nothing", Vec::new()),
        ("no parts", Body::default().end()),
        ("a forged key", forged(json!("0123456789abcdef0123456789abcdef")).end()),
        ("an empty key", forged(json!("")).end()),
        ("a null", forged(json!(null)).end()),
        ("a number", forged(json!(7)).end()),
    ] {
        let response = scene.amy.post_form(body).await;
        assert!(response.status().as_u16() < 500, "{what}: {}", response.status());
        let answer: Value = response.json().await.expect("JSON");
        assert!(is_bad_input(&answer), "{what}: {answer:#}");
        discreet(&answer);
        assert_eq!(scene.state().await, before, "{what}");
    }
    let answer: Value = scene.amy.post_form(two.file("0", "a.txt", b"a").end()).await.json().await.expect("JSON");
    discreet(&answer);
    assert_eq!(scene.state().await, before);
    nothing_staged(&scene.world).await;
    scene.world.stop().await;
}

/// Staged bytes are in files without a name; what is kept of them shows among the open files of this process.
async fn nothing_staged(world: &World) {
    let staging = world.folder().join("data/staging");
    let staged = || {
        let open = std::fs::read_dir("/proc/self/fd").expect("the open files").flatten();
        open.filter(|file| std::fs::read_link(file.path()).is_ok_and(|target| target.starts_with(&staging))).count()
    };
    let gone = async {
        while staged() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("what was staged goes");
}

/// A connection on which anything can be said.
async fn raw(world: &World) -> TcpStream {
    TcpStream::connect(world.house().address()).await.expect("a connection")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_vanishes_in_an_upload_leaves_nothing() {
    let scene = Scene::on_sqlite().await;
    let before = scene.state().await;
    let body = Body::upload(&scene.project, None, 1).file("0", "half.txt", &vec![b'x'; 4 << 20]).end();
    for sent in [body.len() / 2, body.len() - 5, 10] {
        let mut stream = raw(&scene.world).await;
        let head = format!(
            "POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nGraphQL-Require-Preflight: 1\r\nContent-Type: multipart/form-data; boundary={}\r\nContent-Length: {}\r\n\r\n",
            scene.amy.secret(),
            BOUNDARY,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(&body[..sent]).await.expect("sent");
        stream.flush().await.expect("sent");
        drop(stream);
    }
    nothing_staged(&scene.world).await;
    assert_eq!(scene.state().await, before);
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_frame_and_broken_frames_harm_nobody() {
    let scene = Scene::on_sqlite().await;
    let mut well = scene.amy.socket().await;
    let upgrade = "GET /graphql HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
    let frames: [(&str, &[u8], Option<u16>); 6] = [
        ("half a header", b"\x81", None),
        ("half a body", b"\x81\xfe\x01\x00\x01\x02\x03\x04{\"ty", None),
        ("unmasked", b"\x81\x02{}", Some(1002)),
        ("a reserved opcode", b"\x83\x80\x01\x02\x03\x04", Some(1002)),
        ("far too long", b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x01\x02\x03\x04", Some(1009)),
        ("not UTF-8", b"\x81\x82\x00\x00\x00\x00\xff\xfe", Some(1007)),
    ];
    for (what, frame, code) in frames {
        let mut stream = raw(&scene.world).await;
        stream.write_all(upgrade.as_bytes()).await.expect("sent");
        let mut head = [0; 2048];
        let read = timeout(PATIENCE, stream.read(&mut head)).await.expect("in time").expect("an answer");
        assert!(head[..read].starts_with(b"HTTP/1.1 101"), "{what}");
        stream.write_all(frame).await.expect("sent");
        if let Some(code) = code {
            let mut end = Vec::new();
            // A reset after the close frame is an end, too.
            timeout(Duration::from_secs(5), stream.read_to_end(&mut end)).await.expect("closed in time").ok();
            let said = end.windows(2).any(|pair| u16::from_be_bytes([pair[0], pair[1]]) == code);
            assert!(said, "{what}: {end:?}");
        }
    }
    // A JSON text with half a surrogate pair, and a message of no known kind: each is the end of that socket only.
    for text in ["{\"type\": \"ping\", \"payload\": {\"a\": \"\\ud800\"}}", "{\"type\": \"nothing\"}", "[]", ""] {
        let mut socket = Socket::open(&scene.amy).await;
        socket.stream.send(Message::text(text)).await.expect("sent");
        while socket.next().await.is_some() {}
        assert_eq!(socket.closed.map(|frame| u16::from(frame.code)), Some(4400), "{text}");
    }
    well.send(json!({ "type": "ping" })).await;
    assert_eq!(well.next().await.expect("a pong")["type"], "pong");
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_token_opens_no_door() {
    let scene = Scene::on_sqlite().await;
    let revoked = scene.world.user("amy").await;
    scene.world.revoke(&revoked).await;
    let expired = scene.world.user_until("amy", Some(Duration::from_millis(1))).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let http = reqwest::Client::new();
    let tokens = [Some(revoked.secret()), Some(expired.secret()), Some("wr_nobody"), Some("x"), Some(""), None];
    for token in tokens {
        let with = |request: reqwest::RequestBuilder| match token {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        };
        let url = scene.amy.graphql();
        let query = json!({ "query": "{ __schema { queryType { name } } }" });
        let form = Body::upload(&scene.project, None, 1).file("0", "a.txt", b"a").end();
        let form_type = format!("multipart/form-data; boundary={BOUNDARY}");
        for request in [
            http.post(&url).json(&query),
            http.get(format!("{url}?query=%7B__typename%7D")),
            http.post(&url).json(&query).header("accept", "text/event-stream"),
            http.post(&url).header("content-type", form_type).header("GraphQL-Require-Preflight", "1").body(form),
        ] {
            let response = with(request).send().await.expect("an answer");
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{token:?}");
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            let answer: Value = response.json().await.expect("JSON");
            assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
            assert!(answer.get("data").is_none());
            discreet(&answer);
        }
        let mut socket = Socket::open(&scene.amy).await;
        let payload = token.map(|token| json!({ "authorization": format!("Bearer {token}") }));
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.next().await, None);
        assert_eq!(socket.closed.map(|frame| u16::from(frame.code)), Some(4403), "{token:?}");
    }
    scene.world.stop().await;
}
