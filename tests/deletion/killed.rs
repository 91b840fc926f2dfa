//! The program is killed in the middle of sweeping.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::json;

use tokio::time::{sleep, timeout};
use workroom::{
    cli::house::open_store,
    clock,
    model::{
        event::{EventBody, Notice, NoticeLevel},
        id::RunId,
        scope::Sweep,
    },
    store::{
        Store,
        deletion::{self, Deleting},
        event,
    },
    worker::Crew,
};

use super::{delete, deleted};
use crate::{
    support::{long::long, steps::Fuse},
    worker::process::{Process, user},
    world::{
        PATIENCE, User, World,
        crew::echo,
        settings_in,
        tables::{Beside, Tables, counts},
    },
};

/// Enough to be swept for a while.
const EVENTS: i64 = 30_000;
const OBJECTS: usize = 1_500;
/// One step of so many is tried, but in the long mode: all of them take a minute.
fn stride() -> usize {
    if long() { 1 } else { 3 }
}
/// Tables whose rows are not swept with the project: the tombstone, the users and what they are told.
const STAYING: [&str; 4] = ["project", "token", "user", "activity"];

const DELETE: &str =
    "mutation($id: ID!) { deleteProject(input: { projectId: $id }) { deletedProjectId userErrors { message } } }";

/// Gives a project a long timeline and many objects.
async fn fill(data: &Path, project: &str, run: &str) {
    let store = open_store(&settings_in(data)).await.expect("the database opens");
    let run: RunId = run.parse().expect("a run");
    for first in (0..EVENTS).step_by(1_000) {
        let events: Vec<EventBody> =
            (0..1_000).map(|at| Notice { level: NoticeLevel::Info, text: format!("Note {at}.") }.into()).collect();
        // Below those that the run has: after its end nothing is appended.
        let unit = store.write(move |tx| {
            Box::pin(async move { event::insert(tx, run, first - EVENTS, clock::now(), &events).await })
        });
        unit.await.expect("events");
    }
    store.close().await;
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
    !deletion::due(&mut conn, &Sweep::new(), Deleting::NONE, 10).await.expect("a look").is_empty()
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
async fn nothing_is_left(world: &World, before: &Tables, objects: &[PathBuf]) {
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

/// The tables that have more rows than before, but for those whose rows stay a while.
fn more_than(before: &Tables, now: &Tables) -> Vec<String> {
    let more = |table: &&String| !STAYING.contains(&table.as_str()) && now[*table].len() > before[*table].len();
    now.keys().filter(more).cloned().collect()
}

/// Each time another project is deleted, and the sweep of those before goes on beside it.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_front_of_any_step_a_deletion_goes_on_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let crew = Crew { models: vec![echo()], lease: Duration::from_millis(500), ..Crew::default() };
    let none = tempfile::tempdir().expect("a temporary folder");
    let world = World::of(settings_in(&data), crew.clone(), none).await;
    let other = world.user("amy").await.project("Staying").await;
    let (before, objects) = (world.tables().await, world.objects());
    world.stop().await;

    let fuse = Fuse::new().await;
    let (mut amy, mut undone): (Option<User>, Option<String>) = (None, None);
    let mut died = BTreeMap::<String, usize>::new();
    for fatal in (1..).step_by(stride()) {
        let mut process = Process::serve_tied(&data, &fuse).await;
        let amy = match &amy {
            Some(amy) => amy.at_base(&process.base),
            None => amy.insert(user(&data, &process.base).await).clone(),
        };
        // What was not answered may not have been done.
        if let Some(project) = undone.take() {
            delete(&amy, &project).await;
        }
        let project = amy.project("Going").await;
        amy.upload_one(&project, "goes.md", b"# Goes\n\nInvoices are due within thirty days.\n").await;
        amy.finished_run(&project, "When are invoices due?").await;
        let mut beside = Beside::open(&settings_in(&data).database_url).await;
        fuse.light(fatal);
        let answered = amy.try_answer(DELETE, json!({ "id": project })).await;
        // Its own row stays for a while; by then nothing else does.
        let folder = data.join("files/projects").join(&project);
        let mut more = more_than(&before, &beside.tables().await);
        let going = async {
            while answered.is_some() && process.lives() && (folder.exists() || !more.is_empty()) {
                sleep(Duration::from_millis(5)).await;
                more = more_than(&before, &beside.tables().await);
            }
        };
        let gone = timeout(PATIENCE, going).await.is_ok();
        assert!(gone, "step {fatal}: neither goes {more:?} nor {}", folder.display());
        beside.close().await;
        process.kill().await;
        undone = answered.is_none().then_some(project);
        match fuse.renew() {
            Some(call) => *died.entry(call).or_default() += 1,
            None => break,
        }
    }
    println!("died in front of {died:?}");
    assert!(died.len() > 2 && died.values().sum::<usize>() > 20, "a deletion has many steps: {died:?}");
    let world = World::of(settings_in(&data), crew, folder).await;
    nothing_is_left(&world, &before, &objects).await;
    let query = "query($id: ID!) { project(id: $id) { name } }";
    assert_eq!(amy.expect("a user").at(&world).ask(query, json!({ "id": other })).await["project"]["name"], "Staying");
    world.stop().await;
}
