//! Files in multipart requests.

use std::sync::atomic::Ordering;

use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::server::{Server, client};

const UPLOADS: &str = "mutation($files: [Upload!]!) { uploadFiles(files: $files) { size filename contentType error } }";

async fn send(server: &Server, form: Form) -> (StatusCode, Value) {
    let request = client().post(server.url()).header("graphql-require-preflight", "1").multipart(form);
    let response = request.send().await.expect("an answer");
    (response.status(), response.json().await.expect("JSON"))
}

fn form(query: &str, variables: Value, map: Value) -> Form {
    Form::new()
        .text("operations", json!({ "query": query, "variables": variables }).to_string())
        .text("map", map.to_string())
}

fn file(bytes: usize, name: &str, media_type: &str) -> Part {
    Part::bytes(vec![b'x'; bytes]).file_name(name.to_owned()).mime_str(media_type).expect("a media type")
}

#[tokio::test]
async fn each_file_has_its_own_result() {
    let server = Server::with(|endpoint| endpoint.limits.file = 100_000);
    let map = json!({ "a": ["variables.files.0"], "b": ["variables.files.1"], "c": ["variables.files.2"], "d": ["variables.files.3"] });
    let form = form(UPLOADS, json!({ "files": [null, null, null, null] }), map)
        .part("a", file(10, "a.txt", "text/plain"))
        .part("b", file(200_000, "large.txt", "text/plain"))
        .part("c", file(10, "c.exe", "application/x-msdownload"))
        .part("d", file(100_000, "d.csv", "text/csv"));
    let (status, body) = send(&server, form).await;
    let results = &body["data"]["uploadFiles"];
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(results[0], json!({ "size": 10, "filename": "a.txt", "contentType": "text/plain", "error": null }));
    assert!(results[1]["error"].as_str().expect("an error").contains("100000"), "{body}");
    assert_eq!(results[2]["error"], "Programs are not taken.");
    assert_eq!(results[3]["size"], 100_000);
}

#[tokio::test]
async fn a_forged_key_names_nothing() {
    let server = Server::start();
    let query = "mutation($file: Upload!) { uploadFile(file: $file) { size } }";
    for forged in [json!("#__graphql_file__:0"), json!("0"), json!(7)] {
        let body = json!({ "query": query, "variables": { "file": forged } });
        let response = client().post(server.url()).json(&body).send().await.expect("an answer");
        let body: Value = response.json().await.expect("JSON");
        assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{body}");
    }
    let twice = "mutation($file: Upload!) { a: uploadFile(file: $file) { size } b: uploadFile(file: $file) { size } }";
    let form =
        form(twice, json!({ "file": null }), json!({ "0": ["variables.file"] })).part("0", file(3, "a", "text/plain"));
    let (_, body) = send(&server, form).await;
    assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{body}");
}

#[tokio::test]
async fn a_body_over_all_limits_is_refused_whole() {
    let server = Server::with(|endpoint| {
        endpoint.limits.multipart = 1 << 20;
        endpoint.limits.file = 1 << 18;
    });
    let form = form(UPLOADS, json!({ "files": [null] }), json!({ "0": ["variables.files.0"] }))
        .part("0", file(3 << 20, "large", "text/plain"));
    let (status, body) = send(&server, form).await;
    assert_eq!(
        (status, &body["errors"][0]["extensions"]["code"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("BAD_USER_INPUT"))
    );
}

#[tokio::test]
async fn nothing_is_staged_for_a_request_that_is_refused() {
    let server = Server::start();
    let deep = format!("mutation($files: [Upload!]!) {{ a(b: {}) }}", "[".repeat(100));
    let map = json!({ "0": ["variables.files.0"] });
    let null = json!({ "files": [null] });
    let none = || Form::new().text("map", map.to_string());
    for (why, form) in [
        ("too deep", form(&deep, null.clone(), map.clone())),
        ("no such variable", form(UPLOADS, json!({}), map.clone())),
        ("not in the map", form(UPLOADS, null.clone(), json!({}))),
        ("no operations", none()),
    ] {
        let (status, body) = send(&server, form.part("0", file(10, "a", "text/plain"))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{why}: {body}");
    }
    assert_eq!(server.gate.counts.staged.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_form_without_a_preflight_header_is_refused() {
    let server = Server::start();
    let form = form(UPLOADS, json!({ "files": [] }), json!({}));
    let response = client().post(server.url()).multipart(form).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_part_of_nothing_but_headers_is_refused_early() {
    use futures_util::{StreamExt, stream};
    let server = Server::start();
    let begun = stream::iter([bytes::Bytes::from_static(b"--b\r\nX-Long: ")]);
    let endless = begun.chain(stream::repeat(bytes::Bytes::from(vec![b'x'; 1 << 14])));
    let request = client().post(server.url()).header("graphql-require-preflight", "1");
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    let request = request.body(reqwest::Body::wrap_stream(endless.map(Ok::<_, std::io::Error>)));
    // Without a bound of its own it would be the bound on the whole body that answers, with 413.
    let response = request.send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_given_up() {
    use futures_util::{StreamExt, stream};
    let server = Server::with(|endpoint| endpoint.limits.body_pause = std::time::Duration::from_millis(200));
    let begun = bytes::Bytes::from_static(b"--b\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{");
    let body = stream::iter([Ok::<_, std::io::Error>(begun)]).chain(stream::pending());
    let request = client().post(server.url()).header("graphql-require-preflight", "1");
    let request = request.header("content-type", "multipart/form-data; boundary=b");
    let response = request.body(reqwest::Body::wrap_stream(body)).send().await.expect("an answer");
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
}
