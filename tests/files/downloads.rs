//! Downloads: what a signed address opens, how, and for how long.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::sha256;
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_an_attachment_that_runs_nothing() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Download").await;
    let page = b"<html><script>fetch('/graphql')</script></html>";
    let file = amy.upload_one(&project, "page.md", page).await;
    let url = file["downloadUrl"].as_str().expect("an address");
    let response = reqwest::get(url).await.expect("an answer");
    assert_eq!(response.status(), StatusCode::OK);
    let headers = response.headers().clone();
    let header =
        |name: &str| headers.get(name).map(|value| value.to_str().expect("ASCII").to_owned()).unwrap_or_default();
    assert_eq!(header("content-disposition"), "attachment; filename=\"page.md\"; filename*=UTF-8''page.md");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(
        header("content-security-policy").contains("sandbox") && !header("content-security-policy").contains("allow")
    );
    assert!(header("content-type").starts_with("text/markdown"));
    assert_eq!(header("content-length"), page.len().to_string());
    assert!(header("cache-control").contains("private"));
    assert!(!header("x-request-id").is_empty());
    assert!(headers.get("access-control-allow-origin").is_none());
    let tag = header("etag");
    assert_eq!(tag, format!("\"{}\"", sha256(page)));
    assert_eq!(response.bytes().await.expect("bytes"), page.as_slice());

    let same = amy.http.get(url).header("if-none-match", &tag).send().await.expect("an answer");
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert!(same.bytes().await.expect("bytes").is_empty());
    let other = amy.http.get(url).header("if-none-match", "\"other\"").send().await.expect("an answer");
    assert_eq!(other.status(), StatusCode::OK);
    let head = amy.http.head(url).send().await.expect("an answer");
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()["content-length"], page.len().to_string().as_str());
    assert!(head.bytes().await.expect("bytes").is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_was_changed_opens_nothing() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let bob = world.user("bob").await;
    let project = amy.project("Addresses").await;
    let mine =
        amy.upload_one(&project, "mine.txt", b"mine").await["downloadUrl"].as_str().expect("an address").to_owned();
    let project = bob.project("His").await;
    let his = bob.upload_one(&project, "his.txt", b"his").await["downloadUrl"].as_str().expect("an address").to_owned();
    let version = |url: &str| url.split('/').nth(4).unwrap_or_default().to_owned();
    let query = |url: &str| url.split_once('?').unwrap_or_default().1.to_owned();
    let (path, signed) = mine.split_once('?').expect("a query");
    let expires = signed.split('&').find(|part| part.starts_with("expires=")).expect("expires").to_owned();
    let base = world.base();
    for changed in [
        mine.replace(&version(&mine), &version(&his)),
        format!("{path}?{}", query(&his)),
        mine.replace("mine.txt", "mine.html"),
        mine.replace("mine.txt", "..%2f..%2fmine.txt"),
        mine.replace(&expires, "expires=99999999999"),
        mine.replace(&expires, "expires=9223372036854775807"),
        mine.replace(&expires, "expires=-1"),
        mine.replace(&expires, "expires=x"),
        mine.replace("&token=", "&nottoken="),
        path.to_owned(),
        format!("{mine}00"),
        mine[..mine.len() - 1].to_owned(),
        format!("{path}?signature=zz"),
        format!("{base}/files/"),
        format!("{base}/files/../graphql"),
        format!("{base}/files/..%2f..%2fdata%2fworkroom.sqlite?{signed}"),
        format!("{base}/files/%2e%2e/%2e%2e%2fworkroom.sqlite?{signed}"),
        format!("{base}/files/{}/%00?{signed}", version(&mine)),
        format!("{base}/files/%ff/%ff?{signed}"),
    ] {
        let response = amy.http.get(&changed).bearer_auth(amy.secret()).send().await.expect("an answer");
        let status = response.status();
        let text = response.text().await.expect("text");
        assert!([StatusCode::NOT_FOUND, StatusCode::BAD_REQUEST].contains(&status), "{changed}: {status} {text}");
        assert!(!text.contains("mine") && !text.contains("his") && !text.contains("::"), "{changed}: {text}");
    }
    let post = amy.http.post(&mine).send().await.expect("an answer");
    assert!([404, 405].contains(&post.status().as_u16()), "{}", post.status());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_ends_with_its_time_and_with_its_token() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let again = world.user("amy").await;
    let project = amy.project("Addresses").await;
    let file = amy.upload_one(&project, "a.txt", b"a").await;
    let query =
        "query($id: ID!, $seconds: Int!) { node(id: $id) { ... on File { downloadUrl(expiresInSeconds: $seconds) } } }";
    for seconds in [0, -1, 3601, i64::from(i32::MAX)] {
        let answer = amy.answer(query, json!({ "id": file["id"], "seconds": seconds })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer:#}");
    }
    let data = again.ask(query, json!({ "id": file["id"], "seconds": 1 })).await;
    let brief = data["node"]["downloadUrl"].as_str().expect("an address").to_owned();
    let data = again.ask(query, json!({ "id": file["id"], "seconds": 3600 })).await;
    let long = data["node"]["downloadUrl"].as_str().expect("an address").to_owned();
    let status = |url: &str| amy.http.get(url).send();
    world.revoke(&amy).await;
    let mine = file["downloadUrl"].as_str().expect("an address");
    assert_eq!(status(mine).await.expect("an answer").status(), StatusCode::GONE);
    assert_eq!(status(&long).await.expect("an answer").status(), StatusCode::OK);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let gone = status(&brief).await.expect("an answer");
    assert_eq!(gone.status(), StatusCode::GONE);
    let answer: Value = gone.json().await.expect("JSON");
    assert!(answer["errors"][0]["message"].as_str().is_some_and(|message| message.contains("address has expired")));
    world.stop().await;
}
