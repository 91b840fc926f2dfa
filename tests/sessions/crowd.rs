//! A thousand sessions whose time is up in the same second.

use std::time::Duration;

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::json;

use crate::world::{
    PATIENCE, User,
    crew::{Gate, through_the_gate},
    engine::on_engines,
    runs::{assert_whole, of_kind, started},
};

const SESSIONS: usize = 1_000;
/// Projects with a run that works and one that waits behind it.
const BUSY: usize = 20;

async fn open(user: &User, number: usize) -> String {
    let project = user.project(&format!("Project {number}")).await;
    user.open_project(&project, None).await;
    project
}

on_engines! {
    async fn a_thousand_sessions_end_together_and_the_others_runs_complete(engine) {
        let gate = Gate::closed();
        let world = engine.world(|settings, crew| {
            crew.models = vec![through_the_gate()];
            crew.tools = vec![gate.clone()];
            settings.max_runs = BUSY + 5;
        }).await;
        let (amy, bob) = (world.user("amy").await, world.user("bob").await);
        let opens = (0..SESSIONS).map(|number| {
            let amy = amy.clone();
            async move { open(&amy, number).await }
        });
        let projects: Vec<String> = stream::iter(opens).buffered(8).collect().await;
        let starts = join_all(projects[..BUSY].iter().flat_map(|project| [amy.start(project, json!({})), amy.start(project, json!({}))]));
        let runs: Vec<String> = starts.await.iter().map(started).collect();
        let mut others = Vec::new();
        for number in 0..5 {
            others.push(started(&bob.start(&open(&bob, number).await, json!({})).await));
        }
        gate.until_begun(BUSY + 5).await;

        // All of hers end at one moment, which is soon.
        let soon = (workroom::clock::now() + Duration::from_secs(1)).to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let mut beside = world.beside().await;
        let owner = if matches!(engine, crate::world::engine::Engine::Sqlite) { "hex(user_id)" } else { "replace(upper(user_id::text), '-', '')" };
        let amys = amy.token.user_id.0.simple().to_string().to_uppercase();
        let at = if matches!(engine, crate::world::engine::Engine::Sqlite) { format!("'{}'", soon.replace('Z', "+00:00")) } else { format!("'{soon}'::timestamptz") };
        beside.change(&format!("update session set expires_at = {at} where {owner} = '{amys}'")).await;
        beside.close().await;

        let query = "{ viewer { sessions(activeOnly: false, first: 1) { totalCount } active: sessions(activeOnly: true, first: 1) { totalCount } } }";
        let ended = async {
            while amy.ask(query, json!({})).await["viewer"]["active"]["totalCount"] != 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("they read as ended");
        for run in &runs {
            assert_eq!(amy.ended(run).await["status"], "CANCELLED");
            let events = amy.whole_timeline(run).await;
            assert_whole(&events);
            assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "SESSION_EXPIRED");
        }
        // The end is written down, too, and not only read.
        let written = async {
            while world.tables().await["session"].iter().filter(|row| row.contains("TTL_EXPIRED")).count() < SESSIONS {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, written).await.expect("they are ended");
        assert_eq!(amy.ask(query, json!({})).await["viewer"]["sessions"]["totalCount"], SESSIONS);
        assert_eq!(gate.begun(), BUSY + 5, "what waited was never begun");
        gate.open();
        for run in &others {
            assert_eq!(bob.ended(run).await["status"], "COMPLETED");
        }
        world.stop().await;
    }
}
