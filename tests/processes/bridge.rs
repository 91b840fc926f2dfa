//! The bridge between the bells of two processes, and what comes of it when it breaks. Both servers are in this process, each
//! with connections of its own.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, PgConnection, query_scalar};
use tokio::time::{sleep, timeout};
use workroom::{
    hint::{
        Hints, Topic,
        bridge::{Bridge, Pace},
    },
    model::id::RunId,
    store::{Location, Store},
};

use super::site::until_joined;
use crate::{
    support::{
        postgres::database,
        proxy::{Cut, Proxy},
    },
    worker::assert_nothing_repeated,
    world::{PATIENCE, World, crew::echo, engine::Engine, live::events_of, runs::started, tables::Beside},
};

/// Somebody beside two servers that hear each other.
async fn beside(world: &World) -> PgConnection {
    let Beside::Postgres(mut beside) = world.beside().await else { panic!("not PostgreSQL") };
    until_joined(&mut beside, 2).await;
    beside
}

/// What rings at one is heard at the other.
async fn assert_bridged(here: &World, there: &World) {
    for topic in [Topic::Run(RunId::new()), Topic::Queue, Topic::Cancellations, Topic::Deletions] {
        let mut bell = there.house().app().hints.listen(topic);
        here.house().app().hints.ring(topic);
        timeout(PATIENCE, bell.heard()).await.expect("it is heard");
    }
}

async fn change(beside: &mut PgConnection, statement: &'static str) {
    sqlx::query(statement).execute(beside).await.expect("a change");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bell_that_rings_at_one_server_is_heard_at_the_other_whatever_else_is_notified() {
    let Some(engine) = Engine::postgres().await else { return };
    let (here, there) = (engine.world(|_, _| {}).await, engine.world(|_, _| {}).await);
    let mut beside = beside(&here).await;
    assert_bridged(&here, &there).await;
    assert_bridged(&there, &here).await;
    let topic = Topic::Run(RunId::new());
    let (mut bell, mut other) =
        (there.house().app().hints.listen(topic), there.house().app().hints.listen(Topic::Run(RunId::new())));
    for _ in 0..1_000 {
        here.house().app().hints.ring(topic);
    }
    timeout(PATIENCE, bell.heard()).await.expect("it is heard");
    let silence = timeout(Duration::from_millis(100), other.heard()).await;
    assert!(silence.is_err(), "who listens for another run is left alone");

    for nonsense in [
        "notify workroom",
        "notify workroom, ''",
        "notify workroom, 'nobody'",
        "notify workroom, '  queue queue run_ run_01h45 everything! 🔔 e\u{301}'",
        "select pg_notify('workroom', repeat('run_01h455vb4pex5vsknk084sn02q ', 250))",
        "select pg_notify('workroom', repeat('🔔', 1900))",
        "notify elsewhere, 'everything'",
    ] {
        change(&mut beside, nonsense).await;
    }
    assert_bridged(&here, &there).await;
    until_joined(&mut beside, 2).await;
    here.stop().await;
    there.stop().await;
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_claimed_and_followed_in_other_processes_without_waiting_for_a_look() {
    const RUNS: u32 = 10;
    let Some(engine) = Engine::postgres().await else { return };
    let server = engine.world(|settings, crew| {
        settings.no_worker = true;
        crew.models = vec![echo()];
    });
    let (here, there) = (server.await, engine.world(|_, crew| crew.models = vec![echo()]).await);
    beside(&here).await;
    let amy = here.user("amy").await;
    let project = amy.project("Ping").await;
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        let run = started(&amy.start(&project, json!({})).await);
        let events = amy.follow(&run, None).await.until_the_end().await;
        assert_eq!(events.last().map(|(_, kind)| kind.as_str()), Some("RUN_COMPLETED"));
        times.push(begun.elapsed());
    }
    // Who looks by itself does so once a second, and both would have to.
    assert!(times.iter().min() < Some(&Duration::from_millis(500)), "{times:?}");
    here.stop().await;
    there.stop().await;
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_connections_of_the_bridge_are_cut_followers_go_on_and_it_is_built_again() {
    let Some(engine) = Engine::postgres().await else { return };
    let (here, gate) = engine.gated(|_, _| {}).await;
    let (there, _idle) = engine.gated(|settings, _| settings.no_worker = true).await;
    let mut beside = beside(&here).await;
    let amy = here.user("amy").await;
    let project = amy.project("Cut").await;
    let run = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    let mut follower = amy.at(&there).follow(&run, None).await;
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(_, kind): &(u64, String)| kind != "TOOL_CALLED") {
        seen.extend(events_of(&follower.next().await.expect("the past")));
    }
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name in ('workroom listen', 'workroom notify')";
    change(&mut beside, cut).await;
    gate.open();
    seen.extend(follower.until_the_end().await);
    let events = amy.whole_timeline(&run).await;
    assert_nothing_repeated(&events);
    assert_eq!(seen.len(), events.len(), "who followed missed nothing");
    assert_bridged(&here, &there).await;
    assert_bridged(&there, &here).await;
    until_joined(&mut beside, 2).await;

    // A ring for which there is no connection just now is kept until there is one again.
    let topic = Topic::Run(RunId::new());
    let mut bell = there.house().app().hints.listen(topic);
    change(
        &mut beside,
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity
        where datname = current_database() and application_name = 'workroom notify'",
    )
    .await;
    here.house().app().hints.ring(topic);
    timeout(PATIENCE, bell.heard()).await.expect("it is heard");
    // And who could not hear looks at everything when it can again.
    change(
        &mut beside,
        "select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and application_name = 'workroom listen'",
    )
    .await;
    timeout(PATIENCE, bell.heard()).await.expect("all bells ring");
    here.stop().await;
    there.stop().await;
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_has_died_without_a_word_is_noticed_and_replaced() {
    let Some(database) = database().await else { return };
    let proxy = Proxy::to(&database.url).await;
    let open = async |url: &str| Store::open(&Location::Postgres(url.to_owned())).await.expect("the database opens");
    let (here, there) = (open(&proxy.url).await, open(&database.url).await);
    let (hints, others) = (Hints::default(), Hints::default());
    let pace = Pace { knock: Duration::from_millis(100), silence: Duration::from_millis(500) };
    proxy.cut(Cut::SilentAfter("LISTEN", "LISTEN"));
    let bridges = [Bridge::start(&hints, &here, pace), Bridge::start(&others, &there, pace)];
    let mut beside = PgConnection::connect(&database.url).await.expect("the database opens");
    // The server still believes in the one that has died.
    let listening = "select count(*) from pg_stat_activity where datname = current_database() and query like 'LISTEN%'";
    let begun = Instant::now();
    while proxy.is_whole() || query_scalar::<_, i64>(listening).fetch_one(&mut beside).await.expect("a count") < 3 {
        assert!(begun.elapsed() < PATIENCE, "it is noticed in time");
        sleep(Duration::from_millis(20)).await;
    }
    let topic = Topic::Run(RunId::new());
    let mut bell = hints.listen(topic);
    others.ring(topic);
    timeout(PATIENCE, bell.heard()).await.expect("it is heard");
    for bridge in bridges.into_iter().flatten() {
        bridge.stop().await;
    }
    for store in [here, there] {
        store.close().await;
    }
    beside.close().await.expect("the database closes");
    database.remove().await;
}
