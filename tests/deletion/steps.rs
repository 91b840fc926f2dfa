//! The program is killed in front of steps of deleting and of sweeping up.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tokio::time::{sleep, timeout};
use workroom::worker::Crew;

use super::{delete, killed::nothing_is_left};
use crate::{
    support::{long::long, steps::Fuse},
    worker::process::{Process, user},
    world::{
        PATIENCE, User, World,
        crew::echo,
        settings_in,
        tables::{Beside, Tables},
    },
};

/// One step of so many is tried, but in the long mode: to try all of them takes a minute.
fn stride() -> usize {
    if long() { 1 } else { 3 }
}
/// Tables whose rows are not swept with the project: the tombstone, the users and what they are told.
const STAYING: [&str; 4] = ["project", "token", "user", "activity"];

const DELETE: &str =
    "mutation($id: ID!) { deleteProject(input: { projectId: $id }) { deletedProjectId userErrors { message } } }";

/// The tables that have more rows than before, but for those whose rows stay a while.
fn more_than(before: &Tables, now: &Tables) -> Vec<String> {
    let more = |table: &&String| !STAYING.contains(&table.as_str()) && now[*table].len() > before[*table].len();
    now.keys().filter(more).cloned().collect()
}

/// Each time another project is deleted, and the sweep of those before goes on beside it.
#[tokio::test(flavor = "multi_thread")]
async fn killed_in_front_of_a_step_a_deletion_goes_on_and_leaves_nothing() {
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
        if let Some(answer) = &answered {
            assert_eq!(answer["data"]["deleteProject"]["deletedProjectId"], project, "{answer:#}");
        }
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
        let Some(call) = fuse.renew() else {
            assert!(undone.is_none(), "step {fatal}: neither an answer nor a death");
            break;
        };
        *died.entry(call).or_default() += 1;
    }
    println!("died in front of {died:?}");
    let sweeping = ["rmdir", "unlink", "unlinkat"];
    assert!(sweeping.iter().any(|call| died.contains_key(*call)), "it died while it swept, too: {died:?}");
    let world = World::of(settings_in(&data), crew, folder).await;
    nothing_is_left(&world, &before, &objects).await;
    let query = "query($id: ID!) { project(id: $id) { name } }";
    assert_eq!(amy.expect("a user").at(&world).ask(query, json!({ "id": other })).await["project"]["name"], "Staying");
    world.stop().await;
}
