//! The product under the suites of others: what holds for the transport over a small schema holds for the product over its own.

use crate::{audit::runners::pass, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn the_product_passes_all_audits_of_graphql_over_http() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    pass("http-audit.mjs", &[("URL", &amy.graphql()), ("STRICT", "1"), ("TOKEN", amy.secret())]).await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_websocket_client_follows_runs_of_the_product() {
    let world = World::start().await;
    let amy = world.user("amy").await;
    let project = amy.project("Watched").await;
    amy.upload(&project, &[("terms.md", b"# Terms\n\nLate sums bear interest at four per cent.\n")]).await;
    let url = amy.graphql();
    let ws_url = url.replacen("http", "ws", 1);
    let settings = [("WS_URL", ws_url.as_str()), ("URL", &url), ("TOKEN", amy.secret()), ("PROJECT", &project)];
    pass("ws-product.mjs", &settings).await;
    world.stop().await;
}
