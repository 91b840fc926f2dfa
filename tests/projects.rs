//! Projects: made, found, listed in every order and changed, on both engines.

use std::collections::HashSet;

use serde_json::{Value, json};

use crate::world::{User, World, engine::on_both_engines, id};

on_both_engines!(
    a_key_makes_a_repeated_request_harmless,
    names_descriptions_and_labels_have_bounds,
    text_is_found_in_every_script,
    labels_narrow_the_list,
    every_order_pages_both_ways,
    lists_of_a_user_a_session_and_a_run_page_both_ways,
    a_reader_of_pages_misses_nothing_while_others_create,
    an_editor_who_saw_an_old_version_changes_nothing,
    of_racing_editors_one_wins,
    a_partial_update_leaves_the_rest,
    a_forged_cursor_is_refused_or_reads_a_page,
);

const ALL: &str = "id name description labels createdAt updatedAt version owner { name }";

async fn create(user: &User, input: Value) -> Value {
    user.mutate("createProject", input, &format!("project {{ {ALL} }}")).await
}

async fn update(user: &User, input: Value) -> Value {
    user.mutate("updateProject", input, &format!("project {{ {ALL} }}")).await
}

async fn named(user: &User, names: &[&str]) {
    for name in names {
        let payload = create(user, json!({ "name": name })).await;
        assert_eq!(payload["userErrors"], json!([]), "{name}");
    }
}

/// The names in one page.
fn names(page: &Value) -> Vec<String> {
    let nodes = page["nodes"].as_array().unwrap_or_else(|| panic!("no nodes in {page:#}"));
    nodes.iter().map(|node| node["name"].as_str().unwrap_or_default().to_owned()).collect()
}

const LIST: &str = "query($first: Int, $after: String, $last: Int, $before: String, $filterBy: ProjectFilter, $orderBy: ProjectOrder) {
    projects(first: $first, after: $after, last: $last, before: $before, filterBy: $filterBy, orderBy: $orderBy) {
        nodes { id name } edges { cursor node { id } } totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn page(user: &User, arguments: Value) -> Value {
    user.ask(LIST, arguments).await["projects"].take()
}

async fn found(user: &User, filter: Value) -> HashSet<String> {
    let page = page(user, json!({ "first": 100, "filterBy": filter })).await;
    let names: HashSet<_> = names(&page).into_iter().collect();
    assert_eq!(page["totalCount"], names.len());
    names
}

fn set(names: &[&str]) -> HashSet<String> {
    names.iter().map(ToString::to_string).collect()
}

async fn a_key_makes_a_repeated_request_harmless(world: World) {
    let amy = world.user("amy").await;
    let input = json!({ "name": "Once", "labels": ["a"], "idempotencyKey": "key-1" });
    let first = create(&amy, input.clone()).await;
    // All at once, as a client does that retries without patience.
    let again = futures_util::future::join_all((0..8).map(|_| create(&amy, input.clone()))).await;
    for payload in again {
        assert_eq!(payload["project"], first["project"]);
    }
    let other = create(&amy, json!({ "name": "Twice", "labels": ["a"], "idempotencyKey": "key-1" })).await;
    assert_eq!(other["project"], Value::Null);
    assert_eq!(other["userErrors"][0]["__typename"], "IdempotencyConflictError");
    // Somebody else's key is another key.
    let bob = world.user("bob").await;
    let his = create(&bob, input).await;
    assert_ne!(his["project"]["id"], first["project"]["id"]);
    for key in ["", " ", "ä", "a\nb", "a\0", &"k".repeat(201)] {
        let payload = create(&amy, json!({ "name": "Bad key", "idempotencyKey": key })).await;
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", "idempotencyKey"]), "{key:?}");
    }
    assert_eq!(page(&amy, json!({})).await["totalCount"], 1);
    world.stop().await;
}

async fn names_descriptions_and_labels_have_bounds(world: World) {
    let amy = world.user("amy").await;
    let long = |letters: usize| "ж".repeat(letters);
    let twenty: Vec<String> = (0..20).map(|number| format!("label {number}")).collect();
    let most = json!({ "name": long(200), "description": long(10_000), "labels": twenty });
    let payload = create(&amy, most).await;
    assert_eq!(payload["userErrors"], json!([]));
    let twenty_one: Vec<String> = (0..21).map(|number| format!("label {number}")).collect();
    for (bad, field) in [
        (json!({ "name": long(201) }), "name"),
        (json!({ "name": "" }), "name"),
        (json!({ "name": " \t\n " }), "name"),
        (json!({ "name": "two\nlines" }), "name"),
        (json!({ "name": "nul\0" }), "name"),
        (json!({ "name": "ok", "description": long(10_001) }), "description"),
        (json!({ "name": "ok", "description": "nul\0" }), "description"),
        (json!({ "name": "ok", "labels": twenty_one }), "labels"),
        (json!({ "name": "ok", "labels": [long(51)] }), "labels"),
        (json!({ "name": "ok", "labels": [""] }), "labels"),
        (json!({ "name": "ok", "labels": ["nul\0"] }), "labels"),
    ] {
        let payload = create(&amy, bad.clone()).await;
        assert_eq!(payload["project"], Value::Null);
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{bad}");
        assert_eq!(payload["userErrors"][0]["path"], json!(["input", field]), "{bad}");
    }
    // What is the same in other words is the same label. The first way of writing it stays.
    let payload =
        create(&amy, json!({ "name": "  Cafe\u{301}  ", "labels": ["Über", "u\u{308}ber", "a", " a ", "ÜBER"] })).await;
    assert_eq!(payload["userErrors"], json!([]));
    assert_eq!(payload["project"]["name"], "Café");
    assert_eq!(payload["project"]["labels"], json!(["Über", "a"]));
    assert_eq!(page(&amy, json!({})).await["totalCount"], 2);
    world.stop().await;
}

async fn text_is_found_in_every_script(world: World) {
    let amy = world.user("amy").await;
    named(&amy, &["Straße 5", "ΣΊΣΥΦΟΣ", "Договор аренды", "契約書 2026", "عقد الإيجار", "100% done_ok", "a\\b"]).await;
    create(&amy, json!({ "name": "Plain", "description": "holds the word Zürich" })).await;
    for (text, expected) in [
        ("strasse", set(&["Straße 5"])),
        ("σίσυφος", set(&["ΣΊΣΥΦΟΣ"])),
        ("ДОГОВОР", set(&["Договор аренды"])),
        ("約書", set(&["契約書 2026"])),
        ("الإيجار", set(&["عقد الإيجار"])),
        ("zu\u{308}RICH", set(&["Plain"])),
        ("%", set(&["100% done_ok"])),
        ("_", set(&["100% done_ok"])),
        ("\\", set(&["a\\b"])),
        ("nothing has this", set(&[])),
        ("' or 1=1 --", set(&[])),
        ("nul\0", set(&[])),
    ] {
        assert_eq!(found(&amy, json!({ "text": text })).await, expected, "{text:?}");
    }
    assert_eq!(found(&amy, json!({ "text": "" })).await.len(), 8);
    // A stranger finds nothing.
    assert!(found(&world.user("bob").await, json!({ "text": "strasse" })).await.is_empty());
    world.stop().await;
}

async fn labels_narrow_the_list(world: World) {
    let amy = world.user("amy").await;
    for (name, labels) in
        [("one", json!(["red", "Große"])), ("two", json!(["red"])), ("three", json!(["blue"])), ("four", json!([]))]
    {
        create(&amy, json!({ "name": name, "labels": labels })).await;
    }
    assert_eq!(found(&amy, json!({ "labels": ["RED"] })).await, set(&["one", "two"]));
    assert_eq!(found(&amy, json!({ "labels": ["red", "grosse"] })).await, set(&["one"]));
    assert_eq!(found(&amy, json!({ "labels": ["red", "red"] })).await, set(&["one", "two"]));
    assert_eq!(found(&amy, json!({ "labels": ["red"], "text": "tw" })).await, set(&["two"]));
    assert_eq!(found(&amy, json!({ "labels": ["re"] })).await, set(&[]));
    assert_eq!(found(&amy, json!({ "labels": ["nul\0"] })).await, set(&[]));
    assert_eq!(found(&amy, json!({ "labels": [] })).await.len(), 4);
    world.stop().await;
}

async fn every_order_pages_both_ways(world: World) {
    let amy = world.user("amy").await;
    // Some names are the same but for case, so that ties are broken, too.
    let made = ["delta", "Alpha", "alpha", "bravo", "ALPHA", "Ärger", "charlie", "echo", "契約", "zulu", "bravo"];
    named(&amy, &made).await;
    let first = id(&page(&amy, json!({ "first": 1, "filterBy": { "text": "delta" } })).await["nodes"][0]);
    update(&amy, json!({ "projectId": first, "version": 1, "description": "changed last" })).await;
    for field in ["CREATED_AT", "NAME", "UPDATED_AT"] {
        let mut both = Vec::new();
        for direction in ["ASC", "DESC"] {
            let order = json!({ "field": field, "direction": direction });
            let whole = ids(&page(&amy, json!({ "first": 100, "orderBy": order })).await);
            assert_eq!(whole.len(), made.len());
            assert_eq!(walk(&amy, &order, "first", "after").await, whole, "{order}");
            let mut back = walk(&amy, &order, "last", "before").await;
            back.reverse();
            assert_eq!(back, whole, "{order}");
            both.push(whole);
        }
        let mut reversed = both.pop().unwrap_or_default();
        reversed.reverse();
        assert_eq!(both[0], reversed, "{field}");
    }
    let by = |field: &str| json!({ "first": 100, "orderBy": { "field": field, "direction": "ASC" } });
    assert_eq!(names(&page(&amy, by("CREATED_AT")).await), made);
    assert_eq!(names(&page(&amy, by("UPDATED_AT")).await).last().map(String::as_str), Some("delta"));
    let by_name = names(&page(&amy, by("NAME")).await);
    assert_eq!(by_name[..3].iter().map(|name| name.to_lowercase()).collect::<Vec<_>>(), ["alpha"; 3]);
    assert_eq!(by_name[3..8], ["bravo", "bravo", "charlie", "delta", "echo"]);
    world.stop().await;
}

fn ids(page: &Value) -> Vec<String> {
    page["nodes"].as_array().expect("nodes").iter().map(id).collect()
}

/// Walks over pages of three, forward or backward; items in the order in which they were met.
async fn walk(user: &User, order: &Value, size: &str, cursor: &str) -> Vec<String> {
    let forward = size == "first";
    let (more, end) = if forward { ("hasNextPage", "endCursor") } else { ("hasPreviousPage", "startCursor") };
    let (mut met, mut place) = (Vec::new(), Value::Null);
    loop {
        let page = page(user, json!({ size: 3, cursor: place, "orderBy": order })).await;
        assert_eq!(page["totalCount"], 11);
        let info = &page["pageInfo"];
        assert_eq!(page["edges"][0]["cursor"], info["startCursor"]);
        let back = if forward { "hasPreviousPage" } else { "hasNextPage" };
        assert_eq!(info[back], !met.is_empty());
        let mut ids = ids(&page);
        if !forward {
            ids.reverse();
        }
        met.extend(ids);
        if info[more] == false {
            return met;
        }
        place = info[end].clone();
    }
}

async fn lists_of_a_user_a_session_and_a_run_page_both_ways(world: World) {
    let amy = world.user("amy").await;
    amy.open_project(&amy.project("Another").await, None).await;
    let project = amy.project("Runs").await;
    amy.upload(&project, &[("terms.md", b"Late sums bear interest at four per cent.\n")]).await;
    let run = amy.finished_run(&project, "What interest do late sums bear?").await;
    for _ in 0..2 {
        let repeated = amy.rerun(&run, json!({})).await;
        amy.ended(&id(&repeated["run"])).await;
    }
    for (parent, list, length) in
        [("viewer", "sessions", 2), ("session", "runs", 3), ("run", "reruns", 2), ("run", "artifacts", 1)]
    {
        let selection = format!(
            "{list}(first: $first, last: $last, before: $before) {{ nodes {{ id }} pageInfo {{ hasPreviousPage startCursor }} }}"
        );
        let around = match parent {
            "viewer" => format!("viewer {{ {selection} }}"),
            "session" => format!("run(id: $run) {{ session {{ {selection} }} }}"),
            _ => format!("run(id: $run) {{ {selection} }}"),
        };
        let query = format!(
            "query($run: ID!, $first: Int, $last: Int, $before: String) {{ {around} node(id: $run) {{ id }} }}"
        );
        let read = async |mut arguments: Value| {
            arguments["run"] = json!(run);
            let data = amy.ask(&query, arguments).await;
            let parent = if parent == "session" { &data["run"]["session"] } else { &data[parent] };
            parent[list].clone()
        };
        let forward = read(json!({ "first": 100 })).await["nodes"].as_array().expect("nodes").clone();
        assert_eq!(forward.len(), length, "{list}");
        let (mut backward, mut before) = (Vec::new(), Value::Null);
        loop {
            let page = read(json!({ "last": 1, "before": before })).await;
            backward.extend(page["nodes"].as_array().expect("nodes").iter().cloned());
            if page["pageInfo"]["hasPreviousPage"] == false {
                break;
            }
            before = page["pageInfo"]["startCursor"].clone();
        }
        backward.reverse();
        assert_eq!(backward, forward, "{list}");
    }
    world.stop().await;
}

async fn a_reader_of_pages_misses_nothing_while_others_create(world: World) {
    let amy = world.user("amy").await;
    let old: Vec<String> = (0..30).map(|number| format!("old {number:02}")).collect();
    named(&amy, &old.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let order = json!({ "field": "NAME", "direction": "ASC" });
    let writing = async {
        for number in 0..30 {
            named(&amy, &[&format!("new {number:02}"), &format!("old {number:02} b")]).await;
        }
    };
    let reading = async {
        let (mut met, mut place) = (Vec::new(), Value::Null);
        loop {
            let page = page(&amy, json!({ "first": 4, "after": place, "orderBy": order })).await;
            met.extend(names(&page));
            if page["pageInfo"]["hasNextPage"] == false {
                return met;
            }
            place = page["pageInfo"]["endCursor"].clone();
        }
    };
    let ((), met) = tokio::join!(writing, reading);
    let once: HashSet<_> = met.iter().cloned().collect();
    assert_eq!(once.len(), met.len(), "twice: {met:?}");
    assert!(old.iter().all(|name| once.contains(name)), "{met:?}");
    world.stop().await;
}

async fn an_editor_who_saw_an_old_version_changes_nothing(world: World) {
    let amy = world.user("amy").await;
    let project = create(&amy, json!({ "name": "First" })).await["project"].take();
    assert_eq!(project["version"], 1);
    let changed = update(&amy, json!({ "projectId": project["id"], "version": 1, "name": "Second" })).await;
    assert_eq!((&changed["project"]["version"], &changed["project"]["name"]), (&json!(2), &json!("Second")));
    assert!(changed["project"]["updatedAt"].as_str() > project["updatedAt"].as_str());
    for version in [0, 1, 3, (1_u64 << 53) - 1] {
        let late = update(&amy, json!({ "projectId": project["id"], "version": version, "name": "Third" })).await;
        assert_eq!(late["project"], Value::Null);
        assert_eq!(late["userErrors"][0]["code"], "CONFLICT");
        assert_eq!(late["userErrors"][0]["path"], json!(["input", "version"]));
        let message = late["userErrors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains("version 2"), "{message}");
    }
    let bad = update(&amy, json!({ "projectId": project["id"], "version": 2, "name": "a", "labels": ["\0"] })).await;
    assert_eq!(bad["userErrors"][0]["path"], json!(["input", "labels"]));
    let query = format!("query($id: ID!) {{ project(id: $id) {{ {ALL} }} }}");
    let data = amy.ask(&query, json!({ "id": project["id"] })).await;
    assert_eq!(data["project"], changed["project"]);
    world.stop().await;
}

async fn of_racing_editors_one_wins(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Contested").await;
    for version in 1..=3 {
        let editors = (0..8).map(|editor| {
            update(&amy, json!({ "projectId": project, "version": version, "name": format!("By {editor}") }))
        });
        let payloads = futures_util::future::join_all(editors).await;
        let won: Vec<_> = payloads.iter().filter(|payload| payload["project"] != Value::Null).collect();
        assert_eq!(won.len(), 1);
        assert_eq!(payloads.iter().filter(|payload| payload["userErrors"][0]["code"] == "CONFLICT").count(), 7);
        assert_eq!(won[0]["project"]["version"], version + 1);
    }
    world.stop().await;
}

async fn a_partial_update_leaves_the_rest(world: World) {
    let amy = world.user("amy").await;
    let input = json!({ "name": "Whole", "description": "About it", "labels": ["a", "b"] });
    let project = id(&create(&amy, input).await["project"]);
    let change = |version: u64, fields: Value| {
        let mut input = json!({ "projectId": project, "version": version });
        for (name, value) in fields.as_object().expect("fields") {
            input[name] = value.clone();
        }
        let amy = amy.clone();
        async move {
            let project = update(&amy, input).await["project"].take();
            (project["name"].clone(), project["description"].clone(), project["labels"].clone())
        }
    };
    assert_eq!(change(1, json!({ "name": "Other" })).await, (json!("Other"), json!("About it"), json!(["a", "b"])));
    assert_eq!(change(2, json!({ "labels": ["c"] })).await, (json!("Other"), json!("About it"), json!(["c"])));
    assert_eq!(change(3, json!({ "description": "" })).await, (json!("Other"), json!(""), json!(["c"])));
    assert_eq!(change(4, json!({ "labels": [], "name": null })).await, (json!("Other"), json!(""), json!([])));
    assert_eq!(found(&amy, json!({ "labels": ["a"] })).await, set(&[]));
    assert_eq!(found(&amy, json!({ "text": "whole" })).await, set(&[]));
    assert_eq!(found(&amy, json!({ "text": "other" })).await, set(&["Other"]));
    world.stop().await;
}

/// A cursor holds a place, not a right: one that a client puts together can at worst be refused.
async fn a_forged_cursor_is_refused_or_reads_a_page(world: World) {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let amy = world.user("amy").await;
    named(&amy, &["a", "b", "c"]).await;
    for field in ["CREATED_AT", "NAME", "UPDATED_AT"] {
        let order = json!({ "field": field, "direction": "ASC" });
        let page = page(&amy, json!({ "first": 1, "orderBy": order })).await;
        let real = page["pageInfo"]["endCursor"].as_str().expect("a cursor");
        let head = URL_SAFE_NO_PAD.decode(real).expect("base64")[..24].to_vec();
        for sort in ["\0", "a\0b", "' or 1=1 --", "-9223372036854775808", "99999999999999999999", "\u{10ffff}"] {
            let forged = URL_SAFE_NO_PAD.encode([&head[..], sort.as_bytes()].concat());
            let answer = amy.answer(LIST, json!({ "first": 3, "after": forged, "orderBy": order })).await;
            let code = &answer["errors"][0]["extensions"]["code"];
            assert!(answer.get("errors").is_none() || code == "BAD_USER_INPUT", "{field} {sort:?}: {answer:#}");
        }
    }
    world.stop().await;
}
