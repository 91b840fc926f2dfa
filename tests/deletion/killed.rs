//! The program is killed in the middle of sweeping.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::time::{sleep, timeout};
use workroom::{
    model::{id::RunId, scope::Sweep},
    store::{
        Store,
        deletion::{self, Deleting},
    },
    worker::Crew,
};

use super::deleted;
use crate::{
    worker::process::{Process, user},
    world::{
        PATIENCE, World,
        crew::echo,
        settings_in,
        tables::{Beside, Tables, counts},
    },
};

/// Enough to be swept for a while.
const EVENTS: i64 = 30_000;
const OBJECTS: usize = 1_500;

/// Gives a project a long timeline and many objects.
async fn fill(data: &Path, project: &str, run: &str) {
    let run: RunId = run.parse().expect("a run");
    let mut beside = Beside::open(&settings_in(data).database_url).await;
    // Below those that the run has: after its end nothing is appended.
    let events = format!(
        "with recursive note(number) as (select 1 union all select number + 1 from note where number < {EVENTS})
        insert into run_event (run_id, sequence, at, kind, body)
        select x'{}', -number, 0, 'Notice', '{{\"level\":\"INFO\",\"text\":\"A note.\"}}' from note",
        run.0.simple()
    );
    beside.change(&events).await;
    beside.close().await;
    let folder = data.join("files/projects").join(project).join("drive");
    for number in 0..OBJECTS {
        let folder = folder.join(number.to_string());
        std::fs::create_dir_all(&folder).expect("a folder");
        std::fs::write(folder.join("object.md"), "# An object\n").expect("an object");
    }
}

/// Whether a project is being deleted.
async fn left(store: &Store) -> bool {
    let mut conn = store.read().await.expect("a connection");
    !deletion::due(&mut conn, &Sweep::new(), Deleting::BEFORE_ALL, 10).await.expect("a look").is_empty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_killed_again_and_again_goes_on_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    // A server in this process makes the project; its lease is short.
    let crew = Crew { models: vec![echo()], lease: Duration::from_millis(500), ..Crew::default() };
    let none = tempfile::tempdir().expect("a temporary folder");
    let world = World::of(settings_in(&data), crew.clone(), none).await;
    let amy = world.user("amy").await;
    let other = amy.project("Staying").await;
    amy.upload_one(&other, "stays.md", b"# Stays\n").await;
    let (before, objects) = (world.tables().await, world.objects());
    let project = amy.project("Going").await;
    let run = amy.finished_run(&project, "Go.").await;
    let copy = amy.clone();
    world.stop().await;
    fill(&data, &project, &run).await;

    let process = Process::serve(&data).await;
    deleted(&user(&data, &process.base).await, &project).await;
    sleep(Duration::from_millis(60)).await;
    process.kill().await;
    let mut seen = Vec::new();
    for pause in [0, 40, 120] {
        let process = Process::serve(&data).await;
        sleep(Duration::from_millis(pause)).await;
        process.kill().await;
        let mut beside = Beside::open(&settings_in(&data).database_url).await;
        seen.push(beside.tables().await["run_event"].len());
        beside.close().await;
    }
    assert!(seen.is_sorted_by(|more, fewer| more >= fewer), "each goes on where the one before was killed: {seen:?}");
    assert!(seen[0] > 0, "the first was killed in the middle: {seen:?}");

    let world = World::of(settings_in(&data), crew, folder).await;
    nothing_is_left(&world, &before, &objects).await;
    assert_eq!(copy.at(&world).project("Next").await.split('_').next(), Some("project"));
    world.stop().await;
}

/// The sweep ends, and leaves what there was before.
pub(super) async fn nothing_is_left(world: &World, before: &Tables, objects: &[PathBuf]) {
    let swept = async {
        while left(&world.house().app().store).await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, swept).await.expect("the sweep ends");
    let after = world.tables().await;
    // `user` made another token for the program of its own.
    let mut expected = counts(before);
    expected.insert("token", before["token"].len() + 1);
    assert_eq!(counts(&after), expected);
    assert_eq!(world.objects(), objects);
}
