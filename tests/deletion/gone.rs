//! From the answer on, the project does not exist, whoever holds on to it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use workroom::model::id::ProjectId;

use super::{delete, deleted};
use crate::world::{
    World,
    crew::{Gate, Scripted, calls, says},
    engine::{Engine, on_engines},
    id,
    live::FOLLOW,
    runs::started,
};

/// Within which followers are told.
const SOON: Duration = Duration::from_millis(2_500);

/// A model that goes through the gate, unless it is asked for something quick.
fn gate_or_quick() -> std::sync::Arc<Scripted> {
    Scripted::new("test/gate", |turn, conversation| {
        let is_quick = format!("{:?}", conversation.messages.last()).contains("quick");
        if turn == 0 && !is_quick { calls(0, &[("gate", json!({}))]) } else { says("done") }
    })
}

on_engines! {
    async fn its_followers_are_told_and_its_agent_stops_at_once(engine) {
        let gate = Gate::closed();
        let world = engine.world(|settings, crew| {
            crew.models = vec![gate_or_quick()];
            crew.tools = vec![gate.clone()];
            settings.max_runs = 1;
        }).await;
        let amy = world.user("amy").await;
        let (project, other) = (amy.project("Going").await, amy.project("Staying").await);
        let running = started(&amy.start(&project, json!({})).await);
        started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;
        let waiting = started(&amy.start(&other, json!({ "prompt": "Something quick." })).await);
        let mut stream = amy.follow(&running, None).await;
        stream.next().await.expect("the past");
        let mut socket = amy.socket().await;
        socket.subscribe("1", FOLLOW, json!({ "run": running })).await;
        socket.next().await.expect("the past");

        let asked = Instant::now();
        deleted(&amy, &project).await;
        let mut last = Value::Null;
        while let Some(answer) = stream.next().await {
            last = answer;
        }
        assert_eq!(last["errors"][0]["extensions"]["code"], "NOT_FOUND", "{last:#}");
        assert_eq!(last["errors"][0]["message"], "The project of this run was deleted.");
        let mut last = socket.next().await.expect("a message");
        while last["type"] == "next" && last["payload"].get("errors").is_none() {
            last = socket.next().await.expect("a message");
        }
        assert!(last.to_string().contains("NOT_FOUND"), "{last:#}");
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        // The gate is still closed: the place is free because the agent in it has stopped.
        assert_eq!(amy.ended(&waiting).await["status"], "COMPLETED");
        assert_eq!(gate.finished(), 0);
        world.stop().await;
    }

    async fn what_belonged_to_it_is_not_found_and_not_counted(engine) {
        let world = engine.world(|_, crew| crew.models = vec![Scripted::new("test/saves", |turn, _| match turn {
            0 => calls(0, &[("save_output", json!({ "name": "brief.md", "text": "What came of it." }))]),
            _ => says("done"),
        })]).await;
        let amy = world.user("amy").await;
        let (project, other) = (amy.project("Going").await, amy.project("Staying").await);
        let file = id(&amy.upload_one(&project, "a.md", b"# A\n").await);
        let key = json!({ "idempotencyKey": "once" });
        let run = started(&amy.start(&project, key.clone()).await);
        amy.ended(&run).await;
        amy.open_project(&other, None).await;
        let query = "query($run: ID!) { run(id: $run) { session { id } artifacts { nodes { id downloadUrl } } } }";
        let before = amy.ask(query, json!({ "run": run })).await;
        let artifact = &before["run"]["artifacts"]["nodes"][0];
        let address = artifact["downloadUrl"].as_str().expect("an address");
        assert_eq!(amy.http.get(address).send().await.expect("an answer").status(), 200);

        deleted(&amy, &project).await;
        let ids = json!([project, run, before["run"]["session"]["id"], artifact["id"], file, other]);
        let seen = amy.ask("query($ids: [ID!]!) { nodes(ids: $ids) { id } projects { totalCount }
            viewer { sessions(activeOnly: false) { totalCount nodes { project { name } } } } }", json!({ "ids": ids })).await;
        assert_eq!(seen["nodes"], json!([null, null, null, null, null, { "id": other }]));
        assert_eq!(seen["projects"]["totalCount"], 1);
        assert_eq!(seen["viewer"]["sessions"], json!({ "totalCount": 1, "nodes": [{ "project": { "name": "Staying" } }] }));
        assert_eq!(amy.http.get(address).send().await.expect("an answer").status(), 404);
        let refused = amy.start(&project, json!({})).await;
        assert_eq!(refused["userErrors"][0]["code"], "NOT_FOUND", "{refused:#}");
        // The key is free: nothing of what it made is left.
        let again = amy.start(&other, key).await;
        amy.ended(&started(&again)).await;
        world.stop().await;
    }

    async fn no_run_slips_into_a_project_that_is_deleted(engine) {
        let gate = Gate::closed();
        let world = engine.world(|_, crew| {
            crew.models = vec![gate_or_quick()];
            crew.tools = vec![gate.clone()];
            crew.lease = Duration::from_millis(500);
        }).await;
        let amy = world.user("amy").await;
        for _ in 0..5 {
            let project = amy.project("Race").await;
            // What a run leads to may be gone when the answer asks for it, so nothing but the run is asked for.
            let input = json!({ "projectId": project, "prompt": "Go." });
            let starts = (0..6).map(|_| amy.mutate("startRun", input.clone(), "run { id }"));
            let starts = futures_util::future::join_all(starts);
            let (payloads, ()) = tokio::join!(starts, deleted(&amy, &project));
            for payload in &payloads {
                assert!(payload["userErrors"] == json!([]) || payload["userErrors"][0]["code"] == "NOT_FOUND", "{payload:#}");
            }
        }
        let swept = async {
            // Nothing holds the rows: no run works on, and none waits.
            while !world.tables().await["run"].is_empty() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(crate::world::PATIENCE, swept).await.expect("all of it goes");
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_while_its_project_goes_is_refused() {
    let Some(engine) = Engine::postgres().await else { return };
    let world = engine.world(|_, _| {}).await;
    let amy = world.user("amy").await;
    let project = amy.project("Going").await;
    let (mut holding, mut beside) = (world.beside().await, world.beside().await);
    holding.change("begin").await;
    holding.change("lock table file_version in exclusive mode").await;
    let writing = {
        let (amy, input) = (amy.clone(), json!({ "projectId": project, "path": "late.md", "text": "Late." }));
        tokio::spawn(async move { amy.mutate("writeFile", input, "file { id }").await })
    };
    // The project was there when the writing began.
    let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while beside.count(waits).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    deleted(&amy, &project).await;
    holding.change("rollback").await;
    let payload = writing.await.expect("an answer");
    assert_eq!(payload["userErrors"][0]["code"], "NOT_FOUND", "{payload:#}");
    assert_eq!(payload["userErrors"][0]["path"], json!(["input", "projectId"]), "{payload:#}");
    holding.close().await;
    beside.close().await;
    world.stop().await;
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hears_no_bell_tells_its_followers_and_stops_its_agent_too() {
    let Some(engine) = Engine::postgres().await else { return };
    let gate = Gate::closed();
    let works = engine
        .world(|settings, crew| {
            crew.models = vec![gate_or_quick()];
            crew.tools = vec![gate.clone()];
            settings.max_runs = 1;
        })
        .await;
    let amy = works.user("amy").await;
    let (project, other) = (amy.project("Going").await, amy.project("Staying").await);
    let running = started(&amy.start(&project, json!({})).await);
    gate.until_begun(1).await;
    let deletes = engine.world(|_, crew| crew.models = vec![gate_or_quick()]).await;
    let mut stream = amy.follow(&running, None).await;
    stream.next().await.expect("the past");
    let asked = Instant::now();
    deleted(&amy.at(&deletes), &project).await;
    let mut last = Value::Null;
    while let Some(answer) = stream.next().await {
        last = answer;
    }
    assert_eq!(last["errors"][0]["extensions"]["code"], "NOT_FOUND", "{last:#}");
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    deletes.stop().await;
    let waiting = started(&amy.start(&other, json!({ "prompt": "Something quick." })).await);
    assert_eq!(amy.ended(&waiting).await["status"], "COMPLETED", "the place is free");
    works.stop().await;
    engine.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_twice_or_what_is_anothers_is_not_found() {
    let world = World::start().await;
    let (amy, bob) = (world.user("amy").await, world.user("bob").await);
    let project = amy.project("Hers").await;
    let (foreign, invented) = (delete(&bob, &project).await, delete(&bob, &ProjectId::new().to_string()).await);
    assert_eq!(foreign, invented);
    assert_eq!(foreign["userErrors"][0]["code"], "NOT_FOUND");
    assert_eq!(foreign["userErrors"][0]["path"], json!(["input", "projectId"]));
    deleted(&amy, &project).await;
    assert_eq!(delete(&amy, &project).await, invented, "the second time");
    let wrong = bob
        .answer(
            "mutation { deleteProject(input: { projectId: \"run_01h455vb4pex5vsknk084sn02q\" }) { deletedProjectId } }",
            json!({}),
        )
        .await;
    assert_eq!(wrong["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{wrong:#}");
    world.stop().await;
}
