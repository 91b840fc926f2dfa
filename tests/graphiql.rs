//! GraphiQL: what the server sends, and what people do with it, told by a headless Chromium on a whole server.

use std::{path::Path, process::Stdio, sync::Arc};

use reqwest::{Response, StatusCode, header, redirect::Policy};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use workroom::http::graphiql::is_built_in;

use crate::world::{
    PATIENCE, World,
    crew::{Gate, through_the_gate},
};

/// One browser at a time: each takes the whole machine.
static BROWSER: Mutex<()> = Mutex::const_new(());

/// A browser in which somebody does what a story of `graphiql/stories.mjs` says.
struct Person {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    said: Vec<String>,
    _alone: MutexGuard<'static, ()>,
}

impl Person {
    async fn who(story: &str, world: &World, token: &str) -> Self {
        assert!(is_built_in(), "this build has no page: `make web` makes it, and the next build takes it in");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/graphiql");
        let driver = folder.join("node_modules/playwright-core");
        assert!(driver.is_dir(), "the browser's driver is not installed: `npm ci --prefix tests/graphiql` installs it");
        let alone = BROWSER.lock().await;
        let mut child = Command::new("node")
            .args(["page.mjs", story])
            .current_dir(folder)
            .envs([("URL", world.base().as_str()), ("TOKEN", token)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { child, lines, said: Vec::new(), _alone: alone }
    }

    /// Waits until the story asks for what happens meanwhile.
    async fn asks(&mut self) {
        while let Some(line) = self.line().await {
            if line == "now" {
                return;
            }
            self.said.push(line);
        }
        panic!("the story ended early:\n{}", self.said.join("\n"));
    }

    /// Waits for the story's good end.
    async fn ends_well(mut self) {
        while let Some(line) = self.line().await {
            self.said.push(line);
        }
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the browser ends in time").expect("it ran");
        assert!(status.success(), "{}", self.said.join("\n"));
    }

    async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE * 3, self.lines.next_line()).await.expect("the browser goes on in time").expect("UTF-8")
    }
}

/// A world in which runs wait at a gate.
async fn gated() -> (World, Arc<Gate>) {
    let gate = Gate::closed();
    let held = Arc::clone(&gate);
    let world = World::with(|_, crew| {
        crew.models = vec![through_the_gate()];
        crew.tools.push(held);
    })
    .await;
    (world, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_the_examples_run_in_the_page() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Supplier dispute").await;
    amy.finished_run(&project, "What is due?").await;
    Person::who("asks", &world, amy.secret()).await.ends_well().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_followed_live_in_the_page() {
    let (world, gate) = gated().await;
    let amy = world.user("amy").await;
    amy.start_run(&amy.project("p").await, "Go.").await;
    gate.until_begun(1).await;
    let mut person = Person::who("follows", &world, amy.secret()).await;
    person.asks().await;
    gate.open();
    person.ends_well().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_lives_as_long_as_the_tab() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    Person::who("keeps", &world, amy.secret()).await.ends_well().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_refused_with_a_sentence() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    Person::who("mistypes", &world, amy.secret()).await.ends_well().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_forgets_the_token_watches_no_longer() {
    let (world, gate) = gated().await;
    let amy = world.user("amy").await;
    amy.start_run(&amy.project("p").await, "Go.").await;
    gate.until_begun(1).await;
    Person::who("leaves", &world, amy.secret()).await.ends_well().await;
    gate.open();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_closes_the_page() {
    let (world, gate) = gated().await;
    let amy = world.user("amy").await;
    amy.start_run(&amy.project("p").await, "Go.").await;
    gate.until_begun(1).await;
    let mut person = Person::who("loses", &world, amy.secret()).await;
    person.asks().await;
    world.revoke(&amy).await;
    person.ends_well().await;
    gate.open();
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_mode_no_token_is_asked_for() {
    let world = World::with(|settings, _| settings.dev = true).await;
    Person::who("develops", &world, "").await.ends_well().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_cannot_ask_another_host() {
    let world = World::start().await;
    Person::who("strays", &world, "").await.ends_well().await;
    world.stop().await;
}

async fn get(world: &World, path: &str, headers: &[(header::HeaderName, &str)]) -> Response {
    let client = reqwest::Client::builder().redirect(Policy::none()).build().expect("a client");
    let mut request = client.get(format!("{}{path}", world.base())).timeout(PATIENCE);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    request.send().await.expect("an answer")
}

fn said<'a>(response: &'a Response, name: &header::HeaderName) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().expect("text"))
}

/// The addresses that the page names.
fn addresses(page: &str) -> Vec<&str> {
    let quoted = page.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.contains('/') && !text.contains(' ')).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_page_is_made_of_is_sent_with_care() {
    assert!(is_built_in(), "this build has no page: `make web` makes it, and the next build takes it in");
    let world = World::start().await;
    let root = get(&world, "/", &[]).await;
    assert_eq!((root.status(), said(&root, &header::LOCATION)), (StatusCode::FOUND, "/graphiql"));

    let page = get(&world, "/graphiql", &[]).await;
    assert_eq!((page.status(), said(&page, &header::CACHE_CONTROL)), (StatusCode::OK, "no-cache"));
    assert_eq!(said(&page, &header::CONTENT_TYPE), "text/html; charset=utf-8");
    let tag = said(&page, &header::ETAG).to_owned();
    let again = get(&world, "/graphiql", &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!((again.status(), again.bytes().await.expect("bytes").len()), (StatusCode::NOT_MODIFIED, 0));

    let policy = said(&page, &header::CONTENT_SECURITY_POLICY).to_owned();
    for directive in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|said| said == directive), "{directive}: {policy}");
    }
    let page = page.text().await.expect("text");
    let addresses = addresses(&page);
    assert!(addresses.len() >= 3, "{page}");
    for address in addresses {
        assert!(address.starts_with("/graphiql/assets/"), "{address} is not the page's own");
        let asset = get(&world, address, &[(header::ACCEPT_ENCODING, "br, gzip")]).await;
        assert_eq!((asset.status(), said(&asset, &header::CONTENT_ENCODING)), (StatusCode::OK, "gzip"), "{address}");
        assert_eq!(said(&asset, &header::CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(said(&asset, &header::VARY), "Accept-Encoding");
        assert_eq!(said(&asset, &header::CONTENT_SECURITY_POLICY), policy);
        assert_eq!(said(&asset, &header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(said(&asset, &header::REFERRER_POLICY), "no-referrer");
        assert!(!said(&asset, &header::CONTENT_TYPE).contains("octet-stream"), "{address}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_gzip_is_told_so() {
    assert!(is_built_in(), "this build has no page: `make web` makes it, and the next build takes it in");
    let world = World::start().await;
    for (coding, taken) in [("gzip", true), ("br, *;q=0.1", true), ("br", false), ("gzip;q=0, *", false), ("", false)] {
        let notices = get(&world, "/graphiql/licences.txt", &[(header::ACCEPT_ENCODING, coding)]).await;
        assert_eq!(notices.status() == StatusCode::OK, taken, "{coding}");
        assert_eq!(notices.status() == StatusCode::NOT_ACCEPTABLE, !taken, "{coding}");
    }
    assert_eq!(get(&world, "/graphiql/licences.txt", &[]).await.status(), StatusCode::OK);
    for absent in ["/graphiql/assets/nothing.js", "/graphiql/../Cargo.toml", "/graphiql/assets"] {
        assert_eq!(get(&world, absent, &[]).await.status(), StatusCode::NOT_FOUND, "{absent}");
    }
    world.stop().await;
}
