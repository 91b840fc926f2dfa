//! The data folder cannot be written: from the start, or from some moment on.

use std::{path::Path, process::Output, time::Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{code, ground::Log, integrity};
use crate::{
    files::bytes::whole,
    support::{long::say, preload::Dial, program::finished},
    worker::{
        assert_nothing_repeated,
        process::{PROGRAM, Process, documents, user},
    },
    world::{User, runs::started},
};

/// Error numbers of the system: a disk that is full, and one that was made read-only.
const ENOSPC: i64 = 28;
const EROFS: i64 = 30;

/// Runs the program with this folder made read-only for it alone; `None` where this machine does not let us.
async fn on_read_only(data: &Path, arguments: &[&str]) -> Option<Output> {
    let mounted = |then: &str| {
        let script = format!("mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && {then}");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).arg(data);
        command
    };
    let able = mounted("! touch \"$0/x\" 2>/dev/null").output().await;
    if !able.is_ok_and(|able| able.status.success()) {
        say("faults: a read-only folder cannot be told of here, for `unshare` and `mount` are denied");
        return None;
    }
    let mut command = mounted("exec \"$@\"");
    command.arg(PROGRAM).args(arguments).args(["--listen", "127.0.0.1:0", "--data"]).arg(data).current_dir(data);
    Some(finished(&mut command).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_read_only_folder_says_what_to_do() {
    let used = tempfile::tempdir().expect("a folder");
    let process = Process::serve(used.path()).await;
    user(used.path(), &process.base).await.project("Kept").await;
    process.terminate().await;
    let empty = tempfile::tempdir().expect("a folder");
    for folder in [used.path(), empty.path()] {
        for command in ["serve", "migrate"] {
            let Some(output) = on_read_only(folder, &[command]).await else { return };
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(!said.contains("panicked"), "{said}");
            assert!(said.contains(&*folder.to_string_lossy()), "it says where: {said}");
            assert!(said.contains("cannot be written") && said.contains("--data"), "it says what to do: {said}");
        }
    }
}

/// A server whose disk can be made to refuse.
struct Place {
    folder: TempDir,
    log: Log,
    disk: Dial,
    process: Process,
    amy: User,
    project: String,
}

impl Place {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a data folder");
        let (log, disk) = (Log::in_folder(folder.path()), Dial::disk().await);
        let mut command = log.serve();
        disk.tie(&mut command);
        let process = Process::launch(command, &data).await;
        let amy = user(&data, &process.base).await;
        let project = amy.project("Kept").await;
        Self { folder, log, disk, process, amy, project }
    }

    /// What is asked reads as it did, and every change is refused with these words.
    async fn assert_refuses(&self, words: &[&str]) {
        let asked = Instant::now();
        let amy = &self.amy;
        let name = amy.ask("query($id: ID!) { project(id: $id) { name } }", json!({ "id": self.project })).await;
        assert_eq!(name["project"]["name"], "Kept");
        let create = "mutation($in: CreateProjectInput!) { createProject(input: $in) { project { id } } }";
        let write = "mutation($in: WriteFileInput!) { writeFile(input: $in) { file { id } } }";
        let start = "mutation($in: StartRunInput!) { startRun(input: $in) { run { id } } }";
        let project = &self.project;
        let answers = tokio::join!(
            amy.answer(create, json!({ "in": { "name": "Never" } })),
            amy.answer(write, json!({ "in": { "projectId": project, "path": "never.md", "text": "Never." } })),
            amy.answer(start, json!({ "in": { "projectId": project, "prompt": "Never." } })),
            upload(amy, project),
        );
        for answer in [answers.0, answers.1, answers.2, answers.3] {
            assert_eq!(code(&answer), "UNAVAILABLE", "{answer:#}");
            let message = answer["errors"][0]["message"].as_str().expect("a message");
            assert!(words.iter().any(|words| message.contains(words)), "{message}");
        }
        assert!(asked.elapsed() < crate::world::PATIENCE, "{:?}", asked.elapsed());
    }
}

/// The whole answer to an upload.
async fn upload(user: &User, project: &str) -> Value {
    use crate::world::form::{BOUNDARY, Body};
    let body = Body::upload(project, None, 1).file("0", "never.md", "# Never\n".as_bytes()).end();
    let request = user.http.post(user.graphql()).bearer_auth(user.secret()).header("GraphQL-Require-Preflight", "1");
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    request.body(body).send().await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_refuses_for_a_while_is_read_and_written_when_it_does_not() {
    let place = Place::new().await;
    let (amy, project) = (&place.amy, &place.project);
    let documents = documents();
    let files: Vec<(&str, &[u8])> = documents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    amy.upload(project, &files).await;
    let run = started(&amy.start(project, json!({ "prompt": "What interest do late sums bear?" })).await);
    amy.until(&run, "RUNNING").await;

    place.disk.set(EROFS);
    // SQLite does not tell why it could not write.
    place.assert_refuses(&["read-only", "is away just now"]).await;
    place.disk.set(ENOSPC);
    place.assert_refuses(&["no space left"]).await;
    place.disk.set(0);

    let next = amy.project("Afterwards").await;
    amy.upload_one(&next, "kept.md", b"# Kept\n").await;
    assert_eq!(amy.ended(&run).await["status"], "COMPLETED");
    assert_nothing_repeated(&amy.whole_timeline(&run).await);
    let after = amy.finished_run(&next, "What is kept?").await;
    assert_eq!(amy.status(&after).await, "COMPLETED");
    let names = amy.ask("{ projects(first: 10) { totalCount } }", json!({})).await;
    assert_eq!(names["projects"]["totalCount"], 2, "what was refused was not done");
    assert_eq!(place.process.terminate().await.code(), Some(0));
    place.log.assert_clean();
    let data = place.folder.path().join("data");
    assert!(whole(&data).await >= documents.len());
    integrity(&data).await;
}
