//! Exports: a history as a file, whole or broken off, for whom its address was made.

use std::{collections::BTreeSet, fmt::Write, sync::Arc};

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use workroom::{
    agent::model::Message,
    model::id::{ProjectId, RunId, SessionId},
};

use super::refusal;
use crate::world::{
    PATIENCE, User, World,
    crew::{Gate, Scripted, calls, says},
    engine::{Engine, on_both_engines, on_engines},
    id,
    runs::started,
    tables::Beside,
};

const EXPORT: &str = "query($project: ID!, $filter: RunFilter, $format: ExportFormat!) {
    project(id: $project) { history(filterBy: $filter) { exportUrl(format: $format) } } }";

/// What asking for an address answers.
async fn asked(user: &User, project: &str, filter: Value, format: &str) -> Value {
    user.answer(EXPORT, json!({ "project": project, "filter": filter, "format": format })).await
}

/// The address of an export.
async fn address(user: &User, project: &str, filter: Value, format: &str) -> String {
    let answer = asked(user, project, filter, format).await;
    let url = answer["data"]["project"]["history"]["exportUrl"].as_str();
    url.unwrap_or_else(|| panic!("no address in {answer:#}")).to_owned()
}

async fn get(url: &str) -> Response {
    // Without a token: an address speaks for itself.
    reqwest::get(url).await.expect("an answer")
}

/// A whole export.
async fn exported(user: &User, project: &str, filter: Value, format: &str) -> String {
    let response = get(&address(user, project, filter, format).await).await;
    assert_eq!(response.status(), StatusCode::OK);
    response.text().await.expect("a file with an end")
}

/// The lines of an export, read again.
fn rows(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON on each line")).collect()
}

/// The prompts of an export.
async fn prompts(user: &User, project: &str, filter: Value) -> Vec<String> {
    let rows = rows(&exported(user, project, filter, "JSONL").await);
    rows.iter().map(|row| row["prompt"].as_str().expect("a prompt").to_owned()).collect()
}

/// A server on which runs do as they are told: to save a file, never to end, to wait at the gate; the others answer.
async fn obedient(engine: &Engine) -> (World, Arc<Gate>) {
    let gate = Gate::closed();
    let tools = gate.clone();
    let world = engine
        .world(|settings, crew| {
            settings.limits.turns = 3;
            crew.tools.push(tools);
            crew.models = vec![Scripted::new("test/obedient", |turn, conversation| {
                let said = conversation.messages.iter().rev().find_map(|message| match message {
                    Message::User { text, .. } => Some(text.as_str()),
                    _ => None,
                });
                let told = |word: &str| said.is_some_and(|said| said.contains(word));
                match turn {
                    _ if told("Never") => calls(turn, &[("list_files", json!({ "area": "drive" }))]),
                    0 if told("Save") => calls(0, &[("save_output", json!({ "name": "a.md", "text": "Saved." }))]),
                    0 if told("Wait") => calls(0, &[("gate", json!({}))]),
                    _ => says("Done."),
                }
            })];
        })
        .await;
    (world, gate)
}

/// What a project's runs say of themselves, newest first, without those that are left out of files.
async fn as_they_are(user: &User, project: &str) -> Vec<Value> {
    let query = "query($project: ID!) { project(id: $project) { history { runs(first: 10) { nodes {
        id number session { id } status prompt agent model createdAt startedAt completedAt durationMs
        usage { inputTokens cachedInputTokens outputTokens reasoningTokens totalTokens }
        failure { code message } rerunOf { id } artifacts(first: 1) { totalCount }
        events(first: 1, types: [RUN_CANCELLED]) { nodes { ... on RunCancelled { by } } } } } } } }";
    let mut data = user.ask(query, json!({ "project": project })).await;
    let Value::Array(nodes) = data["project"]["history"]["runs"]["nodes"].take() else { panic!("runs") };
    nodes
}

/// A run of the API as a line of an export.
fn as_exported(run: &Value) -> Value {
    let usage = &run["usage"];
    json!({
        "id": run["id"], "number": run["number"], "sessionId": run["session"]["id"], "status": run["status"],
        "prompt": run["prompt"], "agent": run["agent"], "model": run["model"], "createdAt": run["createdAt"],
        "startedAt": run["startedAt"], "completedAt": run["completedAt"], "durationMs": run["durationMs"],
        "inputTokens": usage["inputTokens"], "cachedInputTokens": usage["cachedInputTokens"],
        "outputTokens": usage["outputTokens"], "reasoningTokens": usage["reasoningTokens"],
        "totalTokens": usage["totalTokens"], "failureCode": run["failure"]["code"],
        "failureMessage": run["failure"]["message"], "cancelledBy": run["events"]["nodes"][0]["by"],
        "rerunOf": run["rerunOf"]["id"], "artifactCount": run["artifacts"]["totalCount"],
    })
}

/// The file without what is another each time: ids, times, and how long it took.
fn steady(file: &str, runs: &[Value]) -> String {
    let mut file = file.to_owned();
    for run in runs {
        let number = &run["number"];
        for (value, name) in [
            (&run["id"], format!("RUN {number}")),
            (&run["session"]["id"], "SESSION".to_owned()),
            (&run["createdAt"], format!("CREATED {number}")),
            (&run["startedAt"], format!("STARTED {number}")),
            (&run["completedAt"], format!("COMPLETED {number}")),
        ] {
            if let Some(value) = value.as_str() {
                file = file.replace(value, &name);
            }
        }
        if run["durationMs"].is_number() {
            for after in [",", "\",\"durationMs\":"] {
                let ended = format!("COMPLETED {number}{after}");
                file = file.replace(&format!("{ended}{},", run["durationMs"]), &format!("{ended}MS,"));
            }
        }
    }
    file
}

const PROMPTS: [&str; 5] = [
    "Save: was heißt „Kündigung“, قانون, 契約 🧾?",
    "He said \"no\", she said\r\n\"yes\";\n\ttwo lines, three",
    "=HYPERLINK(\"https://example.com\", \"Never ends\")",
    "-1",
    "Wait",
];

async fn formats(engine: &Engine) {
    let (world, gate) = obedient(engine).await;
    let amy = world.user("amy").await;
    let project = amy.project("Everything").await;
    let columns = "id,number,sessionId,status,prompt,agent,model,createdAt,startedAt,completedAt,durationMs,inputTokens,\
        cachedInputTokens,outputTokens,reasoningTokens,totalTokens,failureCode,failureMessage,cancelledBy,rerunOf,artifactCount";
    let described: Vec<_> = columns.split(',').map(|column| format!("`{column}`")).collect();
    let described = described.join(", ").replace(", `artifactCount`", " and `artifactCount`");
    let schema = workroom::graphql::sdl().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(schema.contains(&described), "the schema tells of the columns");
    assert_eq!(exported(&amy, &project, Value::Null, "CSV").await, format!("{columns}\r\n"), "of nothing, the columns");
    assert_eq!(exported(&amy, &project, Value::Null, "JSONL").await, "");
    for prompt in &PROMPTS[..3] {
        amy.finished_run(&project, prompt).await;
    }
    let first = as_they_are(&amy, &project).await.pop().expect("the first run");
    amy.ended(&started(&amy.rerun(&id(&first), json!({})).await)).await;
    // One that is running and one that is cancelled behind it, before it begins; the first of them is not of the past yet.
    let waiting = started(&amy.start(&project, json!({ "prompt": PROMPTS[4] })).await);
    gate.until_begun(1).await;
    let behind = started(&amy.start(&project, json!({ "prompt": PROMPTS[3] })).await);
    amy.cancel(&behind).await;
    amy.ended(&behind).await;

    let runs = as_they_are(&amy, &project).await;
    let (csv, lines) =
        (exported(&amy, &project, Value::Null, "CSV").await, exported(&amy, &project, Value::Null, "JSONL").await);
    assert_eq!(rows(&lines), runs.iter().map(as_exported).collect::<Vec<_>>(), "what the API says under these names");
    assert!(csv.starts_with(columns));
    insta::allow_duplicates! {
        insta::assert_snapshot!(steady(&csv, &runs).replace('\r', "␍").replace('\t', "⇥"), @r#"
        id,number,sessionId,status,prompt,agent,model,createdAt,startedAt,completedAt,durationMs,inputTokens,cachedInputTokens,outputTokens,reasoningTokens,totalTokens,failureCode,failureMessage,cancelledBy,rerunOf,artifactCount␍
        RUN 6,6,SESSION,CANCELLED,'-1,workroom/general,test/obedient,CREATED 6,,COMPLETED 6,,0,0,0,0,0,,,USER,,0␍
        RUN 4,4,SESSION,COMPLETED,"Save: was heißt „Kündigung“, قانون, 契約 🧾?",workroom/general,test/obedient,CREATED 4,STARTED 4,COMPLETED 4,MS,20,0,4,0,24,,,,RUN 1,1␍
        RUN 3,3,SESSION,FAILED,"'=HYPERLINK(""https://example.com"", ""Never ends"")",workroom/general,test/obedient,CREATED 3,STARTED 3,COMPLETED 3,MS,30,0,6,0,36,OUT_OF_TURNS,The run used up its turns before it was done.,,,0␍
        RUN 2,2,SESSION,COMPLETED,"He said ""no"", she said␍
        ""yes"";
        ⇥two lines, three",workroom/general,test/obedient,CREATED 2,STARTED 2,COMPLETED 2,MS,10,0,2,0,12,,,,,0␍
        RUN 1,1,SESSION,COMPLETED,"Save: was heißt „Kündigung“, قانون, 契約 🧾?",workroom/general,test/obedient,CREATED 1,STARTED 1,COMPLETED 1,MS,20,0,4,0,24,,,,,1␍
        "#);
        insta::assert_snapshot!(steady(&lines, &runs), @r#"
        {"id":"RUN 6","number":6,"sessionId":"SESSION","status":"CANCELLED","prompt":"-1","agent":"workroom/general","model":"test/obedient","createdAt":"CREATED 6","startedAt":null,"completedAt":"COMPLETED 6","durationMs":null,"inputTokens":0,"cachedInputTokens":0,"outputTokens":0,"reasoningTokens":0,"totalTokens":0,"failureCode":null,"failureMessage":null,"cancelledBy":"USER","rerunOf":null,"artifactCount":0}
        {"id":"RUN 4","number":4,"sessionId":"SESSION","status":"COMPLETED","prompt":"Save: was heißt „Kündigung“, قانون, 契約 🧾?","agent":"workroom/general","model":"test/obedient","createdAt":"CREATED 4","startedAt":"STARTED 4","completedAt":"COMPLETED 4","durationMs":MS,"inputTokens":20,"cachedInputTokens":0,"outputTokens":4,"reasoningTokens":0,"totalTokens":24,"failureCode":null,"failureMessage":null,"cancelledBy":null,"rerunOf":"RUN 1","artifactCount":1}
        {"id":"RUN 3","number":3,"sessionId":"SESSION","status":"FAILED","prompt":"=HYPERLINK(\"https://example.com\", \"Never ends\")","agent":"workroom/general","model":"test/obedient","createdAt":"CREATED 3","startedAt":"STARTED 3","completedAt":"COMPLETED 3","durationMs":MS,"inputTokens":30,"cachedInputTokens":0,"outputTokens":6,"reasoningTokens":0,"totalTokens":36,"failureCode":"OUT_OF_TURNS","failureMessage":"The run used up its turns before it was done.","cancelledBy":null,"rerunOf":null,"artifactCount":0}
        {"id":"RUN 2","number":2,"sessionId":"SESSION","status":"COMPLETED","prompt":"He said \"no\", she said\r\n\"yes\";\n\ttwo lines, three","agent":"workroom/general","model":"test/obedient","createdAt":"CREATED 2","startedAt":"STARTED 2","completedAt":"COMPLETED 2","durationMs":MS,"inputTokens":10,"cachedInputTokens":0,"outputTokens":2,"reasoningTokens":0,"totalTokens":12,"failureCode":null,"failureMessage":null,"cancelledBy":null,"rerunOf":null,"artifactCount":0}
        {"id":"RUN 1","number":1,"sessionId":"SESSION","status":"COMPLETED","prompt":"Save: was heißt „Kündigung“, قانون, 契約 🧾?","agent":"workroom/general","model":"test/obedient","createdAt":"CREATED 1","startedAt":"STARTED 1","completedAt":"COMPLETED 1","durationMs":MS,"inputTokens":20,"cachedInputTokens":0,"outputTokens":4,"reasoningTokens":0,"totalTokens":24,"failureCode":null,"failureMessage":null,"cancelledBy":null,"rerunOf":null,"artifactCount":1}
        "#);
    }

    // Whoever reads the table gets the same, except that null is empty and a formula is text.
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let names = reader.headers().expect("columns").clone();
    for (record, row) in reader.records().zip(rows(&lines)) {
        let record = record.expect("a line");
        for (name, cell) in names.iter().zip(&record) {
            let expected = match &row[name] {
                Value::Null => String::new(),
                Value::String(text) if text.starts_with(['=', '-']) => format!("'{text}"),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            assert_eq!(cell, expected, "{name}");
        }
    }
    gate.open();
    amy.ended(&waiting).await;
    assert_eq!(rows(&exported(&amy, &project, Value::Null, "JSONL").await).len(), runs.len() + 1);
    world.stop().await;
}

on_engines! {
    async fn an_export_says_what_the_api_says_in_both_formats(engine) { formats(engine).await; }
}

async fn only_the_runs_of_the_filter_are_exported(world: World) {
    let amy = world.user("amy").await;
    let (project, other) = (amy.project("One").await, amy.project("Two").await);
    let known = ["Die Straße", "a \"quoted\" word", "Что?", "Die Wiese"];
    for prompt in known {
        amy.finished_run(&project, prompt).await;
    }
    amy.finished_run(&other, "elsewhere").await;
    let all: Vec<_> = known.into_iter().rev().collect();
    assert_eq!(prompts(&amy, &project, Value::Null).await, all, "newest first");
    for (filter, expected) in [
        (json!({ "text": "STRASSE" }), vec!["Die Straße"]),
        (json!({ "text": "\"QUOTED\"" }), vec!["a \"quoted\" word"]),
        (json!({ "text": "ЧТО?" }), vec!["Что?"]),
        (json!({ "text": "🧾".repeat(1_000) }), vec![]),
        (json!({ "text": "die", "status": ["COMPLETED", "RUNNING"] }), vec!["Die Wiese", "Die Straße"]),
        (json!({ "status": ["FAILED"] }), vec![]),
        (json!({ "status": ["RUNNING", "QUEUED"] }), vec![]),
        (json!({ "status": vec!["COMPLETED"; 10_000] }), all.clone()),
        (json!({ "status": [] }), vec![]),
        (json!({ "model": "none" }), vec![]),
        (json!({ "agent": "workroom/general", "createdFrom": "2020-01-01T00:00:00+02:00" }), all.clone()),
        (json!({ "createdBefore": "2020-01-01T00:00:00Z" }), vec![]),
        (json!({ "createdFrom": "-262143-01-01T00:00:00Z", "createdBefore": "+262142-12-31T23:59:59Z" }), all),
        (json!({ "rerunOf": RunId::new().to_string() }), vec![]),
    ] {
        assert_eq!(prompts(&amy, &project, filter.clone()).await, expected, "{filter}");
    }
    let long = asked(&amy, &project, json!({ "model": "m".repeat(6_000) }), "CSV").await;
    assert!(refusal(&long).contains("too long for an address"));
    let long = asked(&amy, &project, json!({ "text": "x".repeat(1_001) }), "CSV").await;
    assert!(refusal(&long).contains("1000 characters"));
    world.stop().await;
}

async fn an_export_is_an_attachment_that_runs_nothing(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Leases: „A/B“").await;
    amy.finished_run(&project, "<script>").await;
    for (format, ending, kind) in
        [("CSV", "csv", "text/csv; charset=utf-8; header=present"), ("JSONL", "jsonl", "application/x-ndjson")]
    {
        let url = address(&amy, &project, Value::Null, format).await;
        assert!(url.contains(&format!("/exports/{project}/history.{ending}?")), "{url}");
        let whole = get(&url).await;
        let head = amy.http.head(&url).send().await.expect("an answer");
        let part = amy.http.get(&url).header("range", "bytes=0-0").send().await.expect("an answer");
        for response in [&whole, &head, &part] {
            assert_eq!(response.status(), StatusCode::OK);
            let header = |name: &str| {
                response.headers().get(name).map(|value| value.to_str().expect("ASCII").to_owned()).unwrap_or_default()
            };
            assert_eq!(header("content-type"), kind);
            let said = header("content-disposition");
            let day = said.split("Leases_ _A_B_ ").nth(1).expect("the project's name").split('.').next();
            assert!(day.is_some_and(|day| day.parse::<chrono::NaiveDate>().is_ok()), "{said}");
            assert!(said.starts_with("attachment; filename=\"") && said.ends_with(&format!(".{ending}")), "{said}");
            assert!(said.contains("filename*=UTF-8''Leases_%20%E2%80%9EA_B%E2%80%9C%20"), "{said}");
            assert_eq!(header("x-content-type-options"), "nosniff");
            let policy = header("content-security-policy");
            assert!(policy.contains("sandbox") && !policy.contains("allow"), "{policy}");
            assert_eq!((header("cache-control").as_str(), header("accept-ranges").as_str()), ("no-store", "none"));
            assert!(!header("x-request-id").is_empty() && header("access-control-allow-origin").is_empty());
        }
        assert!(head.bytes().await.expect("an end").is_empty());
        let whole = whole.text().await.expect("text");
        assert_eq!(part.text().await.expect("text"), whole, "no part is better than a wrong one");
        assert!(whole.contains("<script>"));
        let post = amy.http.post(&url).send().await.expect("an answer").status();
        assert!([404, 405].contains(&post.as_u16()), "{post}");
    }
    world.stop().await;
}

on_both_engines!(only_the_runs_of_the_filter_are_exported, an_export_is_an_attachment_that_runs_nothing);

/// How many runs the long stories are of: more than are looked for at once.
const MANY: usize = 1_200;

/// Puts completed runs with long prompts into a project, more bytes than wait on the way between a server and a client that does
/// not read. Answers with their ids, oldest first.
async fn seed(world: &World, user: &User, project: &str) -> Vec<String> {
    let session = id(&user.open_project(project, None).await["session"]);
    let session: SessionId = session.parse().expect("an id");
    let in_project: ProjectId = project.parse().expect("an id");
    let mut beside = world.beside().await;
    let sqlite = matches!(beside, Beside::Sqlite(_));
    let literal = |uuid: uuid::Uuid| if sqlite { format!("x'{}'", uuid.simple()) } else { format!("'{uuid}'") };
    let ids: Vec<RunId> = (0..MANY).map(|_| RunId::new()).collect();
    let mut insert =
        "insert into run (id, number, project_id, user_id, session_id, prompt, agent, model, status, created_at,
        started_at, completed_at, last_sequence, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens,
        lease_generation, lease_counter) values "
            .to_owned();
    let places = [in_project.0, user.token.user_id.0, session.0].map(literal).join(", ");
    let (long, time) = (
        format!("replace(replace('{0}', 'x', '{0}'), 'x', 'words, ')", "x".repeat(60)),
        "2026-03-01T12:00:00.000000+00:00",
    );
    for (number, run) in (1_000_000..).zip(&ids) {
        let comma = if number == 1_000_000 { "" } else { ", " };
        let id = literal(run.0);
        write!(
            insert,
            "{comma}({id}, {number}, {places}, {long}, 'a', 'm', 'COMPLETED', '{time}', '{time}', '{time}', 1, 2, 0, 1, 0, 1, 0)"
        )
        .expect("text");
    }
    beside.change(&insert).await;
    beside.close().await;
    ids.iter().map(RunId::to_string).collect()
}

/// The rest of a file, or nothing if it is broken off.
async fn rest(mut response: Response, mut file: Vec<u8>) -> Option<Vec<u8>> {
    let reading = async {
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => file.extend_from_slice(&chunk),
                Ok(None) => return Some(file),
                Err(_) => return None,
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("an end or none, in time")
}

/// An export of which the first bytes have come, and no more are read.
async fn begun(user: &User, project: &str, format: &str) -> (Response, Vec<u8>) {
    let mut response = get(&address(user, project, Value::Null, format).await).await;
    let first = response.chunk().await.expect("bytes").expect("bytes");
    (response, first.to_vec())
}

async fn every_run_is_exported_once_while_others_end(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Long").await;
    let before = amy.finished_run(&project, "before all").await;
    let mut expected: Vec<String> = vec![before];
    expected.extend(seed(&world, &amy, &project).await);
    expected.reverse();
    let (response, first) = begun(&amy, &project, "JSONL").await;
    for number in 0..5 {
        amy.finished_run(&project, &format!("meanwhile {number}")).await;
    }
    let file = rest(response, first).await.expect("the whole file");
    assert!(file.len() > MANY * 20_000);
    let exported = rows(&String::from_utf8(file).expect("UTF-8"));
    let ids: Vec<_> = exported.iter().map(id).collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "none is there twice");
    assert!(ids == expected, "all that had ended, newest first: {} of {}", ids.len(), expected.len());
    let now = get(&address(&amy, &project, Value::Null, "CSV").await).await;
    let now = rest(now, Vec::new()).await.expect("the whole file");
    assert_eq!(csv::Reader::from_reader(now.as_slice()).records().map(Result::unwrap).count(), expected.len() + 5);
    world.stop().await;
}

async fn an_export_without_its_project_or_token_is_broken_off(world: World) {
    let amy = world.user("amy").await;
    let again = world.user("amy").await;
    let project = amy.project("Long").await;
    seed(&world, &amy, &project).await;
    let url = address(&again, &project, Value::Null, "CSV").await;
    let of_token = begun(&again, &project, "CSV").await;
    world.revoke(&again).await;
    assert!(rest(of_token.0, of_token.1).await.is_none(), "it must not look whole");
    assert_eq!(get(&url).await.status(), StatusCode::GONE);

    let url = address(&amy, &project, Value::Null, "JSONL").await;
    let of_project = begun(&amy, &project, "JSONL").await;
    let payload = amy.mutate("deleteProject", json!({ "projectId": project }), "deletedProjectId").await;
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    assert!(rest(of_project.0, of_project.1).await.is_none(), "it must not look whole");
    assert_eq!(get(&url).await.status(), StatusCode::NOT_FOUND);
    world.stop().await;
}

mod long {
    use super::{an_export_without_its_project_or_token_is_broken_off, every_run_is_exported_once_while_others_end};
    use crate::world::engine::on_both_engines;
    on_both_engines!(every_run_is_exported_once_while_others_end, an_export_without_its_project_or_token_is_broken_off);
}
