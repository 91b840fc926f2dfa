//! Files: taken or refused one by one, kept whole, listed, read as text, and downloaded by signed addresses.

mod arranging;
mod bringing;
pub mod bytes;
mod changing;
mod deaths;
mod directories;
mod downloads;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod steps;
mod sweeping;

use std::path::{Path, PathBuf};

use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{User, World, engine::on_both_engines, form::Body, id};

on_both_engines!(
    a_replaced_file_keeps_its_id_and_its_old_content_its_address,
    uploads_to_one_path_at_once_leave_one_whole_file,
    a_drive_is_listed_in_pages,
);

const MIB: usize = 1 << 20;

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Every file below a folder.
pub fn below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { below(&path) } else { vec![path] }).collect()
}

/// Nothing waits in the staging folder, and there are so many objects.
fn kept(world: &World, objects: usize) {
    let data = world.folder().join("data");
    assert_eq!(below(&data.join("staging")), Vec::<PathBuf>::new());
    let found = below(&data.join("files"));
    assert_eq!(found.len(), objects, "{found:#?}");
    assert!(found.iter().all(|path| path.starts_with(data.join("files/projects"))), "{found:#?}");
}

const DRIVE: &str = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String) { project(id: $id) {
    files(area: DRIVE, recursive: true, first: $first, after: $after, last: $last, before: $before) {
        nodes { path } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";

async fn drive(user: &User, project: &str) -> Vec<String> {
    let data = user.ask(DRIVE, json!({ "id": project, "first": 100 })).await;
    paths(&data["project"]["files"])
}

fn paths(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().expect("files");
    nodes.iter().map(|file| file["path"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The refusal of the file at this place.
fn refusal(payload: &Value, index: usize) -> &Value {
    let result = &payload["results"][index];
    assert_eq!(result["file"], Value::Null, "{payload:#}");
    let error = &result["userErrors"][0];
    assert_eq!(error["code"], "FILE_REFUSED", "{payload:#}");
    assert_eq!(error["path"], json!(["input", "files", index.to_string()]));
    assert_eq!(error["expectedFormats"], json!(["txt", "md", "csv", "json"]));
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn the_four_formats_are_taken() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Formats").await;
    let csv = b"\xef\xbb\xbfdate,sum\r\n2026-01-01,\"1,5\"\r\n";
    let json_with_mark = b"\xef\xbb\xbf{\"a\": [1, 2]}";
    let files: [(&str, &[u8], &str); 6] = [
        ("a.txt", b"plain", "text/plain"),
        ("b.MD", b"# Title\n<script>alert(1)</script>", "text/markdown"),
        ("c.csv", csv, "text/csv"),
        ("d.json", b"{\"a\": [1, 2]}", "application/json"),
        ("e.json", json_with_mark, "application/json"),
        ("f.txt", b" ", "text/plain"),
    ];
    let sent: Vec<_> = files.iter().map(|(name, bytes, _)| (*name, *bytes)).collect();
    let payload = amy.upload_into(&project, None, &sent).await;
    for (index, (name, bytes, media_type)) in files.iter().enumerate() {
        let file = &payload["results"][index]["file"];
        let (size, hash) = (&file["size"], file["sha256"].as_str());
        assert_eq!((size, hash), (&json!(bytes.len()), Some(sha256(bytes).as_str())), "{name}: {payload:#}");
        assert_eq!((&file["mediaType"], &file["path"]), (&json!(media_type), &json!(name)));
    }
    kept(&world, 6);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_twenty_files_the_bad_one_is_refused_alone() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Twenty").await;
    let names: Vec<String> = (0..20).map(|number| format!("{number:02}.txt")).collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| {
            (
                name.as_str(),
                if name == "07.txt" { b"%PDF-1.7\n\xe2\xe3\xcf\xd3".as_slice() } else { b"good".as_slice() },
            )
        })
        .collect();
    let payload = amy.upload_into(&project, Some("in/here"), &files).await;
    assert_eq!(refusal(&payload, 7)["detectedFormat"], "application/pdf");
    let good = payload["results"].as_array().expect("results").iter().filter(|result| result["file"] != Value::Null);
    assert_eq!(good.count(), 19);
    assert_eq!(drive(&amy, &project).await.len(), 19);
    kept(&world, 19);

    let more: Vec<(&str, &[u8])> = (0..21).map(|_| ("more.txt", b"more".as_slice())).collect();
    let mut body = Body::upload(&project, None, more.len());
    for (index, (name, bytes)) in more.iter().enumerate() {
        body = body.file(&index.to_string(), name, bytes);
    }
    let response = amy.post_form(body.end()).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let answer: Value = response.json().await.expect("JSON");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    assert_eq!(drive(&amy, &project).await.len(), 19);
    let none = amy.upload_into(&project, None, &[]).await;
    assert_eq!(none["userErrors"][0]["path"], json!(["input", "files"]));
    kept(&world, 19);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_over_the_limit_is_refused_alone_and_one_at_the_limit_is_whole() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Large").await;
    let over = vec![b'x'; 16 * MIB + 1];
    let mut full: Vec<u8> = (0..16 * MIB).map(|index| b'a' + u8::try_from(index * 7 % 26).expect("small")).collect();
    full[16 * MIB - 2..].copy_from_slice("é".as_bytes());
    let payload = amy
        .upload_into(&project, None, &[("a.txt", b"a"), ("over.txt", &over), ("full.txt", &full), ("z.txt", b"z")])
        .await;
    let message = refusal(&payload, 1)["message"].as_str().unwrap_or_default();
    assert!(message.contains("16777216"), "{message}");
    let file = &payload["results"][2]["file"];
    assert_eq!((&file["size"], &file["sha256"]), (&json!(16 * MIB), &json!(sha256(&full))));
    assert_eq!(drive(&amy, &project).await, ["a.txt", "full.txt", "z.txt"]);
    kept(&world, 3);
    let url = file["downloadUrl"].as_str().expect("an address");
    assert_eq!(amy.http.get(url).send().await.expect("an answer").bytes().await.expect("bytes"), full);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_text_of_its_kind_is_refused_and_nothing_is_kept() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Refusals").await;
    for (name, bytes, detected) in [
        ("empty.txt", b"".as_slice(), Value::Null),
        ("paper.txt", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", json!("application/pdf")),
        ("picture.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0", json!("image/png")),
        ("latin.csv", b"caf\xe9,1\n", Value::Bool(true)),
        ("nul.txt", b"a\0b", Value::Bool(true)),
        ("broken.json", b"{\"a\": ", json!("text/plain")),
        ("two.json", b"{} {}", json!("text/plain")),
        ("empty.json", b"\xef\xbb\xbf", json!("text/plain")),
        ("program.exe", b"text", Value::Bool(true)),
        ("page.html", b"<html></html>", Value::Bool(true)),
        ("noending", b"text", Value::Bool(true)),
        (".txt.exe", b"text", Value::Bool(true)),
    ] {
        let payload = amy.upload_into(&project, None, &[(name, bytes)]).await;
        let error = refusal(&payload, 0);
        // `true` stands for any type: what it is called is the signature table's business.
        assert!(
            error["detectedFormat"] == detected || (detected == true && error["detectedFormat"].is_string()),
            "{name}: {error:#}"
        );
    }
    assert!(drive(&amy, &project).await.is_empty());
    kept(&world, 0);
    // JSON that is nested very deep is JSON; reading it does not end the server.
    let deep = [vec![b'['; MIB], vec![b']'; MIB]].concat();
    amy.upload_one(&project, "deep.json", &deep).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_refused() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Names").await;
    let long = format!("{}.txt", "n".repeat(5000));
    for name in [
        "../x.txt",
        "/etc/passwd.txt",
        "a/b.txt",
        "..\\x.txt",
        "C:\\x.txt",
        "",
        ".",
        "..",
        " ",
        ".txt ",
        " a.txt",
        "a.txt.",
        "a.txt ",
        "a\u{85}.txt",
        "a\u{202e}txt.md",
        "a\u{2066}b.txt",
        "a\u{2028}b.txt",
        &long,
        &format!("{}.txt", "я".repeat(126)),
    ] {
        let payload = amy.upload_into(&project, None, &[(name, b"text"), ("good.txt", b"good")]).await;
        refusal(&payload, 0);
        assert_eq!(payload["results"][1]["file"]["path"], "good.txt", "{name:?}");
    }
    // These break the body's own form, so nothing of it is taken.
    for name in ["nul\0.txt", "line\r\nX-Header: 1.txt", "a\u{1b}[2J.txt", "a\u{7f}.txt"] {
        let body = Body::upload(&project, None, 1).file("0", name, b"text").end();
        let answer: Value = amy.post_form(body).await.json().await.expect("JSON");
        let refused = answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
            || answer["data"]["uploadFiles"]["results"][0]["userErrors"][0]["code"] == "FILE_REFUSED";
        assert!(refused, "{answer:#}");
    }
    assert_eq!(drive(&amy, &project).await, ["good.txt"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_directories_are_refused_before_any_file_is_kept() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Directories").await;
    let long = "d".repeat(5000);
    let deep = "abcdefgh/".repeat(130);
    for directory in [
        "..",
        "../x",
        "a/../../b",
        "/",
        "/etc",
        "a//b",
        "./a",
        "a/.",
        "\\\\host\\share",
        "a\\b",
        "a\0b",
        "a\nb",
        "\u{202e}a",
        " a",
        "a ",
        "a/ /b",
        &long,
        &deep,
        "a//",
    ] {
        let payload = amy.upload_into(&project, Some(directory), &[("good.txt", b"good")]).await;
        assert_eq!(payload["results"], json!([]), "{directory:?}");
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{directory:?}");
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "directory"]), "{directory:?}");
    }
    // A directory that only together with the name is too long is the file's trouble.
    let nearly = "abcdefgh/".repeat(113);
    let name = format!("{}.txt", "n".repeat(100));
    refusal(&amy.upload_into(&project, Some(&nearly), &[(&name, b"text")]).await, 0);
    kept(&world, 0);
    for (directory, path) in [
        ("a/b", "a/b/good.txt"),
        ("a/b/", "a/b/good.txt"),
        ("", "good.txt"),
        ("Vertra\u{308}ge", "Verträge/good.txt"),
        ("...", ".../good.txt"),
    ] {
        let payload = amy.upload_into(&project, Some(directory), &[("good.txt", b"good")]).await;
        assert_eq!(payload["results"][0]["file"]["path"], path, "{payload:#}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_every_script_survive_the_way_there_and_back() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Scripts").await;
    for name in [
        "договор.txt",
        "契約書.md",
        "عقد.csv",
        "חוזה 2026.txt",
        "🧾👩‍💻.txt",
        "a b (1) [x] {y} & 'z' #12 100%.txt",
        "say \"hi\".txt",
        "%2e%2e%2fx.txt",
        "con.txt",
        "-rf.txt",
        ".txt",
        "Straße;x=1.txt",
    ] {
        let file = amy.upload_one(&project, name, name.as_bytes()).await;
        assert_eq!((&file["path"], &file["originalName"]), (&json!(name), &json!(name)));
        let response = amy.http.get(file["downloadUrl"].as_str().expect("an address")).send().await.expect("an answer");
        assert_eq!(response.status(), StatusCode::OK, "{name}");
        let said = response.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
        let (_, encoded) = said.split_once("filename*=UTF-8''").expect("the name in every script");
        assert_eq!(decoded(encoded), name, "{said}");
        assert!(said.starts_with("attachment; "), "{said}");
        assert_eq!(response.text().await.expect("text"), name);
    }
    // Some clients write such a name by RFC 5987 only.
    let body = Body::upload(&project, None, 1).part("name=\"0\"; filename*=utf-8''na%C3%AFve%20list.txt", b"x").end();
    let answer: Value = amy.post_form(body).await.json().await.expect("JSON");
    assert_eq!(answer["data"]["uploadFiles"]["results"][0]["file"]["path"], "naïve list.txt", "{answer:#}");
    let payload = amy.upload(&project, &[("Grüße an alle.txt", b"hello")]).await;
    assert_eq!(payload["results"][0]["file"]["path"], "Grüße an alle.txt");
    world.stop().await;
}

/// Percent-decodes.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte == b'%' {
            bytes.extend(hex::decode(&after[..2]).expect("two digits"));
            rest = &after[2..];
        } else {
            bytes.push(*byte);
            rest = after;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

async fn a_replaced_file_keeps_its_id_and_its_old_content_its_address(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Versions").await;
    let first = amy.upload_one(&project, "Cafe\u{301}.txt", b"first").await;
    // Composed or not, it is the same name.
    let second = amy.upload_one(&project, "Caf\u{e9}.txt", b"second").await;
    assert_eq!(first["id"], second["id"]);
    assert_eq!((&first["path"], &second["path"]), (&json!("Café.txt"), &json!("Café.txt")));
    assert_eq!(first["originalName"], "Cafe\u{301}.txt");
    assert_ne!(first["sha256"], second["sha256"]);
    assert_eq!(drive(&amy, &project).await, ["Café.txt"]);
    let query = "query($id: ID!, $path: String!) { project(id: $id) { file(area: DRIVE, path: $path) { id text }
        none: file(area: WORKSPACE, path: $path) { id } } }";
    let data = amy.ask(query, json!({ "id": project, "path": "Cafe\u{301}.txt" })).await;
    assert_eq!(data["project"]["file"], json!({ "id": second["id"], "text": "second" }));
    assert_eq!(data["project"]["none"], Value::Null);
    let old = amy.http.get(first["downloadUrl"].as_str().expect("an address")).send().await.expect("an answer");
    assert_eq!(old.text().await.expect("text"), "first");
    // Two in one request at the same path: the last stands.
    let payload = amy.upload_into(&project, None, &[("twice.txt", b"1"), ("twice.txt", b"2")]).await;
    assert_eq!(payload["results"][0]["file"]["id"], payload["results"][1]["file"]["id"]);
    // Case is told apart, as the agent's own file system does.
    amy.upload_one(&project, "TWICE.txt", b"3").await;
    assert_eq!(drive(&amy, &project).await, ["Café.txt", "TWICE.txt", "twice.txt"]);
    world.stop().await;
}

async fn uploads_to_one_path_at_once_leave_one_whole_file(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Race").await;
    let uploads = (0..8).map(|number| {
        let (amy, project) = (amy.clone(), project.clone());
        async move { amy.upload_one(&project, "race.txt", format!("content {number}").as_bytes()).await }
    });
    let files = futures_util::future::join_all(uploads).await;
    assert!(files.iter().all(|file| file["id"] == files[0]["id"]));
    let query = "query($id: ID!) { node(id: $id) { ... on File { sha256 text } } }";
    let file = amy.ask(query, json!({ "id": files[0]["id"] })).await["node"].take();
    assert_eq!(file["sha256"], sha256(file["text"].as_str().expect("text").as_bytes()));
    world.stop().await;
}

async fn a_drive_is_listed_in_pages(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Listing").await;
    for directory in ["b", "a", "ä"] {
        let files: Vec<(&str, &[u8])> = ["3.txt", "1.txt", "2.txt"].map(|name| (name, b"x".as_slice())).into();
        amy.upload_into(&project, Some(directory), &files).await;
    }
    let whole = drive(&amy, &project).await;
    assert_eq!(whole.len(), 9);
    assert_eq!(whole[..6], ["a/1.txt", "a/2.txt", "a/3.txt", "b/1.txt", "b/2.txt", "b/3.txt"]);
    for (size, cursor, more, end) in
        [("first", "after", "hasNextPage", "endCursor"), ("last", "before", "hasPreviousPage", "startCursor")]
    {
        let (mut met, mut place) = (Vec::new(), Value::Null);
        loop {
            let data = amy.ask(DRIVE, json!({ "id": project, size: 2, cursor: place })).await;
            let page = &data["project"]["files"];
            assert_eq!(page["totalCount"], 9);
            let mut items = paths(page);
            if size == "last" {
                items.reverse();
            }
            met.extend(items);
            if page["pageInfo"][more] == false {
                break;
            }
            place = page["pageInfo"][end].clone();
        }
        if size == "last" {
            met.reverse();
        }
        assert_eq!(met, whole);
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_is_cut_at_a_character() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Text").await;
    let file = id(&amy.upload_one(&project, "a.txt", "aé漢🧾z".as_bytes()).await);
    let query = "query($id: ID!, $most: Int!) { node(id: $id) { ... on File { text(maxBytes: $most) } } }";
    for (most, text) in [
        (1, "a"),
        (2, "a"),
        (3, "aé"),
        (5, "aé"),
        (6, "aé漢"),
        (9, "aé漢"),
        (10, "aé漢🧾"),
        (11, "aé漢🧾z"),
        (12, "aé漢🧾z"),
        (1_048_576, "aé漢🧾z"),
    ] {
        assert_eq!(amy.ask(query, json!({ "id": file, "most": most })).await["node"]["text"], text, "{most}");
    }
    for most in [0, -1, 1_048_577, i64::from(i32::MAX)] {
        let answer = amy.answer(query, json!({ "id": file, "most": most })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
    }
    let data =
        amy.ask("query($id: ID!) { node(id: $id) { ... on File { text name size } } }", json!({ "id": file })).await;
    assert_eq!(data["node"], json!({ "text": "aé漢🧾z", "name": "a.txt", "size": 11 }));
    world.stop().await;
}
