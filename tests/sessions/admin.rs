//! Sessions in an admin's hands.

use serde_json::{Value, json};
use workroom::model::id::{SessionId, UserId};

use crate::world::{
    User, World,
    crew::{Gate, through_the_gate},
    engine::on_engines,
    id,
    runs::{assert_whole, of_kind, started},
};

const SESSION: &str =
    "session { sessionId projectId userId userName status createdAt expiresAt ttlSeconds endedAt endReason }";
const ACTIONS: &str = "query($first: Int, $after: String) { adminActions(first: $first, after: $after) { totalCount
    pageInfo { hasNextPage endCursor }
    nodes { id kind adminId adminName userId userName sessionId reason createdAt } } }";
const SESSIONS: &str = "query($filterBy: AdminSessionFilter, $first: Int, $after: String) {
    adminSessions(filterBy: $filterBy, first: $first, after: $after) { totalCount
        pageInfo { hasNextPage endCursor } nodes { sessionId projectId userId userName status endReason } } }";

async fn revoke(admin: &User, session: &str, reason: &str) -> Value {
    admin.mutate("adminRevokeSession", json!({ "sessionId": session, "reason": reason }), SESSION).await
}

async fn me(user: &User) -> String {
    id(&user.ask("{ viewer { id } }", json!({})).await["viewer"])
}

on_engines! {
    async fn an_admin_ends_a_session_and_it_is_kept_who_did_and_why(engine) {
        let gate = Gate::closed();
        let world = engine.world(|_, crew| {
            crew.models = vec![through_the_gate()];
            crew.tools = vec![gate.clone()];
        }).await;
        let (amy, root) = (world.user("amy").await, world.admin("root").await);
        let (project, other) = (amy.project("Watched").await, amy.project("Other").await);
        let session = id(&amy.open_project(&project, None).await["session"]);
        let stays = id(&amy.open_project(&other, None).await["session"]);
        let running = started(&amy.start(&project, json!({})).await);
        let queued = started(&amy.start(&project, json!({})).await);
        gate.until_begun(1).await;

        let revoked = revoke(&root, &session, "  She asked for it: ticket 7.\n").await;
        assert_eq!(revoked["userErrors"], json!([]), "{revoked:#}");
        let shown = &revoked["session"];
        assert_eq!((&shown["status"], &shown["endReason"]), (&json!("ENDED"), &json!("REVOKED_BY_ADMIN")));
        assert_eq!((&shown["userName"], &shown["projectId"]), (&json!("amy"), &json!(project)));
        for run in [&running, &queued] {
            assert_eq!(amy.ended(run).await["status"], "CANCELLED");
            let events = amy.whole_timeline(run).await;
            assert_whole(&events);
            assert_eq!(of_kind(&events, "RUN_CANCELLED")[0]["by"], "SESSION_REVOKED_BY_ADMIN");
        }
        let seen = amy.ask("query($id: ID!) { node(id: $id) { ... on WorkspaceSession { status } } }", json!({ "id": stays })).await;
        assert_eq!(seen["node"]["status"], "ACTIVE");

        let again = revoke(&root, &session, "Once more.").await;
        assert_eq!(again, revoked, "ending it again is harmless");
        let actions = &root.ask(ACTIONS, json!({})).await["adminActions"];
        assert_eq!(actions["totalCount"], 1, "and nothing that was not done is kept");
        let action = &actions["nodes"][0];
        assert_eq!(action["kind"], "SESSION_REVOKED");
        assert_eq!((&action["adminId"], &action["adminName"]), (&json!(me(&root).await), &json!("root")));
        assert_eq!((&action["userId"], &action["userName"]), (&json!(me(&amy).await), &json!("amy")));
        assert_eq!((&action["sessionId"], &action["reason"]), (&json!(session), &json!("She asked for it: ticket 7.")));
        assert_eq!(action["createdAt"], shown["endedAt"]);
        world.stop().await;
    }

    async fn an_admin_sees_everybodys_sessions_page_by_page(engine) {
        let world = engine.world(|_, _| {}).await;
        let (amy, bob, root) = (world.user("amy").await, world.user("bob").await, world.admin("root").await);
        let mut newest_first = Vec::new();
        for (user, name) in [(&amy, "A"), (&bob, "B"), (&amy, "C"), (&root, "D"), (&bob, "E")] {
            let project = user.project(name).await;
            newest_first.insert(0, id(&user.open_project(&project, None).await["session"]));
        }
        revoke(&root, &newest_first[0], "Testing.").await;
        revoke(&root, &newest_first[1], "My own.").await;
        let (mut walked, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = root.ask(SESSIONS, json!({ "first": 2, "after": after })).await["adminSessions"].take();
            assert_eq!(page["totalCount"], 5);
            walked.extend(page["nodes"].as_array().expect("sessions").iter().map(|node| node["sessionId"].clone()));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] != true {
                break;
            }
        }
        assert_eq!(json!(walked), json!(newest_first));
        let count = async |filter: Value| {
            let page = root.ask(SESSIONS, json!({ "filterBy": filter })).await["adminSessions"].take();
            assert_eq!(page["nodes"].as_array().map(Vec::len), page["totalCount"].as_u64().and_then(|count| usize::try_from(count).ok()));
            page["totalCount"].clone()
        };
        assert_eq!(count(json!({ "status": "ACTIVE" })).await, 3);
        assert_eq!(count(json!({ "status": "ENDED" })).await, 2);
        assert_eq!(count(json!({ "userId": me(&bob).await })).await, 2);
        assert_eq!(count(json!({ "userId": me(&bob).await, "status": "ENDED" })).await, 1);
        assert_eq!(count(json!({ "userId": UserId::new().to_string() })).await, 0);
        // Another filter is another list.
        let refused = root.answer(SESSIONS, json!({ "after": after, "filterBy": { "status": "ENDED" } })).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused:#}");
        let first = root.ask(ACTIONS, json!({ "first": 1 })).await["adminActions"].take();
        assert_eq!(first["nodes"][0]["reason"], "My own.", "newest first");
        let rest = root.ask(ACTIONS, json!({ "after": first["pageInfo"]["endCursor"] })).await["adminActions"].take();
        assert_eq!(rest["nodes"].as_array().expect("actions").len(), 1);
        world.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_is_let_in_and_an_admin_sees_no_project() {
    let world = World::start().await;
    let (amy, root) = (world.user("amy").await, world.admin("root").await);
    let project = amy.project("Hers").await;
    let session = id(&amy.open_project(&project, None).await["session"]);
    let input = json!({ "input": { "sessionId": session, "reason": "Curious." } });
    let mutation =
        "mutation($input: AdminRevokeSessionInput!) { adminRevokeSession(input: $input) { session { sessionId } } }";
    for (query, variables) in [(mutation, input), (SESSIONS, json!({})), (ACTIONS, json!({}))] {
        let refused = amy.answer(query, variables).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused:#}");
        assert_eq!(refused["data"], Value::Null);
    }
    assert_eq!(amy.open_project(&project, None).await["provisioned"], false, "nothing happened");

    // What the admin's list names opens nothing in the admin's own hands.
    let query = "query($session: ID!, $project: ID!) { node(id: $session) { id } project(id: $project) { name } }";
    let seen = root.ask(query, json!({ "session": session, "project": project })).await;
    assert_eq!(seen, json!({ "node": null, "project": null }));
    let plain = root.mutate("revokeSession", json!({ "sessionId": session }), "session { id }").await;
    assert_eq!(plain["userErrors"][0]["code"], "NOT_FOUND");

    for reason in ["", " \n ", &"x".repeat(5_000), "a\0b"] {
        let refused = revoke(&root, &session, reason).await;
        assert_eq!(refused["userErrors"][0]["code"], "INVALID", "{refused:#}");
        assert_eq!(refused["userErrors"][0]["path"], json!(["input", "reason"]));
    }
    let absent = revoke(&root, &SessionId::new().to_string(), "Nobody's.").await;
    assert_eq!(absent["userErrors"][0]["code"], "NOT_FOUND", "{absent:#}");
    assert_eq!(absent["userErrors"][0]["path"], json!(["input", "sessionId"]));
    assert_eq!(root.ask(ACTIONS, json!({})).await["adminActions"]["totalCount"], 0);
    assert_eq!(amy.open_project(&project, None).await["provisioned"], false);
    world.stop().await;
}

#[tokio::test]
async fn nothing_that_an_admin_is_given_has_a_way_on() {
    use crate::schema::{list, name, named, types};
    for kind in types().await.iter().filter(|kind| ["AdminAction", "AdminSession"].contains(&name(kind))) {
        for field in list(kind, "fields") {
            assert!(matches!(named(&field["type"]).1, "SCALAR" | "ENUM"), "{}.{}", name(kind), name(field));
        }
    }
}
