//! Moving and deleting: rows change, contents do not.

use serde_json::{Value, json};

use super::{directories::furnished, drive, sha256};
use crate::world::{User, World, engine::on_both_engines};

on_both_engines!(files_and_directories_move, what_cannot_move_stays, files_go_one_by_one_or_with_their_directory,);

const MOVED: &str = "movedCount entry { __typename path name modifiedAt ... on File { id sha256 originalName } }";

async fn move_file(user: &User, project: &str, path: &str, to: &str, recursive: bool) -> Value {
    let input = json!({ "projectId": project, "path": path, "to": to, "recursive": recursive });
    user.mutate("moveFile", input, MOVED).await
}

async fn files_and_directories_move(world: World) {
    let amy = world.user("amy").await;
    let project = furnished(&amy).await;
    let query =
        "query($id: ID!) { project(id: $id) { file(area: DRIVE, path: \"a.txt\") { id modifiedAt downloadUrl } } }";
    let before = amy.ask(query, json!({ "id": project })).await["project"]["file"].take();
    let payload = move_file(&amy, &project, "a.txt", "new/place/Cafe\u{301}.txt", false).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    let entry = &payload["entry"];
    assert_eq!((&entry["id"], &entry["modifiedAt"]), (&before["id"], &before["modifiedAt"]));
    assert_eq!(
        (&entry["path"], &entry["originalName"], &entry["sha256"]),
        (&json!("new/place/Café.txt"), &json!("a.txt"), &json!(sha256(b"a.txt")))
    );
    let old = amy.http.get(before["downloadUrl"].as_str().expect("an address")).send().await.expect("an answer");
    assert_eq!(old.text().await.expect("text"), "a.txt", "an address opens what it was made for");

    let payload = move_file(&amy, &project, "a/", "z/y/", true).await;
    assert_eq!(payload["movedCount"], 3, "{payload:#}");
    assert_eq!((&payload["entry"]["__typename"], &payload["entry"]["path"]), (&json!("Directory"), &json!("z/y")));
    let paths = ["b.txt", "new/place/Café.txt", "z/y/1.txt", "z/y/2.txt", "z/y/deep/3.txt", "ä/4.txt"];
    assert_eq!(drive(&amy, &project).await, paths);
    // What it left is free again.
    let payload = move_file(&amy, &project, "z/y", "a", true).await;
    assert_eq!(payload["movedCount"], 3, "{payload:#}");
    world.stop().await;
}

async fn what_cannot_move_stays(world: World) {
    let amy = world.user("amy").await;
    let project = furnished(&amy).await;
    let before = drive(&amy, &project).await;
    let long = format!("{}x", "abcdefgh/".repeat(113));
    for (path, to, recursive, code, field) in [
        ("a.txt", "b.txt", false, "CONFLICT", "to"),
        ("a.txt", "a.txt", false, "CONFLICT", "to"),
        ("a", "ä", true, "CONFLICT", "to"),
        ("a", "b.txt", true, "CONFLICT", "to"),
        ("a", "a/b", true, "INVALID", "to"),
        ("a", "a", true, "INVALID", "to"),
        ("a", &long, true, "INVALID", "to"),
        ("a", "c", false, "NOT_FOUND", "path"),
        ("none.txt", "c", false, "NOT_FOUND", "path"),
        ("a.txt", "c", true, "NOT_FOUND", "path"),
        ("../a.txt", "c", false, "INVALID", "path"),
        ("a.txt", "../c", false, "INVALID", "to"),
        ("a.txt", "/c", false, "INVALID", "to"),
        ("a.txt", "c/", false, "INVALID", "to"),
        ("", "c", true, "INVALID", "path"),
        ("/", "c", true, "INVALID", "path"),
    ] {
        let payload = move_file(&amy, &project, path, to, recursive).await;
        let what = format!("{path} -> {to}: {payload:#}");
        assert_eq!((&payload["entry"], &payload["movedCount"]), (&Value::Null, &json!(0)), "{what}");
        assert_eq!(payload["userErrors"][0]["code"], code, "{what}");
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", field]), "{what}");
    }
    for area in ["ARTIFACTS", "KNOWLEDGE"] {
        let input = json!({ "projectId": project, "area": area, "path": "a", "to": "b" });
        let payload = amy.mutate("moveFile", input, MOVED).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{payload:#}");
    }
    assert_eq!(drive(&amy, &project).await, before);
    // Ten who move different files to one path: one of them does.
    let names: Vec<String> = (0..10).map(|number| format!("{number}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), name.as_bytes())).collect();
    amy.upload_into(&project, Some("race"), &files).await;
    let moves = names.iter().map(|name| {
        let (amy, project) = (amy.clone(), project.clone());
        async move { move_file(&amy, &project, &format!("race/{name}"), "race/won", false).await }
    });
    let payloads = futures_util::future::join_all(moves).await;
    let (won, lost): (Vec<_>, Vec<_>) = payloads.iter().partition(|payload| payload["movedCount"] == 1);
    assert_eq!((won.len(), lost.len()), (1, 9));
    assert!(lost.iter().all(|payload| payload["userErrors"][0]["code"] == "CONFLICT"), "{lost:#?}");
    world.stop().await;
}

async fn files_go_one_by_one_or_with_their_directory(world: World) {
    let amy = world.user("amy").await;
    let project = furnished(&amy).await;
    let delete = |paths: Value, recursive: bool| {
        let (amy, project) = (amy.clone(), project.clone());
        async move {
            let input = json!({ "projectId": project, "paths": paths, "recursive": recursive });
            amy.mutate("deleteFiles", input, "results { path deletedCount userErrors { code path } }").await
        }
    };
    let payload = delete(json!(["b.txt", "a", "none", "../x", "b.txt"]), false).await;
    let errors = |index: usize, code: &str| json!([{ "code": code, "path": ["input", "paths", index.to_string()] }]);
    let result =
        |path: &str, count: u64, errors: Value| json!({ "path": path, "deletedCount": count, "userErrors": errors });
    let expected = json!([
        result("b.txt", 1, json!([])),
        result("a", 0, errors(1, "NOT_FOUND")),
        result("none", 0, errors(2, "NOT_FOUND")),
        result("../x", 0, errors(3, "INVALID")),
        result("b.txt", 0, errors(4, "NOT_FOUND")),
    ]);
    assert_eq!(payload["results"], expected, "{payload:#}");
    let payload = delete(json!(["a/", "ä", "", "none"]), true).await;
    let counts: Vec<_> =
        payload["results"].as_array().expect("results").iter().map(|row| &row["deletedCount"]).collect();
    assert_eq!(counts, [3, 1, 0, 0], "{payload:#}");
    assert_eq!(drive(&amy, &project).await, ["a.txt"]);
    for paths in [json!([]), json!(vec!["a.txt"; 101])] {
        let payload = delete(paths, false).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{payload:#}");
        assert_eq!(payload["results"], json!([]));
    }
    let input = json!({ "projectId": project, "area": "ARTIFACTS", "paths": ["a.txt"] });
    let payload = amy.mutate("deleteFiles", input, "results { path }").await;
    assert_eq!(payload["userErrors"][0]["path"], json!(["input", "area"]), "{payload:#}");
    assert_eq!(drive(&amy, &project).await, ["a.txt"]);
    world.stop().await;
}
