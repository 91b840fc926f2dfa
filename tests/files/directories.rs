//! Directories: implied by paths, listed with their files, or with all that is below them.

use serde_json::{Value, json};

use crate::world::{User, World, engine::on_both_engines};

on_both_engines!(a_directory_lists_its_own_entries, a_project_says_how_much_it_holds);

const LISTING: &str =
    "query($id: ID!, $directory: String! = \"\", $recursive: Boolean! = false, $first: Int, $after: String) { project(id: $id) {
    files(area: DRIVE, directory: $directory, recursive: $recursive, first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { __typename area path name modifiedAt ... on File { id text } } } } }";

/// A drive with files in directories.
pub(super) async fn furnished(user: &User) -> String {
    let project = user.project("Furnished").await;
    for (directory, names) in
        [("", vec!["b.txt", "a.txt"]), ("a", vec!["1.txt", "2.txt"]), ("a/deep", vec!["3.txt"]), ("ä", vec!["4.txt"])]
    {
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
        user.upload_into(&project, Some(directory), &files).await;
    }
    project
}

/// The paths of a page, with `/` at the end of a directory's.
fn entries(listing: &Value) -> Vec<String> {
    let nodes = listing["project"]["files"]["nodes"].as_array().expect("entries");
    let place = |node: &Value| {
        let end = if node["__typename"] == "Directory" { "/" } else { "" };
        format!("{}{end}", node["path"].as_str().expect("a path"))
    };
    nodes.iter().map(place).collect()
}

async fn a_directory_lists_its_own_entries(world: World) {
    let amy = world.user("amy").await;
    let project = furnished(&amy).await;
    let list = |directory: Value, recursive: bool| {
        let (amy, project) = (amy.clone(), project.clone());
        async move { amy.ask(LISTING, json!({ "id": project, "directory": directory, "recursive": recursive })).await }
    };
    for (directory, recursive, expected) in [
        (json!(""), false, vec!["a.txt", "a/", "b.txt", "ä/"]),
        (json!("a"), false, vec!["a/1.txt", "a/2.txt", "a/deep/"]),
        (json!("a/"), false, vec!["a/1.txt", "a/2.txt", "a/deep/"]),
        (json!("a\u{308}"), false, vec!["ä/4.txt"]),
        (json!("a"), true, vec!["a/1.txt", "a/2.txt", "a/deep/3.txt"]),
        (json!(""), true, vec!["a.txt", "a/1.txt", "a/2.txt", "a/deep/3.txt", "b.txt", "ä/4.txt"]),
        (json!("a.txt"), false, vec![]),
        (json!("none"), true, vec![]),
    ] {
        let listing = list(directory.clone(), recursive).await;
        assert_eq!(entries(&listing), expected, "{directory} {recursive}");
        assert_eq!(listing["project"]["files"]["totalCount"], expected.len(), "{directory} {recursive}");
    }
    // A directory is as new as the newest file below it.
    let listing = list(json!(""), false).await;
    let newest = list(json!("a"), true).await;
    let directory = &listing["project"]["files"]["nodes"][1];
    assert_eq!((&directory["name"], &directory["area"]), (&json!("a"), &json!("DRIVE")));
    assert_eq!(directory["modifiedAt"], newest["project"]["files"]["nodes"][2]["modifiedAt"]);
    // One entry at a time, and a cursor of one directory is none of another's.
    let (mut met, mut after) = (Vec::new(), Value::Null);
    loop {
        let asked = json!({ "id": project, "first": 1, "after": after });
        let page = amy.ask(LISTING, asked).await;
        met.extend(entries(&page));
        after = page["project"]["files"]["pageInfo"]["endCursor"].clone();
        if page["project"]["files"]["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(met, ["a.txt", "a/", "b.txt", "ä/"]);
    let answer = amy.answer(LISTING, json!({ "id": project, "directory": "a", "after": after })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
    for directory in ["..", "/", "a//", "a/../b", "a\u{0}"] {
        let answer = amy.answer(LISTING, json!({ "id": project, "directory": directory })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{directory:?}: {answer:#}");
    }
    world.stop().await;
}

async fn a_project_says_how_much_it_holds(world: World) {
    let amy = world.user("amy").await;
    let project = furnished(&amy).await;
    let empty = amy.project("Empty").await;
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Project { storage { area fileCount bytes } } } }";
    let data = amy.ask(query, json!({ "ids": [project, empty] })).await;
    let usage = |area: &str, count: u64, bytes: u64| json!({ "area": area, "fileCount": count, "bytes": bytes });
    let rest =
        |drive: Value| json!([usage("ARTIFACTS", 0, 0), drive, usage("KNOWLEDGE", 0, 0), usage("WORKSPACE", 0, 0)]);
    assert_eq!(data["nodes"][0]["storage"], rest(usage("DRIVE", 6, 30)));
    assert_eq!(data["nodes"][1]["storage"], rest(usage("DRIVE", 0, 0)));
    world.stop().await;
}
