//! What the end of a session leaves as it was, which is everything but itself and its runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::world::{
    World,
    crew::{Gate, through_the_gate},
    engine::on_engines,
    id,
    runs::started,
    tables::Tables,
};

/// The rows that were there before and are not there after, and those that are new, by table.
fn difference(before: &Tables, after: &Tables) -> BTreeMap<String, (usize, usize)> {
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    let changed = before.iter().filter_map(|(table, rows)| {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) = (rows.iter().collect(), after[table].iter().collect());
        let counts = (before.difference(&after).count(), after.difference(&before).count());
        (counts != (0, 0)).then(|| (table.clone(), counts))
    });
    changed.collect()
}

/// How a session ends in the story.
#[derive(Clone, Copy, Debug)]
enum End {
    Revoked,
    RevokedByAdmin,
    Logout,
    Expired,
}

async fn ends(world: World, gate: &Gate, end: End) {
    let (amy, again) = (world.user("amy").await, world.user("amy").await);
    let (bob, root) = (world.user("bob").await, world.admin("root").await);
    let project = amy.project("Ending").await;
    amy.upload(&project, &[("a.md", b"# A\n")]).await;
    let lives = if matches!(end, End::Expired) { Some(6) } else { None };
    let session = id(&amy.open_project(&project, lives).await["session"]);
    let running = started(&amy.start(&project, json!({})).await);
    let queued = started(&amy.start(&project, json!({})).await);
    let his = bob.project("His").await;
    let bobs = started(&bob.start(&his, json!({})).await);
    gate.until_begun(2).await;
    let before = world.tables().await;
    let mut expected: BTreeMap<String, (usize, usize)> =
        [("session", (1, 1)), ("run", (2, 2)), ("run_event", (0, 2)), ("ended_run", (0, 2)), ("activity", (0, 5))]
            .map(|(table, rows)| (table.to_owned(), rows))
            .into();
    match end {
        End::Expired => {}
        End::Revoked => {
            amy.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
        }
        End::RevokedByAdmin => {
            let input = json!({ "sessionId": session, "reason": "A story." });
            root.mutate("adminRevokeSession", input, "session { sessionId }").await;
            expected.insert("admin_action".into(), (0, 1));
        }
        End::Logout => {
            amy.ask("mutation { logout { revokedSessions } }", json!({})).await;
            expected.insert("token".into(), (1, 1));
        }
    }
    for run in [&running, &queued] {
        assert_eq!(again.ended(run).await["status"], "CANCELLED", "{end:?}");
    }
    assert_eq!(difference(&before, &world.tables().await), expected, "{end:?}");
    gate.open();
    assert_eq!(bob.ended(&bobs).await["status"], "COMPLETED");
    world.stop().await;
}

on_engines! {
    async fn the_end_of_a_session_changes_nothing_else(engine) {
        let all = [End::Revoked, End::RevokedByAdmin, End::Logout, End::Expired];
        let all: &[End] = if matches!(engine, crate::world::engine::Engine::Sqlite) { &all } else { &all[1..2] };
        for end in all {
            let gate = Gate::closed();
            let world = engine.world(|_, crew| {
                crew.models = vec![through_the_gate()];
                crew.tools = vec![gate.clone()];
            }).await;
            ends(world, &gate, *end).await;
        }
    }
}
