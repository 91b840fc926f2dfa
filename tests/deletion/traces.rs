//! Nothing is left: the story counts the rows of every table that there is, so that a table which nobody sweeps fails it.

use std::time::Duration;

use serde_json::json;
use workroom::{app::deletion, model::scope::Sweep, store::deletion::Deleting};

use super::deleted;
use crate::world::{
    PATIENCE, World,
    crew::{Gate, Scripted, calls, says},
    engine::on_engines,
    runs::started,
    tables::counts,
};

/// Tables whose rows belong to no project, or are there only while the database is brought up to date.
const OF_NO_PROJECT: [&str; 6] = ["_sqlx_migrations", "admin_action", "secret", "token", "unrecorded_run", "user"];

on_engines! {
    async fn nothing_is_left_of_a_deleted_project(engine) {
        let gate = Gate::closed();
        let world = engine.world(|_, crew| {
            crew.models = vec![Scripted::new("test/all", |turn, conversation| match turn {
                0 => calls(0, &[("save_output", json!({ "name": "brief.md", "text": "What came of it." }))]),
                1 if format!("{:?}", conversation.messages.last()).contains("wait") => says("done"),
                1 => calls(1, &[("write_file", json!({ "path": "notes.md", "text": "Notes." }))]),
                2 => calls(2, &[("gate", json!({}))]),
                _ => says("done"),
            })];
            crew.tools.push(gate.clone());
            crew.lease = Duration::from_millis(500);
        }).await;
        let amy = world.user("amy").await;
        let other = amy.project("Staying").await;
        amy.upload_one(&other, "stays.md", b"# Stays\n").await;
        amy.open_project(&other, None).await;
        let (before, objects) = (world.tables().await, world.objects());

        let payload = amy.mutate("createProject", json!({ "name": "Going", "labels": ["a", "b"], "idempotencyKey": "p" }), "project { id }").await;
        let project = crate::world::id(&payload["project"]);
        let file = crate::world::id(&amy.upload_one(&project, "goes.md", b"# Goes\n").await);
        let written = json!({ "projectId": project, "path": "written.md", "text": "Goes too.", "idempotencyKey": "w" });
        amy.mutate("writeFile", written, "file { id }").await;
        gate.open();
        let run = started(&amy.start(&project, json!({ "files": [file], "idempotencyKey": "r" })).await);
        amy.ended(&run).await;
        for _ in 0..3 {
            amy.ended(&started(&amy.rerun(&run, json!({})).await)).await;
        }
        let last = started(&amy.rerun(&run, json!({ "idempotencyKey": "rr" })).await);
        amy.ended(&last).await;
        let between = world.tables().await;
        for (table, rows) in counts(&between) {
            let has_grown = rows > before[table].len();
            assert!(has_grown != OF_NO_PROJECT.contains(&table), "the story puts rows of the project into `{table}`, if they belong to one");
        }
        assert!(world.objects().len() > objects.len() + 5, "there are objects to sweep");

        deleted(&amy, &project).await;
        swept(&world).await;
        let after = world.tables().await;
        assert_eq!(counts(&after), counts(&before));
        assert!(after["project"] == before["project"] && after["file"] == before["file"] && after["session"] == before["session"]);
        assert_eq!(world.objects(), objects);
        world.stop().await;
    }
}

/// Waits until no project is left that is being deleted.
async fn swept(world: &World) {
    let swept = async {
        let due = || deletion::due(world.house().app(), Sweep::new(), Deleting::BEFORE_ALL);
        while !due().await.expect("a look").is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.expect("the sweep ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_swept_holds_nobody_up_and_goes_when_it_can() {
    let world = World::with(|_, crew| {
        crew.models = vec![crate::world::crew::echo()];
        crew.lease = Duration::from_millis(500);
    })
    .await;
    let amy = world.user("amy").await;
    let (stuck, free) = (amy.project("Stuck").await, amy.project("Free").await);
    amy.finished_run(&stuck, "Here.").await;
    amy.finished_run(&free, "There.").await;
    let mut beside = world.beside().await;
    beside.change("create table hold (run_id blob references run (id))").await;
    beside.change("insert into hold select id from run where prompt = 'Here.'").await;
    deleted(&amy, &stuck).await;
    deleted(&amy, &free).await;
    let gone = async {
        while world.tables().await["project"].len() > 1 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("the free one goes");
    assert_eq!(world.tables().await["run"].len(), 1, "a step that fails takes nothing with it");
    beside.change("delete from hold").await;
    beside.close().await;
    swept(&world).await;
    assert_eq!(world.tables().await["run"].len(), 0);
    world.stop().await;
}
