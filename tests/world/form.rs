//! Multipart bodies put together by hand, for names and shapes that no well-behaved client sends.

use reqwest::Response;
use serde_json::{Value, json};

use super::{PATIENCE, User};

/// What stands between the parts.
pub const BOUNDARY: &str = "a-boundary-of-the-stories";

const UPLOAD: &str = "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) {
    results { file { id path name originalName size sha256 mediaType downloadUrl }
        userErrors { __typename code message path ... on FileRefusedError { expectedFormats detectedFormat } } }
    userErrors { __typename code message path } } }";

/// A body under construction.
#[derive(Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    /// The first two parts of an upload of so many files.
    pub fn upload(project: &str, directory: Option<&str>, files: usize) -> Self {
        let input = json!({ "projectId": project, "directory": directory, "files": vec![Value::Null; files] });
        let map: serde_json::Map<_, _> =
            (0..files).map(|index| (index.to_string(), json!([format!("variables.input.files.{index}")]))).collect();
        Self::of(&json!({ "query": UPLOAD, "variables": { "input": input } }), &json!(map))
    }

    /// These first two parts.
    pub fn of(operations: &Value, map: &Value) -> Self {
        Self::default().field("operations", &operations.to_string()).field("map", &map.to_string())
    }

    /// A part without a file name.
    pub fn field(self, name: &str, text: &str) -> Self {
        self.part(&format!("name=\"{name}\""), text.as_bytes())
    }

    /// A file; its name is sent as browsers send it.
    pub fn file(self, key: &str, name: &str, bytes: &[u8]) -> Self {
        self.part(&format!("name=\"{key}\"; filename=\"{}\"", name.replace('"', "\\\"")), bytes)
    }

    /// Any part: what its `Content-Disposition` says after `form-data; `, and its bytes.
    pub fn part(mut self, disposition: &str, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(
            format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").as_bytes(),
        );
        self.0.extend_from_slice(bytes);
        self.0.extend_from_slice(b"\r\n");
        self
    }

    /// The body with its end.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.0
    }
}

impl User {
    /// Sends a whole multipart body.
    pub async fn post_form(&self, body: Vec<u8>) -> Response {
        let request =
            self.http.post(self.graphql()).bearer_auth(self.secret()).header("GraphQL-Require-Preflight", "1");
        let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        request.body(body).timeout(PATIENCE).send().await.expect("an answer")
    }

    /// Uploads files into a folder of the drive; answers with the payload of `uploadFiles`.
    pub async fn upload_into(&self, project: &str, directory: Option<&str>, files: &[(&str, &[u8])]) -> Value {
        let mut body = Body::upload(project, directory, files.len());
        for (index, (name, bytes)) in files.iter().enumerate() {
            body = body.file(&index.to_string(), name, bytes);
        }
        let mut answer: Value = self.post_form(body.end()).await.json().await.expect("JSON");
        assert!(answer.get("errors").is_none(), "{answer:#}");
        answer["data"]["uploadFiles"].take()
    }

    /// Uploads one file that is taken; answers with it.
    pub async fn upload_one(&self, project: &str, name: &str, bytes: &[u8]) -> Value {
        let mut payload = self.upload_into(project, None, &[(name, bytes)]).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        assert_eq!(payload["results"][0]["userErrors"], json!([]), "{payload:#}");
        payload["results"][0]["file"].take()
    }
}
