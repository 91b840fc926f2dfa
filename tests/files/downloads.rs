//! Downloads: what a signed address opens, how, and for how long.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{decoded, sha256};
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

#[tokio::test(flavor = "multi_thread")]
async fn a_download_can_be_taken_in_parts_and_resumed() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Parts").await;
    let text = (0..100_000).map(|number| format!("{number:05}\n")).collect::<Vec<_>>().concat();
    let bytes = text.as_bytes();
    let file = amy.upload_one(&project, "long.txt", bytes).await;
    let url = file["downloadUrl"].as_str().expect("an address");
    let tag = format!("\"{}\"", sha256(bytes));
    let get = |headers: &[(&str, &str)]| {
        let mut request = amy.http.get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        async move {
            let response = request.send().await.expect("an answer");
            let header = |name: &str| {
                let value = response.headers().get(name)?;
                Some(value.to_str().expect("ASCII").to_owned())
            };
            let (range, length) = (header("content-range"), header("content-length"));
            let safe = header("x-content-type-options").is_some() && header("content-security-policy").is_some();
            assert!(safe && header("content-disposition").is_some_and(|said| said.starts_with("attachment;")));
            assert_eq!(header("accept-ranges").as_deref(), Some("bytes"));
            (response.status().as_u16(), range, length, response.bytes().await.expect("bytes"))
        }
    };
    let total = bytes.len();
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=0-", 0, total),
        ("bytes=1000-1999", 1000, 2000),
        ("bytes=599999-", 599_999, total),
        ("bytes=599990-9999999", 599_990, total),
        ("bytes=-6", total - 6, total),
        ("bytes=-9999999", 0, total),
    ] {
        let (status, said, length, part) = get(&[("range", range)]).await;
        assert_eq!((status, part.as_ref()), (206, &bytes[start..end]), "{range}");
        assert_eq!(said, Some(format!("bytes {start}-{}/{total}", end - 1)), "{range}");
        assert_eq!(length, Some((end - start).to_string()), "{range}");
    }
    for range in ["bytes=600000-", "bytes=600000-700000", "bytes=-0"] {
        let (status, said, _, part) = get(&[("range", range)]).await;
        assert_eq!((status, said, part.len()), (416, Some(format!("bytes */{total}")), 0), "{range}");
    }
    for range in ["bytes=0-1,5-6", "bytes=5-4", "bytes=x", "lines=1-2", "bytes=99999999999999999999999-"] {
        let (status, said, _, whole) = get(&[("range", range)]).await;
        assert_eq!((status, said, whole.len()), (200, None, total), "{range}");
    }
    // Going on with the content that was begun; whoever began another gets the whole of this one.
    let (status, _, _, rest) = get(&[("range", "bytes=300000-"), ("if-range", &tag)]).await;
    assert_eq!((status, rest.as_ref()), (206, &bytes[300_000..]));
    let (status, _, _, whole) = get(&[("range", "bytes=300000-"), ("if-range", "\"other\"")]).await;
    assert_eq!((status, whole.len()), (200, total));
    assert_eq!(get(&[("if-match", &tag), ("range", "bytes=0-0")]).await.0, 206);
    let (status, _, _, nothing) = get(&[("if-match", "\"other\"")]).await;
    assert_eq!((status, nothing.len()), (412, 0));
    let (status, _, _, nothing) = get(&[("if-none-match", &tag), ("range", "bytes=0-0")]).await;
    assert_eq!((status, nothing.len()), (304, 0));
    let head = amy.http.head(url).header("range", "bytes=0-0").send().await.expect("an answer");
    assert_eq!((head.status(), head.headers()["content-length"].to_str().expect("ASCII")), (StatusCode::OK, "600000"));
    assert!(head.bytes().await.expect("bytes").is_empty());

    // A file that is empty has no part.
    let input = json!({ "projectId": project, "path": "empty.txt", "text": "" });
    let empty = amy.mutate("writeFile", input, "file { downloadUrl }").await;
    let empty = empty["file"]["downloadUrl"].as_str().expect("an address");
    let whole = amy.http.get(empty).send().await.expect("an answer");
    assert_eq!((whole.status(), whole.headers()["content-length"].to_str().expect("ASCII")), (StatusCode::OK, "0"));
    let part = amy.http.get(empty).header("range", "bytes=0-").send().await.expect("an answer");
    assert_eq!(part.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_any_script_has_a_plain_one_beside_it() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Names").await;
    for (name, plain) in [
        ("عقد.csv", "___.csv"),
        ("🧾 2026.txt", "_ 2026.txt"),
        ("say \"hi\"; 100%.txt", "say _hi__ 100_.txt"),
        ("a'b (1)&c=d,e.txt", "a'b (1)&c=d,e.txt"),
        ("naïve*list.md", "na_ve*list.md"),
    ] {
        let file = amy.upload_one(&project, name, b"x").await;
        let response = amy.http.get(file["downloadUrl"].as_str().expect("an address")).send().await.expect("an answer");
        let said = response.headers()["content-disposition"].to_str().expect("ASCII").to_owned();
        let (plainly, fully) = said.split_once("; filename*=UTF-8''").expect("both");
        assert_eq!(plainly, format!("attachment; filename=\"{plain}\""), "{name}");
        assert_eq!(decoded(fully), name);
        assert!(!fully.contains(['"', ';', ' ', '\'', '*', ',']), "{said}");
    }
    world.stop().await;
}

/// A program that many people download with understands all of it: the name, a part, and going on.
#[tokio::test(flavor = "multi_thread")]
async fn curl_saves_and_resumes() {
    let curl = |folder: &std::path::Path, arguments: Vec<String>| {
        let mut command = tokio::process::Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--max-time", "20"]).args(arguments).current_dir(folder);
        async move { command.output().await }
    };
    let world = World::start().await;
    let folder = world.folder().join("saved");
    std::fs::create_dir(&folder).expect("a folder");
    if curl(&folder, vec!["--version".into()]).await.is_err() {
        eprintln!("curl is not installed");
        return world.stop().await;
    }
    let amy = world.user("amy").await;
    let project = amy.project("Curl").await;
    let text = "0123456789\n".repeat(5_000);
    let file = amy.upload_one(&project, "long list.txt", text.as_bytes()).await;
    let url = file["downloadUrl"].as_str().expect("an address").to_owned();
    let ask = |arguments: &[&str]| {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).chain([url.clone()]).collect();
        curl(&folder, arguments)
    };
    let saved = ask(&["--remote-name", "--remote-header-name"]).await.expect("an answer");
    assert!(saved.status.success(), "{saved:?}");
    assert_eq!(std::fs::read_to_string(folder.join("long list.txt")).expect("a file"), text);
    std::fs::write(folder.join("begun"), &text[..20_000]).expect("a file");
    let resumed = ask(&["--continue-at", "-", "--output", "begun"]).await.expect("an answer");
    assert!(resumed.status.success(), "{resumed:?}");
    assert_eq!(std::fs::read_to_string(folder.join("begun")).expect("a file"), text);
    let head = ask(&["--head"]).await.expect("an answer");
    assert!(String::from_utf8_lossy(&head.stdout).contains("accept-ranges: bytes"), "{head:?}");
    let part = ask(&["--range", "11-20"]).await.expect("an answer");
    assert_eq!(String::from_utf8_lossy(&part.stdout), "0123456789");
    world.stop().await;
}
