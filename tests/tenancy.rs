//! What is somebody else's does not exist.
//!
//! The test goes through the schema itself. For every argument and input field that names something there is a case (in `cases`)
//! that, as bob, gives alice's value and an invented one of the same shape: the answers must be equal, and nothing of alice's may
//! change. An argument without a case fails the test, and so does a case without an argument.

mod cases;
mod exports;
mod ground;
mod plain;

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use reqwest::StatusCode;
use serde_json::{Value, json};
use workroom::{
    files::signature::{Grant, Opens},
    model::id::{TokenId, VersionId},
};

use self::{
    cases::{CASES, Case, Named, Way},
    ground::Ground,
    plain::PLAIN,
};
use crate::{
    schema::{list, name, named, types},
    world::{
        User,
        engine::{Engine, on_engines},
        id,
    },
};

/// Every argument and input field that there is, as `Type.field(argument)` and `Input.field`. Left out are enums and booleans,
/// whose values are all in the schema, and input objects, whose fields are here themselves.
async fn inputs() -> BTreeSet<String> {
    let speaks_for_itself = |kind: &Value| {
        let (of, kind) = named(kind);
        matches!(kind, "ENUM" | "INPUT_OBJECT") || of == "Boolean"
    };
    let mut found = BTreeSet::new();
    for kind in types().await {
        for field in list(&kind, "fields") {
            for argument in list(field, "args").iter().filter(|argument| !speaks_for_itself(&argument["type"])) {
                found.insert(format!("{}.{}({})", name(&kind), name(field), name(argument)));
            }
        }
        for field in list(&kind, "inputFields").iter().filter(|field| !speaks_for_itself(&field["type"])) {
            found.insert(format!("{}.{}", name(&kind), name(field)));
        }
    }
    found
}

/// What is wrong with the cases for these inputs.
fn gaps(inputs: &BTreeSet<String>) -> Vec<String> {
    let covered: BTreeSet<_> = CASES.iter().map(|case| case.covers).collect();
    let plain: BTreeSet<_> = PLAIN.iter().map(|(input, _)| *input).collect();
    let pages = |input: &str| input.ends_with("(first)") || input.ends_with("(last)");
    let is_known = |input: &str| covered.contains(input) || plain.contains(input) || pages(input);
    let missing = inputs.iter().filter(|input| !is_known(input)).map(|input| format!("{input} has no case"));
    let idle = covered.union(&plain).filter(|input| !inputs.contains(**input));
    let both = covered.intersection(&plain).map(|input| format!("{input} has a case and is called plain"));
    missing.chain(idle.map(|input| format!("{input} is not in the schema"))).chain(both).collect()
}

#[tokio::test]
async fn every_input_that_names_something_has_a_case() {
    let mut inputs = inputs().await;
    assert!(inputs.len() > 50, "this is not the whole schema");
    assert_eq!(gaps(&inputs), Vec::<String>::new());
    inputs.insert("Query.somethingNew(id)".into());
    inputs.remove("Query.node(id)");
    assert_eq!(gaps(&inputs), ["Query.somethingNew(id) has no case", "Query.node(id) is not in the schema"]);
}

on_engines! {
    async fn what_is_foreign_is_answered_like_what_is_invented(engine) {
        tell_all(Ground::new(engine).await).await;
    }

    async fn what_is_deleted_is_answered_like_what_was_never_made(engine) {
        ask_for_what_is_deleted(Ground::deleted(engine).await).await;
    }
}

/// Tries every case with what the user has deleted. Cursors are left out: they name a place in a list, not a thing, and the
/// user's lists are still the user's.
async fn ask_for_what_is_deleted(ground: Ground) {
    let mut faults = Vec::new();
    for case in CASES.iter().filter(|case| !matches!(case.value, Named::Cursor(_))) {
        for way in case.ways {
            for (what, deleted, invented) in ground.values(case.value).into_iter().filter(|(what, ..)| *what != "user")
            {
                let place = format!("{} with a deleted {what}, by {way:?}", case.covers);
                let to_deleted = answer(&ground, case, *way, &deleted).await;
                if case.makes {
                    ground.settled().await;
                }
                let to_invented = answer(&ground, case, *way, &invented).await;
                if case.makes {
                    ground.settled().await;
                }
                if to_deleted != to_invented || !to_deleted.contains(case.says) {
                    faults.push(format!("{place}: {to_deleted} and {to_invented}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    ground.world.stop().await;
}

/// Tries every case, and tells all that fail.
async fn tell_all(ground: Ground) {
    let mut faults = Vec::new();
    for case in CASES {
        for way in case.ways {
            for (what, hers, invented) in ground.values(case.value) {
                let place = format!("{} with alice's {what}, by {way:?}", case.covers);
                assert_ne!(hers, invented, "{place}: the invented value is hers");
                let found = attempt(&ground, case, *way, (&hers, &invented)).await;
                faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    ground.world.stop().await;
}

/// What goes wrong when bob gives alice's value, and then an invented one.
async fn attempt(ground: &Ground, case: &Case, way: Way, (hers, invented): (&str, &str)) -> Vec<String> {
    let mut faults = Vec::new();
    let (before, seen) = (ground.dump().await, ground.seen_by_alice().await);
    let to_hers = answer(ground, case, way, hers).await;
    if case.makes {
        ground.settled().await;
    } else if before != ground.dump().await {
        faults.push("something changed".to_owned());
    }
    if seen != ground.seen_by_alice().await {
        faults.push("alice sees a difference".to_owned());
    }
    let to_invented = answer(ground, case, way, invented).await;
    if to_hers != to_invented {
        faults.push(format!("the answers differ: {to_hers} and {to_invented}"));
    }
    if !to_hers.contains(case.says) {
        faults.push(format!("this is not the answer that was meant: {to_hers}"));
    }
    if case.makes {
        ground.settled().await;
    }
    faults
}

/// Bob's answer, without the value that was asked for.
async fn answer(ground: &Ground, case: &Case, way: Way, value: &str) -> String {
    let variables = (case.variables)(ground, value);
    let answer = match way {
        Way::Post => ground.post(&ground.bob, case.document, variables, "application/json").await,
        Way::Events => ground.post(&ground.bob, case.document, variables, "text/event-stream").await,
        Way::Socket => ground.socket(case.document, variables).await,
        Way::Upload => ground.upload(case.document, variables).await,
    };
    answer.replace(value, "VALUE")
}

#[tokio::test(flavor = "multi_thread")]
async fn users_see_themselves_and_what_is_theirs_and_count_no_more() {
    let ground = Ground::new(&Engine::Sqlite).await;
    let query = "query($bob: ID!) {
        node(id: $bob) { id }
        viewer { id name sessions(activeOnly: false, first: 5) { totalCount nodes { project { name } user { name } } } }
        projects(first: 5) { totalCount nodes { name owner { name } runs(first: 5) { totalCount } artifacts(first: 5) { totalCount }
            sessions(first: 5) { totalCount } files(area: DRIVE, first: 5) { totalCount } } } }";
    let seen = ground
        .alice
        .ask(query, json!({ "bob": id(&ground.bob.ask("{ viewer { id } }", json!({})).await["viewer"]) }))
        .await;
    assert_eq!(seen["node"], Value::Null);
    assert_eq!(seen["viewer"]["name"], "alice");
    let text = seen.to_string();
    assert!(text.contains("alice's") && !text.contains("bob"), "{seen:#}");

    // Bob has one of everything; alice has more, so a count that includes her is larger.
    let seen = ground.bob.ask(query, json!({ "bob": ground.hers.user })).await;
    assert_eq!(seen["node"], Value::Null);
    assert!(!seen.to_string().contains("alice"), "{seen:#}");
    assert_eq!(seen["viewer"]["sessions"]["totalCount"], 1);
    let one = json!({ "totalCount": 1 });
    let project = json!({ "name": "bob's", "owner": { "name": "bob" }, "runs": one, "artifacts": one, "sessions": one, "files": one });
    assert_eq!(seen["projects"], json!({ "totalCount": 1, "nodes": [project] }));
    ground.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_users_who_ask_the_same_at_once_get_each_their_own() {
    let ground = Ground::new(&Engine::Sqlite).await;
    let query = "query($ids: [ID!]!) {
        viewer { name }
        projects(first: 5) { nodes { owner { name } runs(first: 9) { nodes { project { owner { name } } session { user { name } }
            artifacts(first: 5) { nodes { name run { prompt } } } } } } }
        nodes(ids: $ids) { __typename id ... on Project { owner { name } } ... on Run { prompt } ... on File { path } } }";
    let (hers, his) = (&ground.hers, &ground.his);
    let ids = json!([hers.project, his.project, hers.run, his.run, hers.file, his.file, hers.session, his.session]);
    let ask = |user: &User| {
        let (user, ids) = (user.clone(), ids.clone());
        async move { user.ask(query, json!({ "ids": ids })).await }
    };
    let (alone_a, alone_b) = (ask(&ground.alice).await, ask(&ground.bob).await);
    assert!(!alone_a.to_string().contains("bob") && !alone_b.to_string().contains("alice"));
    for (at, node) in alone_a["nodes"].as_array().expect("nodes").iter().enumerate() {
        assert_ne!(node.is_null(), alone_b["nodes"][at].is_null(), "{at}: one of them owns it");
    }
    let askers = (0..60).map(|at| {
        let (user, alone) = if at % 2 == 0 { (&ground.alice, &alone_a) } else { (&ground.bob, &alone_b) };
        let asked = ask(user);
        async move { assert_eq!(&asked.await, alone) }
    });
    stream::iter(askers).buffer_unordered(20).collect::<Vec<()>>().await;
    ground.world.stop().await;
}

/// The status and the body of what an address answers.
async fn open(user: &User, address: &str) -> (StatusCode, String) {
    // Bob's own token makes no difference: an address speaks for itself.
    let response = user.http.get(address).bearer_auth(user.secret()).send().await.expect("an answer");
    (response.status(), response.text().await.expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_address_opens_for_nobody_else_and_nothing_else() {
    let ground = Ground::new(&Engine::Sqlite).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Artifact { downloadUrl } } }";
    let address = |data: Value| data["node"]["downloadUrl"].as_str().expect("an address").to_owned();
    let hers = address(ground.alice.ask(query, json!({ "id": ground.hers.artifact })).await);
    let his = address(ground.bob.ask(query, json!({ "id": ground.his.artifact })).await);
    assert_eq!(open(&ground.bob, &his).await.0, StatusCode::OK);
    let part = |address: &str, name: &str| {
        let (_, rest) = address.split_once(&format!("{name}=")).expect("a part");
        rest.split('&').next().unwrap_or_default().to_owned()
    };
    let version = |address: &str| address.split('/').nth(4).expect("a version").to_owned();
    let invented = hers
        .replace(&version(&hers), &VersionId::new().to_string())
        .replace(&part(&hers, "token"), &TokenId::new().to_string());
    let refused = open(&ground.bob, &invented).await;
    assert_eq!(refused.0, StatusCode::NOT_FOUND);
    for (what, forged) in [
        ("bob as the user", hers.replace(&part(&hers, "user"), &part(&his, "user"))),
        ("bob's token", hers.replace(&part(&hers, "token"), &part(&his, "token"))),
        ("no token", hers.replace(&format!("&token={}", part(&hers, "token")), "")),
        ("her version at his address", his.replace(&version(&his), &version(&hers))),
        ("his version at her address", hers.replace(&version(&hers), &version(&his))),
        ("another name", hers.replacen(".md?", ".html?", 1)),
        ("a later end", hers.replace(&part(&hers, "expires"), "4102444800")),
        ("an end long ago", hers.replace(&part(&hers, "expires"), "1")),
        ("no end", hers.replace(&format!("&expires={}", part(&hers, "expires")), "")),
        ("his signature", hers.replace(&part(&hers, "signature"), &part(&his, "signature"))),
        ("half a signature", hers[..hers.len() - 32].to_owned()),
        ("nothing but the path", hers.split('?').next().unwrap_or_default().to_owned()),
    ] {
        assert_ne!(forged, hers, "{what}");
        assert_eq!(open(&ground.bob, &forged).await, refused, "{what}");
    }

    // A grant that was never made, with a good signature: the store asks again who owns the content.
    let app = ground.world.house().app();
    let (bob, alice) = (&ground.bob.token, &ground.alice.token);
    let grant = |token: &workroom::model::user::Token, ends: DateTime<Utc>| Grant {
        user_id: token.user_id,
        token_id: Some(token.id),
        opens: Opens::Content { version_id: version(&hers).parse().expect("a version"), name: "brief.md".into() },
        expires_at: ends,
    };
    let later = workroom::clock::now() + Duration::from_mins(1);
    let signed = |grant: &Grant| format!("{}{}", ground.world.base(), app.signer.address(grant));
    assert_eq!(open(&ground.bob, &signed(&grant(bob, later))).await, refused, "signed for bob");
    let good = signed(&grant(alice, later));
    assert_eq!(open(&ground.bob, &good).await.0, StatusCode::OK);

    // What was good and has ended says so, and gives no byte.
    let ended = signed(&grant(alice, workroom::clock::now() - Duration::from_secs(1)));
    let (status, body) = open(&ground.alice, &ended).await;
    assert_eq!(status, StatusCode::GONE, "{body}");
    ground.world.revoke(&ground.alice).await;
    for address in [&good, &hers] {
        let (status, body) = open(&ground.bob, address).await;
        assert_eq!(status, StatusCode::GONE, "{body}");
    }
    assert_eq!(open(&ground.bob, &his).await.0, StatusCode::OK, "bob's token is as good as before");
    ground.world.stop().await;
}
