//! The addresses of exports: each is for one user, one project, one filter and one format.

use reqwest::StatusCode;
use serde_json::{Value, json};
use workroom::{
    clock,
    files::signature::{Grant, Opens},
    model::{
        export::ExportFormat,
        id::{ProjectId, TokenId},
    },
};

use super::{ground::Ground, open};
use crate::world::{User, engine::on_engines};

/// The address of a user's history, of the runs in which a word stands.
async fn address(user: &User, project: &str, word: &str) -> String {
    let query = "query($project: ID!, $word: String!) { project(id: $project) {
        history(filterBy: { text: $word }) { exportUrl(format: CSV) } } }";
    let data = user.ask(query, json!({ "project": project, "word": word })).await;
    data["project"]["history"]["exportUrl"].as_str().expect("an address").to_owned()
}

fn part(address: &str, name: &str) -> String {
    let (_, rest) = address.split_once(&format!("{name}=")).expect("a part");
    rest.split('&').next().unwrap_or_default().to_owned()
}

on_engines! {
    async fn an_export_opens_for_nobody_else_and_nothing_else(engine) {
        tell(Ground::new(engine).await).await;
    }
}

async fn tell(ground: Ground) {
    let (project, other) = (&ground.hers.project, &ground.his.project);
    let hers = address(&ground.alice, project, "alice").await;
    let wider = address(&ground.alice, project, "").await;
    let his = address(&ground.bob, other, "").await;
    let (status, file) = open(&ground.bob, &his).await;
    assert!(status == StatusCode::OK && file.contains("bob's first") && !file.contains("alice"), "{file}");
    let query = "query($project: ID!) { project(id: $project) { history { exportUrl(format: JSONL) } } }";
    let asked = ground.bob.ask(query, json!({ "project": project })).await;
    assert_eq!(asked["project"], Value::Null, "nobody gets an address of somebody else's");

    let invented = hers.replace(project.as_str(), &ProjectId::new().to_string());
    let refused = open(&ground.bob, &invented).await;
    assert_eq!(refused.0, StatusCode::NOT_FOUND, "{}", refused.1);
    let replaced = |name: &str, value: &str| hers.replace(&part(&hers, name), value);
    for (what, forged) in [
        ("bob as the user", replaced("user", &part(&his, "user"))),
        ("bob's token", replaced("token", &part(&his, "token"))),
        ("an invented token", replaced("token", &TokenId::new().to_string())),
        ("no token", hers.replace(&format!("&token={}", part(&hers, "token")), "")),
        ("her project at his address", his.replace(other.as_str(), project)),
        ("his project at her address", hers.replace(project.as_str(), other)),
        ("no project", hers.replace(project.as_str(), "..%2f..")),
        ("a wider filter", replaced("filter", &part(&wider, "filter"))),
        ("a filter that is none", replaced("filter", "bm9uZQ")),
        ("an empty filter", replaced("filter", "")),
        ("no filter", hers.replace(&format!("filter={}&", part(&hers, "filter")), "")),
        ("another format", hers.replace("history.csv", "history.jsonl")),
        ("no such format", hers.replace("history.csv", "history.html")),
        ("another name", hers.replace("history.csv", "brief.csv")),
        ("a later end", replaced("expires", "4102444800")),
        ("an end after all time", replaced("expires", "9223372036854775807")),
        ("an end that is none", replaced("expires", "x")),
        ("no end", hers.replace(&format!("&expires={}", part(&hers, "expires")), "")),
        ("his signature", replaced("signature", &part(&his, "signature"))),
        ("half a signature", hers[..hers.len() - 32].to_owned()),
        ("nothing but the path", hers.split('?').next().unwrap_or_default().to_owned()),
        ("a content instead", hers.replace("/exports/", "/files/")),
    ] {
        assert_ne!(forged, hers, "{what}");
        let (status, body) = open(&ground.bob, &forged).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{what}: {body}");
        assert!(!body.contains("alice") && (what == "a content instead" || body == refused.1), "{what}: {body}");
    }

    // A grant that was never made, with a good signature: the store asks again whose the project is.
    let app = ground.world.house().app();
    let signed = |user: &User, filter: &str, seconds: i64| {
        let opens = Opens::History {
            project_id: project.parse().expect("an id"),
            format: ExportFormat::Csv,
            filter: filter.to_owned(),
        };
        let (user_id, token_id) = (user.token.user_id, Some(user.token.id));
        let expires_at = clock::now() + chrono::Duration::seconds(seconds);
        let grant = Grant { user_id, token_id, opens, expires_at };
        format!("{}{}", ground.world.base(), app.signer.address(&grant))
    };
    let filter = part(&hers, "filter");
    assert_eq!(open(&ground.bob, &signed(&ground.bob, &filter, 60)).await, refused, "signed for bob");
    // A condition that this server does not know, as another version of it might have: `{"color":"red"}`.
    assert_eq!(open(&ground.bob, &signed(&ground.alice, "eyJjb2xvciI6InJlZCJ9", 60)).await, refused);
    let good = signed(&ground.alice, &filter, 60);
    let (status, file) = open(&ground.bob, &good).await;
    assert!(status == StatusCode::OK && file.contains("alice's first"), "an address speaks for itself: {file}");

    // What was good and has ended says so, and gives no byte.
    let (status, body) = open(&ground.alice, &signed(&ground.alice, &filter, -1)).await;
    assert!(status == StatusCode::GONE && body.contains("`exportUrl`"), "{status} {body}");
    ground.world.revoke(&ground.alice).await;
    for address in [&good, &hers] {
        let (status, body) = open(&ground.bob, address).await;
        assert_eq!(status, StatusCode::GONE, "{body}");
    }
    assert_eq!(open(&ground.bob, &his).await.0, StatusCode::OK, "bob's token is as good as before");
    ground.world.stop().await;
}
