//! A client that changes files and remembers what has to be there.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::sha256;
use crate::world::{PATIENCE, User, form::Body};

/// What a client knows of its own directory: the SHA-256 at each path, `None` where there is nothing. Where a request was not
/// answered, either may be.
#[derive(Default)]
pub struct Known(HashMap<String, Option<String>>);

/// A client with its own directory of one project.
pub struct Client {
    number: u64,
    pub step: u64,
    project: String,
    known: Known,
    /// A file to copy from.
    source: Option<String>,
}

impl Client {
    pub fn new(number: u64, project: &str) -> Self {
        Self { number, step: number * 7, project: project.to_owned(), known: Known::default(), source: None }
    }

    /// Sends a request; `None` if it was not answered, as when the program dies.
    async fn try_ask(user: &User, query: &str, input: Value) -> Option<Value> {
        let answer = user.try_answer(query, json!({ "input": input })).await?;
        if let Some(error) = answer["errors"].get(0) {
            // On a busy machine the bytes can be too old for the reaper's short patience by the time that they are to be named.
            assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer:#}");
            return None;
        }
        Some(answer["data"].clone())
    }

    /// Changes files until a request is not answered.
    pub async fn work(&mut self, user: &User) {
        while self.change(user).await.is_some() {}
    }

    /// The next change, of six kinds in turn; `None` if it was not answered.
    pub async fn change(&mut self, user: &User) -> Option<()> {
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

    /// What was acknowledged is there.
    pub async fn finds_all(&self, user: &User) {
        let query =
            "query($id: ID!, $path: String!) { project(id: $id) { file(area: DRIVE, path: $path) { sha256 } } }";
        for (path, known) in &self.known.0 {
            let data = user.ask(query, json!({ "id": self.project, "path": path })).await;
            let found = data["project"]["file"]["sha256"].as_str().map(str::to_owned);
            assert_eq!(&found, known, "{path}");
        }
    }
}

const DELETE: &str = "mutation($input: DeleteFilesInput!) { deleteFiles(input: $input) { results { deletedCount } userErrors { message } } }";
