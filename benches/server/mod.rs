//! The server under a bench, and how it is asked.

#![allow(dead_code, reason = "not every bench needs all of it")]

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use reqwest::Client;
use serde_json::{Value, json};

/// The server; it ends with the bench.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a server in development mode in a folder, on a database there or at a URL; answers with it, its address and how long
/// it took to answer.
pub async fn start_server(
    binary: &str,
    folder: &Path,
    database: Option<&str>,
    http: &Client,
) -> (Server, String, Duration) {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
    let base = format!("http://127.0.0.1:{port}");
    let begun = Instant::now();
    let child = Command::new(binary)
        .args(["serve", "--dev", "--listen", &format!("127.0.0.1:{port}")])
        .args(database.iter().flat_map(|url| ["--database-url", *url]))
        .current_dir(folder)
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let server = Server(child);
    while begun.elapsed() < Duration::from_mins(5) {
        if http.get(format!("{base}/healthz")).send().await.is_ok_and(|response| response.status() == 200) {
            return (server, base, begun.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("no answer in time");
}

/// The data of an operation that succeeds.
pub async fn ask(http: &Client, base: &str, query: &str, variables: Value) -> Value {
    let request = http.post(format!("{base}/graphql")).json(&json!({ "query": query, "variables": variables }));
    let mut answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"].take()
}

/// What the server holds in memory.
pub fn memory(server: &Server) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", server.0.id())).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS is not told here");
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Milliseconds that the server's processor has worked, counted in ticks of ten.
pub fn worked(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.0.id())).unwrap_or_default();
    // After the name, which may hold anything: the times in user and in kernel mode are the 12th and the 13th.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>() * 10
}
