//! The program is killed again and again while clients change files: no row is ever without its bytes, no bytes stand under another
//! content's hash, what was acknowledged is there, and in the end nothing is left that nobody names.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use workroom::model::id::{ProjectId, VersionId};

use super::{below, sha256};
use crate::{
    worker::process::{Process, user},
    world::{PATIENCE, User, form::Body},
};

/// How often the program is killed.
const DEATHS: u64 = 24;
/// Clients at once.
const CLIENTS: u64 = 4;
/// How long bytes are kept that nothing names: shorter than the story, so that the reaper is killed as well.
const FLAGS: &[&str] = &["--keep-unreferenced", "6s"];

/// What a client knows of its own directory: the SHA-256 at each path, `None` where there is nothing. Where a request was not
/// answered, either may be.
#[derive(Default)]
struct Known(HashMap<String, Option<String>>);

/// A client with its own directory of one project.
struct Client {
    number: u64,
    step: u64,
    project: String,
    known: Known,
    /// A file to copy from.
    source: Option<String>,
}

impl Client {
    /// Sends a request; `None` if it was not answered, as when the program dies.
    async fn try_ask(user: &User, query: &str, input: Value) -> Option<Value> {
        let request = user.http.post(user.graphql()).bearer_auth(user.secret()).timeout(PATIENCE);
        let request = request.json(&json!({ "query": query, "variables": { "input": input } }));
        let answer: Value = request.send().await.ok()?.json().await.ok()?;
        if let Some(error) = answer["errors"].get(0) {
            // On a busy machine the bytes can be too old for the reaper's short patience by the time that they are to be named.
            assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
            return None;
        }
        Some(answer["data"].clone())
    }

    /// Changes files until a request is not answered.
    async fn work(&mut self, user: &User) {
        while self.change(user).await.is_some() {}
    }

    async fn change(&mut self, user: &User) -> Option<()> {
        self.step += 1;
        let (step, folder) = (self.step, format!("client-{}", self.number));
        let text = format!("{folder} {step}\n").repeat(200 * usize::try_from(step % 40).expect("small") + 1);
        let path = format!("{folder}/{}.txt", step % 17);
        let sha256 = sha256(text.as_bytes());
        match step % 6 {
            0 | 1 => {
                self.known.0.remove(&path);
                let query = "mutation($input: WriteFileInput!) { writeFile(input: $input) { file { id sha256 } userErrors { message } } }";
                let input = json!({ "projectId": self.project, "path": path, "text": text });
                let data = Self::try_ask(user, query, input).await?;
                assert_eq!(data["writeFile"]["file"]["sha256"], sha256, "{data:#}");
                self.source = data["writeFile"]["file"]["id"].as_str().map(str::to_owned);
                self.known.0.insert(path, Some(sha256));
            }
            2 => {
                let name = format!("up-{}.txt", step % 5);
                let path = format!("{folder}/{name}");
                self.known.0.remove(&path);
                let body = Body::upload(&self.project, Some(&folder), 1).file("0", &name, text.as_bytes()).end();
                let request =
                    user.http.post(user.graphql()).bearer_auth(user.secret()).header("GraphQL-Require-Preflight", "1");
                let boundary = crate::world::form::BOUNDARY;
                let request = request.header("content-type", format!("multipart/form-data; boundary={boundary}"));
                let answer: Value = request.body(body).timeout(PATIENCE).send().await.ok()?.json().await.ok()?;
                assert_eq!(answer["data"]["uploadFiles"]["results"][0]["file"]["sha256"], sha256, "{answer:#}");
                self.known.0.insert(path, Some(sha256));
            }
            3 => {
                let to = format!("{folder}/moved-{}.txt", step % 11);
                let delete = json!({ "projectId": self.project, "paths": [to] });
                self.known.0.remove(&to);
                Self::try_ask(user, DELETE, delete).await?;
                let before = self.known.0.remove(&path);
                let query =
                    "mutation($input: MoveFileInput!) { moveFile(input: $input) { movedCount userErrors { code } } }";
                let data =
                    Self::try_ask(user, query, json!({ "projectId": self.project, "path": path, "to": to })).await?;
                let moved = data["moveFile"]["movedCount"] == 1;
                self.known.0.insert(path, None);
                match before {
                    Some(Some(content)) => {
                        assert!(moved, "{data:#}");
                        self.known.0.insert(to, Some(content));
                    }
                    Some(None) => {
                        assert!(!moved, "{data:#}");
                        self.known.0.insert(to, None);
                    }
                    None => {}
                }
            }
            4 => {
                self.known.0.remove(&path);
                Self::try_ask(user, DELETE, json!({ "projectId": self.project, "paths": [path] })).await?;
                self.known.0.insert(path, None);
            }
            _ => {
                let Some(source) = self.source.clone() else { return Some(()) };
                let path = format!("{folder}/copy-{}.txt", step % 7);
                self.known.0.remove(&path);
                let query = "mutation($input: CopyFileInput!) { copyFile(input: $input) { file { sha256 } userErrors { code } } }";
                let input =
                    json!({ "sourceId": source, "projectId": self.project, "path": path, "ifExists": "REPLACE" });
                let data = Self::try_ask(user, query, input).await?;
                if let Some(sha256) = data["copyFile"]["file"]["sha256"].as_str() {
                    self.known.0.insert(path, Some(sha256.to_owned()));
                }
            }
        }
        Some(())
    }
}

const DELETE: &str = "mutation($input: DeleteFilesInput!) { deleteFiles(input: $input) { results { deletedCount } userErrors { message } } }";

/// Every content that has a row, with where its bytes have to be, their size and their hash.
async fn rows(data: &Path) -> Vec<(PathBuf, i64, String)> {
    let options = SqliteConnectOptions::new().filename(data.join("workroom.sqlite"));
    let mut conn = SqliteConnection::connect_with(&options).await.expect("the database opens");
    let rows: Vec<(ProjectId, String, VersionId, String, i64, String)> =
        sqlx::query_as("select project_id, area, version_id, object_name, size, sha256 from file_version")
            .fetch_all(&mut conn)
            .await
            .expect("rows");
    conn.close().await.expect("the database closes");
    let files = data.join("files/projects");
    rows.into_iter()
        .map(|(project, area, version, name, size, sha256)| {
            (files.join(project.to_string()).join(area).join(version.to_string()).join(name), size, sha256)
        })
        .collect()
}

/// Each row has its bytes.
async fn whole(data: &Path) -> usize {
    let rows = rows(data).await;
    for (path, size, hash) in &rows {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!((bytes.len() as u64, &sha256(&bytes)), (size.unsigned_abs(), hash), "{}", path.display());
    }
    rows.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_it_keeps_every_row_with_its_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a data folder");
    let process = Process::serve_with(&data, FLAGS).await;
    let amy = user(&data, &process.base).await;
    let project = amy.project("Deaths").await;
    process.kill().await;
    let client =
        |number| Client { number, step: number * 7, project: project.clone(), known: Known::default(), source: None };
    let mut clients: Vec<Client> = (0..CLIENTS).map(client).collect();
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
    let query = "query($id: ID!, $path: String!) { project(id: $id) { file(area: DRIVE, path: $path) { sha256 } } }";
    for client in &clients {
        for (path, known) in &client.known.0 {
            let data = user.ask(query, json!({ "id": project, "path": path })).await;
            let found = data["project"]["file"]["sha256"].as_str().map(str::to_owned);
            assert_eq!(&found, known, "{path}");
        }
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
