//! The suites of others, and our own probes, as Node.js programs.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

use super::server::Server;

/// Runs one program of this folder to its end: whether it exited with 0, and what it said.
async fn run(runner: &str, settings: &[(&str, &str)]) -> (bool, String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit");
    assert!(folder.join("node_modules").is_dir(), "the audits' packages are missing: run `npm ci` in tests/audit");
    let child = Command::new("node")
        .arg(runner)
        .current_dir(folder)
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node starts");
    let output = tokio::time::timeout(Duration::from_mins(3), child.wait_with_output()).await;
    let output = output.expect("the runner ends in time").expect("the runner runs");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.into_owned())
}

/// Fails with the program's output unless it found nothing.
pub async fn pass(runner: &str, settings: &[(&str, &str)]) {
    let (passed, said) = run(runner, settings).await;
    assert!(passed, "{runner} found something:\n{said}");
    println!("{said}");
}

#[tokio::test]
async fn all_audits_of_graphql_over_http_pass() {
    let server = Server::with(|endpoint| endpoint.gate.strict = true);
    pass("http-audit.mjs", &[("URL", &server.url()), ("STRICT", "1"), ("TOKEN", "amy")]).await;
}

#[tokio::test]
async fn the_websocket_conforms_to_its_protocol() {
    let server = Server::with(|endpoint| endpoint.limits.initial_wait = Duration::from_secs(2));
    pass("ws-conformance.mjs", &[("WS_URL", &server.ws_url())]).await;
}

#[tokio::test]
async fn the_security_probes_find_nothing_open() {
    let server = Server::with(|endpoint| {
        endpoint.limits.file = 4 << 20;
        endpoint.limits.multipart = 6 << 20;
    });
    pass("security.mjs", &[("URL", &server.url()), ("HDRS", r#"{"GraphQL-Require-Preflight":"1"}"#)]).await;
}

#[tokio::test]
async fn a_probe_of_a_field_that_is_not_there_is_a_failure() {
    let server = Server::start();
    let (passed, said) = run("security.mjs", &[("URL", &server.url()), ("ERR_FIELD", "nowhere")]).await;
    assert!(!passed && said.contains("UNASKED (a field that does not exist) internal error text masked"), "{said}");
}
