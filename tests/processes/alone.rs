//! A server without a worker, on a database that takes no other process.

use crate::{
    worker::process::{Process, user},
    world::runs::of_kind,
};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_worker_runs_wait_for_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    std::fs::create_dir(&data).expect("a folder");
    std::fs::write(data.join("workroom.toml"), "no-worker = true").expect("settings");
    let process = Process::serve(&data).await;
    let amy = user(&data, &process.base).await;
    let project = amy.project("Waiting").await;
    let first = amy.start_run(&project, "Who executes this?").await;
    // A worker claims at once what it is told of.
    let second = amy.project("Waiting too").await;
    assert_eq!(
        [amy.status(&first).await, amy.status(&amy.start_run(&second, "And this?").await).await],
        ["QUEUED", "QUEUED"]
    );
    assert_eq!(process.terminate().await.code(), Some(0));
    let process = Process::serve_with(&data, &["--no-worker=false"]).await;
    let amy = amy.at_base(&process.base);
    assert_eq!(amy.ended(&first).await["status"], "COMPLETED");
    let events = amy.whole_timeline(&first).await;
    assert!(of_kind(&events, "RUN_RESUMED").is_empty(), "nobody had begun: {events:#?}");
    process.kill().await;
}
