//! Writing, copying, and uploading to where there is a file already.

use serde_json::{Value, json};

use super::{drive, sha256};
use crate::world::{
    User, World,
    crew::{Scripted, calls, says},
    engine::{on_both_engines, on_engines},
    id,
};

on_both_engines!(
    a_text_is_written_and_rewritten,
    a_stale_editor_overwrites_nothing,
    a_repeated_request_brings_one_file,
    an_upload_can_replace_stand_beside_or_be_refused,
);

const FILE: &str = "file { id path originalName size sha256 mediaType text modifiedAt }";

async fn write(user: &User, project: &str, path: &str, text: &str, more: Value) -> Value {
    let mut input = json!({ "projectId": project, "path": path, "text": text });
    for (name, value) in more.as_object().expect("an object") {
        input[name] = value.clone();
    }
    user.mutate("writeFile", input, FILE).await
}

async fn a_text_is_written_and_rewritten(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Writing").await;
    let first = write(&amy, &project, "notes/a.md", "# One é🧾", json!({})).await;
    assert_eq!(first["userErrors"], json!([]), "{first:#}");
    let file = &first["file"];
    assert_eq!(
        (&file["text"], &file["mediaType"], &file["originalName"]),
        (&json!("# One é🧾"), &json!("text/markdown"), &json!("a.md"))
    );
    assert_eq!(file["sha256"], sha256("# One é🧾".as_bytes()));
    let second = write(&amy, &project, "notes/a.md", "", json!({ "mediaType": "text/plain" })).await;
    assert_eq!((&second["file"]["id"], &second["file"]["size"]), (&file["id"], &json!(0)), "{second:#}");
    assert_eq!((&second["file"]["text"], &second["file"]["mediaType"]), (&json!(""), &json!("text/plain")));
    let there = write(&amy, &project, "main.py", "print()", json!({ "area": "WORKSPACE" })).await;
    assert_eq!(there["file"]["path"], "main.py", "{there:#}");
    for (path, text, more, field) in [
        ("../a.md", "x", json!({}), "path"),
        ("", "x", json!({}), "path"),
        ("a/", "x", json!({}), "path"),
        ("a.md", "x", json!({ "area": "ARTIFACTS" }), "area"),
        ("a.md", "x", json!({ "area": "KNOWLEDGE" }), "area"),
        ("a.md", "x", json!({ "mediaType": "text/plain\r\nx: y" }), "mediaType"),
        ("a.md", "x", json!({ "mediaType": "text" }), "mediaType"),
        ("a.md", "a\u{0}b", json!({}), "text"),
        ("a.md", "x", json!({ "idempotencyKey": "no spaces here" }), "idempotencyKey"),
    ] {
        let payload = write(&amy, &project, path, text, more).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{payload:#}");
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", field]), "{payload:#}");
        assert_eq!(payload["file"], Value::Null);
    }
    assert_eq!(drive(&amy, &project).await, ["notes/a.md"]);
    world.stop().await;
}

async fn a_stale_editor_overwrites_nothing(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Editors").await;
    let expected = |hash: String| json!({ "expectedSha256": hash });
    let payload = write(&amy, &project, "a.md", "1", expected(sha256(b"0"))).await;
    assert_eq!(
        (&payload["file"], &payload["userErrors"][0]["code"]),
        (&Value::Null, &json!("CONFLICT")),
        "there is none"
    );
    let payload = write(&amy, &project, "a.md", "1", json!({ "ifExists": "REJECT", "expectedSha256": null })).await;
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    let payload = write(&amy, &project, "a.md", "2", json!({ "ifExists": "REJECT" })).await;
    assert_eq!(payload["userErrors"][0]["code"], "CONFLICT", "{payload:#}");
    // Ten editors who all saw `1`: one of them saves, the others are told.
    let editors = (10..20).map(|number| {
        let (amy, project) = (amy.clone(), project.clone());
        async move { write(&amy, &project, "a.md", &number.to_string(), expected(sha256(b"1"))).await }
    });
    let payloads = futures_util::future::join_all(editors).await;
    let (saved, told): (Vec<_>, Vec<_>) = payloads.iter().partition(|payload| payload["file"] != Value::Null);
    assert_eq!((saved.len(), told.len()), (1, 9), "{payloads:#?}");
    for payload in told {
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "expectedSha256"]), "{payload:#}");
    }
    let query = "query($id: ID!) { project(id: $id) { file(area: DRIVE, path: \"a.md\") { text } } }";
    let data = amy.ask(query, json!({ "id": project })).await;
    assert_eq!(data["project"]["file"]["text"], saved[0]["file"]["text"]);
    world.stop().await;
}

async fn a_repeated_request_brings_one_file(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Again").await;
    let keyed = json!({ "ifExists": "RENAME", "idempotencyKey": "write-1" });
    let requests = (0..6).map(|_| write(&amy, &project, "a.md", "text", keyed.clone()));
    let payloads = futures_util::future::join_all(requests).await;
    assert!(payloads.iter().all(|payload| payload["file"]["id"] == payloads[0]["file"]["id"]), "{payloads:#?}");
    assert_eq!(drive(&amy, &project).await, ["a.md"]);
    let other = write(&amy, &project, "a.md", "other", keyed.clone()).await;
    assert_eq!(other["userErrors"][0]["__typename"], "IdempotencyConflictError", "{other:#}");
    for (path, key) in [("new.md", "write-2"), ("a.md", "write-3")] {
        let requests = (0..4).map(|_| write(&amy, &project, path, "other text", json!({ "idempotencyKey": key })));
        let same = futures_util::future::join_all(requests).await;
        assert!(same.iter().all(|payload| payload["file"]["id"] == same[0]["file"]["id"]), "{same:#?}");
        assert_eq!(same[0]["file"]["text"], "other text", "{same:#?}");
    }
    let deleted = json!({ "projectId": project, "paths": ["new.md"] });
    amy.mutate("deleteFiles", deleted, "results { path }").await;
    // The file has moved on since; it is still the one that the request made.
    amy.mutate("moveFile", json!({ "projectId": project, "path": "a.md", "to": "b.md" }), "movedCount").await;
    let again = write(&amy, &project, "a.md", "text", keyed.clone()).await;
    assert_eq!((&again["file"]["id"], &again["file"]["path"]), (&payloads[0]["file"]["id"], &json!("b.md")));
    amy.mutate("deleteFiles", json!({ "projectId": project, "paths": ["b.md"] }), "results { path }").await;
    let again = write(&amy, &project, "a.md", "text", keyed).await;
    assert_eq!(again["userErrors"][0]["code"], "CONFLICT", "{again:#}");
    assert!(drive(&amy, &project).await.is_empty());
    world.stop().await;
}

async fn an_upload_can_replace_stand_beside_or_be_refused(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Existing").await;
    let upload = |if_exists: &str, key: Value, bytes: &str| {
        let (amy, project, if_exists, bytes) = (amy.clone(), project.clone(), if_exists.to_owned(), bytes.to_owned());
        async move {
            let input = json!({ "projectId": project, "directory": "in", "files": [null, null], "ifExists": if_exists, "idempotencyKey": key });
            let query = "mutation($input: UploadFilesInput!) { uploadFiles(input: $input) { userErrors { code path }
                results { file { id path text originalName } userErrors { code path } } } }";
            let map = json!({ "0": ["variables.input.files.0"], "1": ["variables.input.files.1"] });
            let body = crate::world::form::Body::of(&json!({ "query": query, "variables": { "input": input } }), &map);
            let body = body.file("0", "a.md", bytes.as_bytes()).file("1", ".txt", bytes.as_bytes()).end();
            let mut answer: Value = amy.post_form(body).await.json().await.expect("JSON");
            assert!(answer.get("errors").is_none(), "{answer:#}");
            answer["data"]["uploadFiles"].take()
        }
    };
    let first = upload("REJECT", Value::Null, "1").await;
    let replaced = upload("REPLACE", Value::Null, "2").await;
    assert_eq!(replaced["results"][0]["file"]["id"], first["results"][0]["file"]["id"]);
    assert_eq!(replaced["results"][0]["file"]["text"], "2");
    let refused = upload("REJECT", Value::Null, "3").await;
    let error = json!([{ "code": "CONFLICT", "path": ["input", "files", "1"] }]);
    assert_eq!(refused["results"][1], json!({ "file": null, "userErrors": error }));
    for (key, expected) in [("up-1", "in/a (1).md"), ("up-1", "in/a (1).md"), ("up-2", "in/a (2).md")] {
        let beside = upload("RENAME", json!(key), "4").await;
        let file = &beside["results"][0]["file"];
        assert_eq!((&file["path"], &file["originalName"]), (&json!(expected), &json!("a.md")), "{beside:#}");
    }
    let paths = ["in/.txt", "in/.txt (1)", "in/.txt (2)", "in/a (1).md", "in/a (2).md", "in/a.md"];
    assert_eq!(drive(&amy, &project).await, paths);
    let other = upload("RENAME", json!("up-1"), "5").await;
    assert_eq!(other["results"][0]["userErrors"][0]["code"], "CONFLICT", "{other:#}");
    let refused = upload("RENAME", json!("bad key"), "6").await;
    assert_eq!(refused["userErrors"][0]["path"], json!(["input", "idempotencyKey"]), "{refused:#}");
    world.stop().await;
}

on_engines! {
    async fn a_file_and_an_artifact_are_copied_into_any_drive_of_ones_own(engine) {
        let world = engine.world(|_, crew| {
            crew.models = vec![Scripted::new("scripted", |turn, _| match turn {
                0 => calls(0, &[("save_output", json!({ "name": "brief.md", "text": "What came of it." }))]),
                _ => says("Done."),
            })];
        })
        .await;
        let amy = world.user("amy").await;
        let (project, other) = (amy.project("From").await, amy.project("To").await);
        let file = id(&amy.upload_one(&project, "договор.txt", b"terms").await);
        let run = amy.start_run(&project, "Go.").await;
        let artifact = id(&amy.ended(&run).await["artifacts"]["nodes"][0]);
        let copy = |input: Value| {
            let amy = amy.clone();
            async move { amy.mutate("copyFile", input, FILE).await }
        };
        let copied = copy(json!({ "sourceId": artifact, "projectId": other, "path": "in/result.md" })).await;
        assert_eq!(copied["userErrors"], json!([]), "{copied:#}");
        let got = &copied["file"];
        assert_eq!((&got["text"], &got["path"], &got["originalName"]), (&json!("What came of it."), &json!("in/result.md"), &json!("brief.md")));
        let keyed = json!({ "sourceId": file, "projectId": other, "idempotencyKey": "copy-1" });
        let copied = copy(keyed.clone()).await;
        assert_eq!((&copied["file"]["path"], &copied["file"]["text"]), (&json!("договор.txt"), &json!("terms")));
        assert_ne!(copied["file"]["id"], file);
        assert_eq!(copy(keyed.clone()).await["file"]["id"], copied["file"]["id"]);
        let again = copy(json!({ "sourceId": file, "projectId": other })).await;
        assert_eq!(again["userErrors"][0]["code"], "CONFLICT", "{again:#}");
        let beside = copy(json!({ "sourceId": file, "projectId": project, "ifExists": "RENAME" })).await;
        assert_eq!(beside["file"]["path"], "договор (1).txt", "{beside:#}");
        // A copy has bytes of its own.
        let delete = json!({ "projectId": project, "paths": ["договор.txt"] });
        amy.mutate("deleteFiles", delete, "results { deletedCount }").await;
        let query = "query($id: ID!) { node(id: $id) { ... on File { text project { id } } } }";
        let data = amy.ask(query, json!({ "id": copied["file"]["id"] })).await;
        assert_eq!(data["node"], json!({ "text": "terms", "project": { "id": other } }));
        assert_eq!(copy(keyed).await["file"]["id"], copied["file"]["id"], "the request that made it is still answered with it");
        let gone = copy(json!({ "sourceId": file, "projectId": other, "path": "x" })).await;
        assert_eq!(gone["userErrors"][0]["path"], json!(["input", "sourceId"]), "{gone:#}");
        let node = copy(json!({ "sourceId": project, "projectId": other, "path": "x" })).await;
        assert_eq!(node["userErrors"][0]["message"], gone["userErrors"][0]["message"]);
        world.stop().await;
    }
}
