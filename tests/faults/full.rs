//! The disk of the data folder is full: a small one of its own, which takes root or a user namespace, and half a minute.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{ground::Log, integrity};
use crate::{
    files::bytes::whole,
    support::{
        long::{long, say},
        program::to_the_end,
    },
    worker::process::{PROGRAM, Process, user},
    world::{
        User,
        form::{BOUNDARY, Body},
        runs::assert_whole,
    },
};

/// What the program is started by: it finds a small disk at its data folder, which nobody else sees, and what is in the folder of
/// the first argument on it.
const ON_A_SMALL_DISK: &str = "mount -t tmpfs -o size=32m none \"$0\" && cp -R \"$1\"/. \"$0\" && shift && exec \"$@\"";
/// Refusals that are waited for, of each kind.
const REFUSALS: usize = 10;
/// How long the disk may take to be full, and a run to end afterwards.
const PATIENCE: Duration = Duration::from_mins(1);

fn on_a_small_disk(data: &Path, first: &Path, program: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ON_A_SMALL_DISK]);
    command.args([data, first]).arg(program);
    command
}

/// The data folder as the process sees it. Not for SQLite, which goes by the name that a folder has here.
fn seen_by(process: &Process, data: &Path) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", process.id(), data.display()))
}

async fn upload(user: &User, project: &str, name: &str, text: &[u8]) -> Value {
    let body = Body::upload(project, None, 1).file("0", name, text).end();
    let request = user.http.post(user.graphql()).bearer_auth(user.secret()).header("GraphQL-Require-Preflight", "1");
    let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    request.body(body).send().await.expect("an answer").json().await.expect("JSON")
}

/// Whether an answer says that the disk is full; anything else is to be a success.
fn refused(answer: &Value) -> bool {
    let Some(errors) = answer["errors"].as_array() else { return false };
    for error in errors {
        assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{error:#}");
    }
    true
}

/// A server on a small disk.
struct Place {
    folder: TempDir,
    log: Log,
    process: Process,
    amy: User,
    /// Its data folder.
    seen: PathBuf,
}

impl Place {
    /// `None` out of the long mode, and where this machine does not let us.
    async fn new() -> Option<Self> {
        if !long() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let [data, first] = ["data", "first"].map(|name| folder.path().join(name));
        for folder in [&data, &first] {
            std::fs::create_dir(folder).expect("a folder");
        }
        let amy = user(&first, "").await;
        let able = on_a_small_disk(&data, &first, "true").output().await;
        if !able.is_ok_and(|able| able.status.success()) {
            say("faults: a full disk cannot be told of here, for `unshare` and `mount` are denied");
            return None;
        }
        let log = Log::in_folder(folder.path());
        let process = Process::launch(log.of(on_a_small_disk(&data, &first, PROGRAM)), &data).await;
        let (amy, seen) = (amy.at_base(&process.base), seen_by(&process, &data));
        Some(Self { folder, log, process, amy, seen })
    }

    /// Takes so many bytes of the disk; answers with what is to be removed to give them back.
    fn ballast(&self, name: &str, size: usize) -> PathBuf {
        let ballast = self.seen.join(name);
        std::fs::write(&ballast, vec![1; size]).expect("a ballast");
        ballast
    }

    /// All is as it should be; answers with how many contents there are.
    async fn leave(self) -> usize {
        let copy = self.folder.path().join("copy");
        let (copied, said) = to_the_end(Command::new("cp").arg("-R").args([&self.seen, &copy])).await;
        assert!(copied, "{said}");
        // With what the log of the database holds.
        integrity(&copy).await;
        let contents = whole(&copy).await;
        assert_eq!(self.process.terminate().await.code(), Some(0));
        self.log.assert_clean();
        contents
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_little_space_is_enough_for_the_log_of_the_database_to_give_back_its_own() {
    let Some(place) = Place::new().await else { return };
    let amy = &place.amy;
    let project = amy.project("Changing").await;
    place.ballast("most", 26 << 20);
    let little = place.ballast("little", 256 << 10);
    let query = "mutation($in: UpdateProjectInput!) { updateProject(input: $in) { project { version } } }";
    let mut version = json!(1);
    let (mut since, mut refusals) = (0, 0);
    // A hundred changes are more than the little has room for, even if each took but one page of the database.
    for change in 0.. {
        assert!(change < 10_000, "it is never full");
        let description = change.to_string().repeat(200);
        let input = json!({ "projectId": project, "version": version, "description": description });
        let changed = amy.answer(query, json!({ "in": input })).await;
        if refused(&changed) {
            assert_eq!(since, 0, "once there is space there is enough");
            refusals += 1;
            if refusals == REFUSALS {
                std::fs::remove_file(&little).expect("a little goes");
            }
        } else {
            version = changed["data"]["updateProject"]["project"]["version"].clone();
            since += usize::from(refusals >= REFUSALS);
        }
        if since == 100 {
            break;
        }
    }
    place.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_lives_through_a_full_disk() {
    let Some(place) = Place::new().await else { return };
    let ballast = place.ballast("ballast", 8 << 20);
    let Place { log, amy, .. } = &place;
    let project = amy.project("Full").await;
    // Runs of which each takes little: all of them are to fit when there is space again.
    let working = amy.project("Working").await;
    amy.upload_one(&working, "contract.md", b"# Contract\n\nLate sums bear interest.\n").await;

    let (mut uploads, mut starts, mut runs) = (0, 0, Vec::new());
    let (mut messages, begun) = (Vec::new(), Instant::now());
    let mut number = 0;
    while uploads < REFUSALS || starts < REFUSALS {
        assert!(begun.elapsed() < PATIENCE, "it is never full: {uploads} {starts}");
        number += 1;
        let text =
            format!("Clause {number}. Late sums bear interest.\n\n").repeat(if uploads < 3 { 40_000 } else { 40 });
        let taken = upload(amy, &project, &format!("{number}.md"), text.as_bytes()).await;
        let start = "mutation($in: StartRunInput!) { startRun(input: $in) { run { id } userErrors { message } } }";
        let input = json!({ "projectId": working, "prompt": "What interest?", "ifBusy": "ENQUEUE" });
        let started = amy.answer(start, json!({ "in": input })).await;
        runs.extend(started["data"]["startRun"]["run"]["id"].as_str().map(str::to_owned));
        for answer in [&taken, &started] {
            messages.extend(answer["errors"][0]["message"].as_str().map(str::to_owned));
        }
        uploads += usize::from(refused(&taken));
        starts += usize::from(refused(&started));
        // What there is can be read.
        amy.ask("query($id: ID!) { project(id: $id) { storage { fileCount } } }", json!({ "id": project })).await;
    }
    messages.sort();
    messages.dedup();
    assert!(messages.iter().any(|message| message.contains("no space left")), "{messages:?}");
    say(&format!("faults: full after {number} uploads and {} runs: {messages:?}", runs.len()));

    std::fs::remove_file(&ballast).expect("the ballast goes");
    amy.upload_one(&project, "after.md", b"# After\n").await;
    for run in &runs {
        let ended = async {
            while !matches!(amy.status(run).await.as_str(), "COMPLETED" | "FAILED" | "CANCELLED") {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let ended = timeout(PATIENCE, ended).await;
        assert!(ended.is_ok(), "a run ends when there is space again: {}", log.text());
        assert_whole(&amy.whole_timeline(run).await);
    }
    let last = amy.finished_run(&working, "And now?").await;
    assert_eq!(amy.status(&last).await, "COMPLETED");
    assert!(place.leave().await > 10);
}
