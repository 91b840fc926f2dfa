//! Bad input, at each door: the answer is typed and clear, says nothing of the inside, and nothing changes.

mod doors;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;
use workroom::model::id::{ArtifactId, FileId, ProjectId, RunId, SessionId, UserId};

use crate::world::{PATIENCE, User, World, engine::Engine, id};

/// A world in which there is one of each, to be asked for wrongly.
struct Scene {
    world: World,
    amy: User,
    project: String,
    run: String,
    file: String,
    artifact: String,
    session: String,
}

impl Scene {
    async fn on(world: World) -> Self {
        let amy = world.user("amy").await;
        let project = amy.project("Scene").await;
        let file = id(&amy.upload_one(&project, "terms.md", b"# Terms\n\nInterest is four per cent.\n").await);
        let run = amy.start_run(&project, "What is the interest?").await;
        let ended = amy.ended(&run).await;
        let artifact = id(&ended["artifacts"]["nodes"][0]);
        let opened = amy.mutate("openProject", json!({ "projectId": project }), "session { id }").await;
        let session = id(&opened["session"]);
        Self { world, amy, project, run, file, artifact, session }
    }

    async fn on_sqlite() -> Self {
        Self::on(World::start().await).await
    }

    /// All that could have changed.
    async fn state(&self) -> Value {
        let query = "{ viewer { sessions(activeOnly: false) { nodes { id endedAt expiresAt } } }
            projects(first: 5, orderBy: { field: CREATED_AT, direction: ASC }) { totalCount nodes { id name description labels version
                updatedAt files(first: 10, area: DRIVE) { totalCount nodes { id sha256 modifiedAt path } }
                runs(first: 10) { totalCount nodes { id status lastSequence cancelRequestedAt prompt } } } } }";
        self.amy.ask(query, json!({})).await
    }

    /// Asks each question; `check` looks at its answer. Nothing changes by any of them.
    async fn ask_each(&self, questions: impl IntoIterator<Item = (&str, Value)>, check: impl Fn(&Value) -> bool) {
        let before = self.state().await;
        for (query, variables) in questions {
            let request = self.amy.http.post(self.amy.graphql()).bearer_auth(self.amy.secret());
            let request = request.json(&json!({ "query": query, "variables": variables })).timeout(PATIENCE);
            let response = request.send().await.expect("an answer");
            let status = response.status();
            let answer: Value = response.json().await.expect("JSON");
            let mut said = variables.to_string();
            said.truncate(said.char_indices().nth(300).map_or(said.len(), |(at, _)| at));
            assert!(status.as_u16() < 500, "{query} {said}: {status} {answer:#}");
            assert!(check(&answer), "{query} {said}: {answer:#}");
            discreet(&answer);
        }
        assert_eq!(self.state().await, before);
    }
}

/// The error's code, when the request was refused and nothing was executed or the field failed.
fn is_bad_input(answer: &Value) -> bool {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    !errors.is_empty() && errors.iter().all(|error| error["extensions"]["code"] == "BAD_USER_INPUT")
}

/// A payload whose only content is one error of this code.
fn has_user_error(answer: &Value, code: &str) -> bool {
    let payload = answer["data"].as_object().and_then(|data| data.values().next());
    answer.get("errors").is_none() && payload.is_some_and(|payload| payload["userErrors"][0]["code"] == code)
}

fn is_null(answer: &Value) -> bool {
    let field = answer["data"].as_object().and_then(|data| data.values().next());
    answer.get("errors").is_none() && field == Some(&Value::Null)
}

/// Whatever is said to a client speaks neither SQL nor Rust, and names no place of this machine.
fn discreet(answer: &Value) {
    let inside = [
        "sqlx",
        "sqlite",
        "SQL",
        "select ",
        "insert ",
        "constraint",
        "postgres",
        "database",
        "::",
        "panicked",
        "unwrap",
        "serde",
        "actix",
        "async_graphql",
        "tokio",
        "Some(",
        "None",
        "Err(",
        "i32",
        "i64",
        "u64",
        "usize",
        "UInt53(",
        ".rs",
        "/home",
        "/root",
        "/var",
        concat!(env!("CARGO_MANIFEST_DIR"), "/"),
        "object_store",
        "os error",
    ];
    let mut values = vec![answer];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(message) = fields.get("message").and_then(Value::as_str) {
                    let found = inside.into_iter().find(|word| message.contains(word));
                    assert!(found.is_none(), "{found:?} in {message}");
                    assert!(message.len() < 1000, "{message}");
                }
                values.extend(fields.values());
            }
            Value::Array(items) => values.extend(items),
            _ => {}
        }
    }
}

const NODE: &str = "query($id: ID!) { node(id: $id) { __typename } }";
const NODES: &str = "query($id: ID!) { nodes(ids: [$id]) { __typename } }";
const PROJECT: &str = "query($id: ID!) { project(id: $id) { name } }";
const RUN: &str = "query($id: ID!) { run(id: $id) { status } }";
const UPDATE: &str =
    "mutation($id: ID!) { updateProject(input: { projectId: $id, version: 1, name: \"x\" }) { userErrors { code } } }";
const OPEN: &str = "mutation($id: ID!) { openProject(input: { projectId: $id }) { userErrors { code } } }";
const START: &str = "mutation($id: ID!) { startRun(input: { projectId: $id, prompt: \"x\" }) { userErrors { code } } }";
const RERUN: &str = "mutation($id: ID!) { rerun(input: { runId: $id }) { userErrors { code } } }";
const CANCEL: &str = "mutation($id: ID!) { cancelRun(input: { runId: $id }) { userErrors { code } } }";
const REVOKE: &str = "mutation($id: ID!) { revokeSession(input: { sessionId: $id }) { userErrors { code } } }";

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_malformed_or_of_another_kind_are_refused() {
    let scene = Scene::on_sqlite().await;
    let (project, run) = (scene.project.clone(), scene.run.clone());
    let upper = project.to_uppercase();
    let mut malformed: Vec<Value> =
        ["", " ", "x", "project_", "project_zzz", "1", "0", "\0", "project_\0", "' or 1=1 --", "🧾", &upper]
            .iter()
            .map(|text| json!(text))
            .collect();
    malformed.extend([
        json!(format!("{project} ")),
        json!(format!(" {project}")),
        json!("p".repeat(100_000)),
        json!(7),
        json!("token_01h455vb4pex5vsknk084sn02q"),
    ]);
    let of_others = |others: &[&str]| others.iter().map(|id| json!(id)).collect::<Vec<_>>();
    let (file, artifact, session) = (scene.file.as_str(), scene.artifact.as_str(), scene.session.as_str());
    for (query, others) in [
        (NODE, of_others(&[])),
        (NODES, of_others(&[])),
        (PROJECT, of_others(&[&run, file, artifact, session])),
        (RUN, of_others(&[&project, file])),
        (UPDATE, of_others(&[&run, file])),
        (OPEN, of_others(&[&run, session])),
        (START, of_others(&[&run, session])),
        (RERUN, of_others(&[&project])),
        (CANCEL, of_others(&[&project, session])),
        (REVOKE, of_others(&[&project, &run])),
    ] {
        let ids = malformed.iter().cloned().chain(others);
        scene.ask_each(ids.map(|id| (query, json!({ "id": id }))), is_bad_input).await;
    }
    scene.world.stop().await;
}

/// Such an error is one of the whole field, so its message must say what to mend: which argument, and what it takes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_named_with_what_is_taken() {
    let scene = Scene::on_sqlite().await;
    let address = "query($id: ID!) { node(id: $id) { ... on File { downloadUrl(expiresInSeconds: 3601) } } }";
    for (query, id, path, said) in [
        (START, "nope", json!(["startRun"]), "not the id of a project. Such ids look like `project_01jd…`"),
        (CANCEL, scene.project.as_str(), json!(["cancelRun"]), "not the id of a run. Such ids look like `run_01jd…`"),
        (address, &scene.file, json!(["node", "downloadUrl"]), "`expiresInSeconds` is from 1 to 3600; it was 3601."),
    ] {
        let answer = scene.amy.answer(query, json!({ "id": id })).await;
        let error = &answer["errors"][0];
        assert!(error["message"].as_str().is_some_and(|message| message.contains(said)), "{answer:#}");
        assert_eq!(error["path"], path, "{answer:#}");
        assert!(error["locations"][0]["line"].is_number(), "{answer:#}");
    }
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_nobody_has_are_absent() {
    let scene = Scene::on_sqlite().await;
    let (project, run, session) =
        (ProjectId::new().to_string(), RunId::new().to_string(), SessionId::new().to_string());
    let nodes = [
        project.clone(),
        run.clone(),
        session.clone(),
        FileId::new().to_string(),
        ArtifactId::new().to_string(),
        UserId::new().to_string(),
    ];
    scene.ask_each(nodes.iter().map(|id| (NODE, json!({ "id": id }))), is_null).await;
    let many = nodes.iter().map(|id| (NODES, json!({ "id": id })));
    scene.ask_each(many, |answer| answer["data"]["nodes"] == json!([null]) && answer.get("errors").is_none()).await;
    scene.ask_each([(PROJECT, json!({ "id": project })), (RUN, json!({ "id": run }))], is_null).await;
    let mutations =
        [(UPDATE, &project), (OPEN, &project), (START, &project), (RERUN, &run), (CANCEL, &run), (REVOKE, &session)];
    scene
        .ask_each(mutations.map(|(query, id)| (query, json!({ "id": id }))), |answer| {
            has_user_error(answer, "NOT_FOUND")
        })
        .await;
    let too_many: Vec<String> = (0..101).map(|_| RunId::new().to_string()).collect();
    scene
        .ask_each([("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": too_many }))], is_bad_input)
        .await;
    let payload = scene.amy.upload_into(&project, None, &[("a.txt", b"a")]).await;
    assert_eq!((&payload["userErrors"][0]["code"], &payload["results"]), (&json!("NOT_FOUND"), &json!([])));
    scene.world.stop().await;
}

/// Every list, with its page arguments open.
fn lists() -> Vec<(&'static str, i32)> {
    vec![
        ("query($first: Int, $after: String, $last: Int, $before: String, $project: ID!, $run: ID!) {
            projects(first: $first, after: $after, last: $last, before: $before) { pageInfo { endCursor } }
            p: project(id: $project) { id } r: run(id: $run) { id } }", 100),
        ("query($first: Int, $after: String, $last: Int, $before: String, $project: ID!, $run: ID!) { project(id: $project) {
            runs(first: $first, after: $after, last: $last, before: $before) { pageInfo { endCursor } } } r: run(id: $run) { id } }", 100),
        ("query($first: Int, $after: String, $last: Int, $before: String, $project: ID!, $run: ID!) { project(id: $project) {
            sessions(first: $first, after: $after, last: $last, before: $before) { pageInfo { endCursor } } } r: run(id: $run) { id } }", 100),
        ("query($first: Int, $after: String, $last: Int, $before: String, $project: ID!, $run: ID!) { project(id: $project) {
            artifacts(first: $first, after: $after, last: $last, before: $before) { pageInfo { endCursor } } } r: run(id: $run) { id } }", 100),
        ("query($first: Int, $after: String, $last: Int, $before: String, $project: ID!, $run: ID!) { project(id: $project) {
            files(area: DRIVE, first: $first, after: $after, last: $last, before: $before) { pageInfo { endCursor } } } r: run(id: $run) { id } }", 100),
        ("query($first: Int, $after: String, $last: Int, $before: String, $project: ID!, $run: ID!) { run(id: $run) {
            events(first: $first, after: $after, last: $last, before: $before) { pageInfo { endCursor } } } p: project(id: $project) { id } }", 500),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn page_sizes_and_cursors_are_checked_in_every_list() {
    let scene = Scene::on_sqlite().await;
    let place = |extra: Value| {
        let mut variables = json!({ "project": scene.project, "run": scene.run });
        for (name, value) in extra.as_object().expect("an object") {
            variables[name] = value.clone();
        }
        variables
    };
    let mut cursors = Vec::new();
    for (list, most) in lists() {
        let bad = [0, -1, most + 1, 1_000_000, i32::MAX, i32::MIN]
            .into_iter()
            .flat_map(|size| [json!({ "first": size }), json!({ "last": size })]);
        let more = [
            json!({ "first": 1, "last": 1 }),
            json!({ "first": 3_000_000_000_u64 }),
            json!({ "first": 1.5 }),
            json!({ "first": "1" }),
            json!({ "after": "" }),
            json!({ "after": "x" }),
            json!({ "before": "%%%" }),
            json!({ "after": "\0" }),
            json!({ "before": "🧾" }),
            json!({ "after": "A".repeat(50_000) }),
            json!({ "after": 7 }),
        ];
        scene.ask_each(bad.chain(more).map(|extra| (list, place(extra))), is_bad_input).await;
        let data = scene.amy.ask(list, place(json!({ "first": 1 }))).await;
        let page = [
            &data["projects"],
            &data["run"]["events"],
            &data["project"]["runs"],
            &data["project"]["sessions"],
            &data["project"]["artifacts"],
            &data["project"]["files"],
        ]
        .into_iter()
        .find(|page| page.is_object())
        .expect("a page");
        cursors.push(page["pageInfo"]["endCursor"].as_str().expect("a cursor").to_owned());
    }
    for (index, (list, _)) in lists().into_iter().enumerate() {
        let foreign = cursors.iter().enumerate().filter(|(other, _)| *other != index);
        let questions = foreign.flat_map(|(_, cursor)| [json!({ "after": cursor }), json!({ "before": cursor })]);
        scene.ask_each(questions.map(|extra| (list, place(extra))), is_bad_input).await;
    }
    let sorted = "query($after: String, $order: ProjectOrder, $filter: ProjectFilter) {
        projects(after: $after, orderBy: $order, filterBy: $filter) { nodes { id } } }";
    let others = [
        json!({ "order": { "field": "NAME", "direction": "ASC" } }),
        json!({ "order": { "field": "UPDATED_AT", "direction": "ASC" } }),
        json!({ "filter": { "text": "Scene" } }),
        json!({ "filter": { "labels": ["a"] } }),
    ];
    let questions = others.into_iter().map(|mut other| {
        other["after"] = json!(cursors[0]);
        (sorted, other)
    });
    scene.ask_each(questions, is_bad_input).await;
    scene.world.stop().await;
}

const START_RUN: &str =
    "mutation($input: StartRunInput!) { startRun(input: $input) { run { id } userErrors { code message path } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_not_started_on_bad_input() {
    let scene = Scene::on_sqlite().await;
    let other = scene.amy.project("Other").await;
    let elsewhere = id(&scene.amy.upload_one(&other, "b.txt", b"b").await);
    let stranger = scene.world.user("bob").await;
    let his = stranger.project("His").await;
    let foreign = id(&stranger.upload_one(&his, "c.txt", b"c").await);
    let with = |extra: Value| {
        let mut input = json!({ "projectId": scene.project, "prompt": "What?" });
        for (name, value) in extra.as_object().expect("an object") {
            input[name] = value.clone();
        }
        json!({ "input": input })
    };
    let files: Vec<&str> = vec![&scene.file; 51];
    let invalid = [
        json!({ "prompt": "" }),
        json!({ "prompt": " \n\t\u{a0}" }),
        json!({ "prompt": "a\0b" }),
        json!({ "prompt": "x".repeat(100_001) }),
        json!({ "prompt": "x".repeat(900_000) }),
        json!({ "model": "openai/unknown" }),
        json!({ "model": "" }),
        json!({ "model": "\0" }),
        json!({ "agent": "nobody" }),
        json!({ "agent": "\0" }),
        json!({ "files": files }),
        json!({ "idempotencyKey": "" }),
        json!({ "idempotencyKey": "a\0" }),
        json!({ "idempotencyKey": "k".repeat(201) }),
    ];
    scene.ask_each(invalid.map(|extra| (START_RUN, with(extra))), |answer| has_user_error(answer, "INVALID")).await;
    let absent = [elsewhere.clone(), foreign, FileId::new().to_string()];
    scene
        .ask_each(absent.map(|file| (START_RUN, with(json!({ "files": [scene.file, file] })))), |answer| {
            has_user_error(answer, "NOT_FOUND")
        })
        .await;
    let malformed = [
        json!({ "files": [scene.artifact] }),
        json!({ "files": [null] }),
        json!({ "ifBusy": "WAIT" }),
        json!({ "ifBusy": 1 }),
        json!({ "unknown": 1 }),
        json!({ "prompt": null }),
        json!({ "prompt": 7 }),
        json!({ "prompt": ["x"] }),
        json!({ "projectId": null }),
    ];
    scene.ask_each(malformed.map(|extra| (START_RUN, with(extra))), is_bad_input).await;
    let rerun =
        "mutation($id: ID!, $prompt: String) { rerun(input: { runId: $id, prompt: $prompt }) { userErrors { code } } }";
    let prompts = ["", "  ", "\0"].map(|prompt| (rerun, json!({ "id": scene.run, "prompt": prompt })));
    scene.ask_each(prompts, |answer| has_user_error(answer, "INVALID")).await;
    let ttl = "mutation($id: ID!, $ttl: UInt53) { openProject(input: { projectId: $id, ttlSeconds: $ttl }) { userErrors { code } } }";
    let ttls = [json!(0), json!((1_u64 << 53) - 1), json!(604_801)]
        .map(|ttl_value| (ttl, json!({ "id": scene.project, "ttl": ttl_value })));
    scene.ask_each(ttls, |answer| has_user_error(answer, "INVALID")).await;
    let ttls = [json!(-1), json!(1_u64 << 53), json!(1.5), json!("60"), json!(1e300)]
        .map(|ttl_value| (ttl, json!({ "id": scene.project, "ttl": ttl_value })));
    scene.ask_each(ttls, is_bad_input).await;
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_and_values_must_fit_the_document() {
    let scene = Scene::on_sqlite().await;
    let list = "query($order: ProjectOrder) { projects(orderBy: $order) { nodes { id } } }";
    let create =
        "mutation($input: CreateProjectInput!) { createProject(input: $input) { project { id } userErrors { code } } }";
    let file = "query($id: ID!, $path: String!, $area: FileArea!) { project(id: $id) { file(area: $area, path: $path) { id } } }";
    scene
        .ask_each(
            [
                (PROJECT, json!({})),
                (PROJECT, json!({ "id": null })),
                (PROJECT, json!({ "id": {} })),
                (PROJECT, json!({ "id": [scene.project, scene.project] })),
                (list, json!({ "order": { "field": "SIZE", "direction": "ASC" } })),
                (list, json!({ "order": { "field": "NAME" } })),
                (list, json!({ "order": { "field": "NAME", "direction": null } })),
                (list, json!({ "order": "NAME" })),
                (create, json!({ "input": {} })),
                (create, json!({ "input": null })),
                (create, json!({ "input": { "name": null } })),
                (create, json!({ "input": { "name": "x", "owner": "bob" } })),
                (create, json!({ "input": { "name": "x", "labels": [null] } })),
                (create, json!({ "input": { "name": "x", "labels": { "a": 1 } } })),
                (file, json!({ "id": scene.project, "area": "ELSEWHERE", "path": "a" })),
                (file, json!({ "id": scene.project, "area": "DRIVE", "path": "../a" })),
                (file, json!({ "id": scene.project, "area": "DRIVE", "path": "/etc/passwd" })),
                (file, json!({ "id": scene.project, "area": "DRIVE", "path": "a\0" })),
                (file, json!({ "id": scene.project, "area": "DRIVE", "path": "" })),
                (file, json!({ "id": scene.project, "area": "DRIVE", "path": "a".repeat(5000) })),
                ("{ project { name } }", json!({})),
                ("{ project(id: 1.5) { name } }", json!({})),
                ("{ projects(orderBy: { field: NAME, direction: UP }) { nodes { id } } }", json!({})),
                ("{ nothing }", json!({})),
                ("{ projects }", json!({})),
                ("{ viewer { name { first } } }", json!({})),
                ("query($id: ID!) { viewer { name } }", json!({})),
                ("query($id: Nothing!) { viewer { name } }", json!({ "id": 1 })),
                ("{", json!({})),
                ("", json!({})),
                ("\0", json!({})),
                ("query A { viewer { name } } query B { viewer { id } }", json!({})),
                ("mutation { createProject(input: { name: \"x\" }) }", json!({})),
                ("query { ...A } fragment A on Query { ...A }", json!({})),
                ("{ viewer { ...Gone } }", json!({})),
                ("subscription { runEvents(runId: \"x\") { endCursor } }", json!({})),
            ],
            is_bad_input,
        )
        .await;
    // A variable too many is harmless, and so says the specification.
    scene.amy.ask("{ viewer { name } }", json!({ "extra": 1, "more": [null] })).await;
    scene.world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_are_huge_or_deep_are_refused_at_once() {
    let scene = Scene::on_sqlite().await;
    let deep = format!("{}{}", "{ viewer ".repeat(2000), "}".repeat(2000));
    let literal = format!("{{ nodes(ids: {}{}) {{ id }} }}", "[".repeat(5000), "]".repeat(5000));
    let nested =
        "{ projects(first: 100) { nodes { runs(first: 100) { nodes { artifacts(first: 100) { nodes { id } } } } } } }";
    let aliases: Vec<_> = (0..1000).map(|number| format!("a{number}: viewer {{ name }}")).collect();
    let aliases = format!("{{ {} }}", aliases.join(" "));
    let spread: Vec<_> =
        (0..24).map(|number| format!("fragment F{number} on User {{ ...F{0} ...F{0} }}", number + 1)).collect();
    let doubling = format!("{{ viewer {{ ...F0 }} }} {} fragment F24 on User {{ name }}", spread.join(" "));
    let long = format!("{{ viewer {{ name }} }} #{}", "x".repeat(70_000));
    let repeated = format!("{{ {} }}", "viewer { name } ".repeat(3000));
    let questions = [&deep, &literal, nested, &aliases, &doubling, &long, &repeated].map(|query| (query, json!({})));
    let asked = scene.ask_each(questions, is_bad_input);
    timeout(Duration::from_secs(10), asked).await.expect("in time");
    let mut value = json!("x");
    for _ in 0..100 {
        value = json!([value]);
    }
    scene.ask_each([("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": value }))], is_bad_input).await;
    scene.world.stop().await;
}

/// What SQLite lets pass and PostgreSQL does not: NUL in text, numbers out of range.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_is_asked_nothing_that_it_cannot_answer() {
    let Some(engine) = Engine::postgres().await else { return };
    let world = engine.world(|_, _| {}).await;
    let scene = Scene::on(world).await;
    let filter = "query($filter: ProjectFilter) { projects(filterBy: $filter) { totalCount nodes { id } } }";
    let none = |answer: &Value| is_bad_input(answer) || answer["data"]["projects"]["totalCount"] == 0;
    let filters = [
        json!({ "text": "a\0b" }),
        json!({ "labels": ["\0"] }),
        json!({ "text": "\u{fffe}" }),
        json!({ "text": "\\" }),
    ];
    scene.ask_each(filters.map(|value| (filter, json!({ "filter": value }))), none).await;
    let after = "query($id: ID!, $after: String) { run(id: $id) { events(after: $after) { nodes { sequence } } } }";
    let cursors = ["9223372036854775807", "9223372036854775806", "2147483648"]
        .map(|cursor| (after, json!({ "id": scene.run, "after": cursor })));
    scene.ask_each(cursors, is_bad_input).await;
    let update = "mutation($input: UpdateProjectInput!) { updateProject(input: $input) { userErrors { code } } }";
    let versions = [0, 2, u64::from(u32::MAX), (1 << 53) - 1];
    let inputs = versions
        .map(|version| (update, json!({ "input": { "projectId": scene.project, "version": version, "name": "x" } })));
    scene.ask_each(inputs, |answer| has_user_error(answer, "CONFLICT")).await;
    scene.world.stop().await;
}
