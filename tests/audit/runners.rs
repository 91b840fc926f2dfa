//! The suites of others, and our own probes, as Node.js programs.

use std::{path::Path, process::Stdio, time::Duration};

use tokio::process::Command;

use super::server::Server;

/// Runs one program of this folder to its end and fails with its output unless it exits with 0.
async fn run(runner: &str, settings: &[(&str, &str)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit");
    assert!(
        folder.join("node_modules").is_dir(),
        "the packages of the audits are missing: run `npm ci` in tests/audit"
    );
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
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{runner} found something:\n{said}\n{complained}");
}

#[tokio::test]
async fn all_audits_of_graphql_over_http_pass() {
    let server = Server::start();
    run("http-audit.mjs", &[("URL", &server.url()), ("STRICT", "1")]).await;
}

#[tokio::test]
async fn the_websocket_conforms_to_its_protocol() {
    let server = Server::with(|endpoint| endpoint.limits.initial_wait = Duration::from_secs(2));
    run("ws-conformance.mjs", &[("WS_URL", &server.ws_url())]).await;
}

#[tokio::test]
async fn the_security_probes_find_nothing_open() {
    let server = Server::with(|endpoint| {
        endpoint.limits.file = 4 << 20;
        endpoint.limits.multipart = 6 << 20;
    });
    run("security.mjs", &[("URL", &server.url()), ("HDRS", r#"{"GraphQL-Require-Preflight":"1"}"#)]).await;
}
