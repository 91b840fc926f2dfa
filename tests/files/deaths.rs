//! The program is killed again and again while clients change files: no row is ever without its bytes, no bytes stand under another
//! content's hash, what was acknowledged is there, and in the end nothing is left that nobody names.

use std::{path::PathBuf, time::Duration};

use serde_json::json;

use super::{
    below,
    bytes::{rows, whole},
    changing::Client,
};
use crate::{
    worker::process::{Process, user},
    world::{PATIENCE, User},
};

/// How often the program is killed.
const DEATHS: u64 = 24;
/// Clients at once.
const CLIENTS: u64 = 4;
/// How long bytes are kept that nothing names: shorter than the story, so that the reaper is killed as well.
const FLAGS: &[&str] = &["--keep-unreferenced", "6s"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_keeps_every_row_with_its_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a data folder");
    let process = Process::serve_with(&data, FLAGS).await;
    let amy = user(&data, &process.base).await;
    let project = amy.project("Deaths").await;
    process.kill().await;
    let mut clients: Vec<Client> = (0..CLIENTS).map(|number| Client::new(number, &project)).collect();
    let mut largest = 0;
    for death in 0..DEATHS {
        let process = Process::serve_with(&data, FLAGS).await;
        let user = User::with_token(process.base.clone(), amy.token.clone(), amy.secret().to_owned());
        let working = clients.into_iter().map(|mut client| {
            let user = user.clone();
            tokio::spawn(async move {
                client.work(&user).await;
                client
            })
        });
        let working: Vec<_> = working.collect();
        // At another moment each time; where in a change that is, nobody knows.
        tokio::time::sleep(Duration::from_micros(20_000 + death * 137_911 % 600_000)).await;
        process.kill().await;
        clients = Vec::new();
        for client in working {
            clients.push(client.await.expect("a client does not fail"));
        }
        largest = largest.max(whole(&data).await);
    }
    assert!(clients.iter().map(|client| client.step).sum::<u64>() > DEATHS * CLIENTS, "the clients came to work");

    // What was acknowledged is there.
    let process = Process::serve_with(&data, FLAGS).await;
    let user = User::with_token(process.base.clone(), amy.token.clone(), amy.secret().to_owned());
    for client in &clients {
        client.finds_all(&user).await;
    }
    // In the end there is an object for each row that something names, and nothing else.
    let swept = async {
        loop {
            let mut wanted: Vec<PathBuf> = rows(&data).await.into_iter().map(|row| row.0).collect();
            let mut found = below(&data.join("files"));
            wanted.sort();
            found.sort();
            let query = "query($id: ID!) { project(id: $id) { storage { fileCount } } }";
            let named = user.ask(query, json!({ "id": project })).await["project"]["storage"][1]["fileCount"].clone();
            if wanted == found && named == wanted.len() {
                return wanted.len();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    let left = tokio::time::timeout(PATIENCE, swept).await.expect("what nobody names goes in time");
    assert_eq!(below(&data.join("staging")), Vec::<PathBuf>::new());
    assert_eq!(whole(&data).await, left);
    let steps: u64 = clients.iter().map(|client| client.step).sum();
    println!("{DEATHS} deaths, {steps} changes, at most {largest} contents, {left} in the end");
    process.kill().await;
}
