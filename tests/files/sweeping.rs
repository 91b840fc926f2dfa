//! The reaper of contents: what nothing names goes after a while, and nothing else does.

use std::{fs, path::PathBuf, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::{NoContext, Timestamp, Uuid};
use workroom::{
    app::sweep::sweep,
    model::{id::VersionId, scope::Sweep},
};

use super::below;
use crate::world::{
    PATIENCE, World,
    crew::{Scripted, calls, says},
    engine::on_engines,
    id,
    runs::started,
};

/// What is in the object store.
fn objects(world: &World) -> Vec<PathBuf> {
    below(&world.folder().join("data/files"))
}

/// Waits until so many objects are left.
async fn until_left(world: &World, count: usize) {
    let swept = async {
        while objects(world).len() != count {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let swept = tokio::time::timeout(PATIENCE, swept).await;
    assert!(swept.is_ok(), "{count} objects are left, not {:#?}", objects(world));
}

on_engines! {
    async fn what_runs_were_given_and_saved_outlives_the_session_and_the_file(engine) {
        let world = engine.world(|settings, crew| {
            settings.keep_unreferenced = Duration::from_secs(2);
            crew.models = vec![Scripted::new("scripted", |turn, conversation| match turn {
                0 => calls(0, &[("read_file", json!({ "area": "drive", "path": "terms.md" }))]),
                1 => {
                    let text = format!("read: {}", format!("{:?}", conversation.messages).contains("as it was"));
                    calls(1, &[("save_output", json!({ "name": "brief.md", "text": text }))])
                }
                _ => says("Done."),
            })];
        })
        .await;
        let amy = world.user("amy").await;
        let project = amy.project("Archive").await;
        let terms = id(&amy.upload_one(&project, "terms.md", b"Terms as it was.").await);
        let scratch = amy.upload_one(&project, "scratch.md", b"Old.").await;
        amy.upload_one(&project, "scratch.md", b"New.").await;
        let first = started(&amy.start(&project, json!({ "files": [terms] })).await);
        let second = started(&amy.rerun(&first, json!({})).await);
        let artifact = id(&amy.ended(&first).await["artifacts"]["nodes"][0]);
        assert_eq!(amy.ended(&second).await["status"], "COMPLETED");
        // Versions of one name are all there.
        let query = "query($id: ID!) { project(id: $id) { artifacts { nodes { id name text downloadUrl } } session { id }
            storage { area fileCount } } }";
        let data = amy.ask(query, json!({ "id": project })).await;
        let nodes = data["project"]["artifacts"]["nodes"].as_array().expect("artifacts").clone();
        assert_eq!(nodes.iter().map(|node| &node["name"]).collect::<Vec<_>>(), ["brief.md", "brief.md"]);
        assert_ne!(nodes[0]["downloadUrl"], nodes[1]["downloadUrl"]);
        assert_eq!(data["project"]["storage"][0], json!({ "area": "ARTIFACTS", "fileCount": 2 }));

        let session = id(&data["project"]["session"]);
        amy.mutate("revokeSession", json!({ "sessionId": session }), "session { status }").await;
        let paths = json!({ "projectId": project, "paths": ["terms.md", "scratch.md"] });
        let deleted = amy.mutate("deleteFiles", paths, "results { deletedCount }").await;
        assert_eq!(deleted["results"], json!([{ "deletedCount": 1 }, { "deletedCount": 1 }]));
        // Both contents of the scratch file go; the two artifacts and what the runs were given stay.
        until_left(&world, 3).await;
        let gone = amy.http.get(scratch["downloadUrl"].as_str().expect("an address")).send().await.expect("an answer");
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
        tokio::time::sleep(Duration::from_secs(3)).await;
        assert_eq!(objects(&world).len(), 3, "{:#?}", objects(&world));

        let query = "query($id: ID!) { node(id: $id) { ... on Artifact { text downloadUrl } } }";
        let data = amy.ask(query, json!({ "id": artifact })).await;
        assert_eq!(data["node"]["text"], "read: true");
        let url = data["node"]["downloadUrl"].as_str().expect("an address");
        assert_eq!(amy.http.get(url).send().await.expect("an answer").text().await.expect("text"), "read: true");
        // A new run of the old one reads what that was given.
        let third = started(&amy.rerun(&first, json!({})).await);
        let artifact = id(&amy.ended(&third).await["artifacts"]["nodes"][0]);
        assert_eq!(amy.ask(query, json!({ "id": artifact })).await["node"]["text"], "read: true");
        world.stop().await;
    }

    async fn objects_that_no_row_knows_go_when_they_are_old(engine) {
        let world = engine.world(|_, _| {}).await;
        let amy = world.user("amy").await;
        let project = amy.project("Strays").await;
        let kept = amy.upload_one(&project, "kept.md", b"Kept.").await;
        let drive = world.folder().join("data/files/projects").join(&project).join("drive");
        let two_days_ago = workroom::clock::now() - chrono::Duration::days(2);
        let seconds = two_days_ago.timestamp().unsigned_abs();
        let old = VersionId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 0)));
        let other = VersionId(Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, 1)));
        let young = VersionId::new();
        let stray = |version: VersionId, name: &str| {
            let folder = drive.join(version.to_string());
            fs::create_dir_all(&folder).expect("a folder");
            fs::write(folder.join(name), b"x").expect("a file");
        };
        stray(old, "a.md");
        stray(other, "b.md#1");
        stray(young, "c.md");
        stray(young, "d.md#12");
        let app = world.house().app();
        assert_eq!(sweep(app, Sweep::new()).await.expect("a sweep"), 1);
        assert_eq!(sweep(app, Sweep::new()).await.expect("a sweep"), 0);
        let left: Vec<String> = objects(&world)
            .iter()
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect();
        assert!(!drive.join(old.to_string()).exists() && !drive.join(other.to_string()).exists());
        assert_eq!(left.len(), 3, "{left:?}");
        assert!(["kept.md", "c.md", "d.md#12"].iter().all(|name| left.iter().any(|left| left == name)), "{left:?}");
        let text = "query($id: ID!) { node(id: $id) { ... on File { text } } }";
        assert_eq!(amy.ask(text, json!({ "id": kept["id"] })).await["node"]["text"], "Kept.");
        assert_ne!(kept["id"], Value::Null);
        world.stop().await;
    }
}
