//! The program is killed or told to stop in the middle of runs.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use workroom::worker::Crew;

use super::{
    assert_nothing_repeated,
    process::{Process, documents, user},
};
use crate::world::{
    User, World,
    live::events_of,
    runs::{kind, of_kind},
    settings_in,
};

/// Runs in flight in a program of its own.
struct Flight {
    folder: TempDir,
    data: PathBuf,
    amy: User,
    runs: Vec<String>,
}

/// Starts runs in several projects and returns as soon as a tool has returned in one of them.
async fn take_off() -> (Process, Flight) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    let process = Process::serve(&data).await;
    let amy = user(&data, &process.base).await;
    let documents = documents();
    let files: Vec<(&str, &[u8])> = documents.iter().map(|(name, text)| (name.as_str(), text.as_slice())).collect();
    let mut projects = Vec::new();
    for number in 0..3 {
        let project = amy.project(&format!("Project {number}")).await;
        amy.upload(&project, &files).await;
        projects.push(project);
    }
    let mut runs = Vec::new();
    for project in &projects {
        runs.push(amy.start_run(project, "What interest do late sums bear?").await);
    }
    let mut stream = amy.follow(&runs[2], None).await;
    loop {
        let batch = events_of(&stream.next().await.expect("the run has not ended yet"));
        if batch.iter().any(|(_, kind)| kind == "TOOL_RETURNED") {
            return (process, Flight { folder, data, amy, runs });
        }
    }
}

/// A second server in the same folder, in this process, so that its lease can be short.
async fn second(data: &Path, folder: TempDir, lease: Duration) -> World {
    World::of(settings_in(data), Crew { lease, ..Crew::default() }, folder).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_programs_runs_are_taken_up_and_nothing_that_was_done_is_repeated() {
    let (process, Flight { folder, data, amy, runs }) = take_off().await;
    process.kill().await;
    let world = second(&data, folder, Duration::from_secs(1)).await;
    let amy = amy.at(&world);
    let before = amy.whole_timeline(&runs[2]).await;
    assert!(before.len() >= 4, "what was seen before the kill is there");
    let mut resumed = 0;
    for run in &runs {
        assert_eq!(amy.ended(run).await["status"], "COMPLETED");
        let events = amy.whole_timeline(run).await;
        assert_nothing_repeated(&events);
        assert_eq!(of_kind(&events, "RUN_STARTED").len(), 1);
        resumed += of_kind(&events, "RUN_RESUMED").len();
    }
    assert!(resumed >= 1, "a run was in flight");
    assert_eq!(amy.whole_timeline(&runs[2]).await[..before.len()], before[..]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_told_to_stop_hands_its_runs_back_and_leaves_with_zero() {
    let (process, Flight { folder, data, amy, runs }) = take_off().await;
    let status = process.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    let asked = Instant::now();
    // With a lease this long, only what was handed back is taken up in time.
    let world = second(&data, folder, Duration::from_mins(5)).await;
    let amy = amy.at(&world);
    let mut resumed = Vec::new();
    for run in &runs {
        assert_eq!(amy.ended(run).await["status"], "COMPLETED");
        let events = amy.whole_timeline(run).await;
        assert_nothing_repeated(&events);
        resumed.extend(of_kind(&events, "RUN_RESUMED").into_iter().cloned());
    }
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    assert!(!resumed.is_empty(), "a run was in flight");
    for event in &resumed {
        assert_eq!(kind(event), "RUN_RESUMED");
        assert!(event["reason"].as_str().expect("a reason").contains("handed"), "{event:#}");
    }
    world.stop().await;
}
