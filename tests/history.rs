//! History: the runs that have ended, what they add up to, and what one does with them.

mod export;

use serde_json::{Value, json};

use crate::world::{
    User, World,
    engine::on_both_engines,
    runs::{assert_whole, started},
};

const HISTORY: &str = "query($project: ID!, $filter: RunFilter) { project(id: $project) { history(filterBy: $filter) {
    runs(first: 10) { totalCount nodes { id number status prompt answer durationMs usage { inputTokens outputTokens } } }
    audit { ...A }
    statuses: auditBy(dimension: STATUS) { key audit { runCount } }
    models: auditBy(dimension: MODEL) { key audit { ...A } } } } }
    fragment A on Audit { runCount completed failed cancelled inputTokens outputTokens artifactCount
        durationMs { p50 p95 p99 max mean } }";

async fn history(user: &User, project: &str, filter: Value) -> Value {
    let mut data = user.ask(HISTORY, json!({ "project": project, "filter": filter })).await;
    data["project"]["history"].take()
}

/// What the one error of an answer says, which is the caller's to mend.
fn refusal(answer: &Value) -> &str {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("no error in {answer:#}"));
    assert_eq!((errors.len(), &errors[0]["extensions"]["code"]), (1, &json!("BAD_USER_INPUT")), "{answer:#}");
    errors[0]["message"].as_str().expect("a message")
}

async fn what_has_ended_is_found_run_again_and_replayed(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Past").await;
    assert_eq!(history(&amy, &project, Value::Null).await["audit"]["runCount"], 0);
    amy.upload(&project, &[("terms.md", "# Terms\n\nThe Straße is closed on Monday.\n".as_bytes())]).await;
    let first = amy.finished_run(&project, "Which STRASSE is closed?").await;
    amy.finished_run(&project, "Something else").await;

    let found = history(&amy, &project, json!({ "text": "straße" })).await;
    let nodes = found["runs"]["nodes"].as_array().expect("runs");
    let original = nodes.iter().find(|run| run["id"] == first.as_str()).expect("it is found");
    assert_eq!((&found["runs"]["totalCount"], nodes.len()), (&found["audit"]["runCount"], nodes.len()));

    let again = started(&amy.rerun(&first, json!({})).await);
    amy.ended(&again).await;
    let repeats = history(&amy, &project, json!({ "rerunOf": first })).await;
    assert_eq!(repeats["runs"]["nodes"][0]["id"], again.as_str());
    assert_eq!((&repeats["runs"]["totalCount"], &repeats["audit"]["runCount"]), (&json!(1), &json!(1)));

    // Replaying both: whole timelines, of the same steps.
    let (before, after) = (amy.whole_timeline(&first).await, amy.whole_timeline(&again).await);
    assert_whole(&before);
    assert_whole(&after);
    let kinds = |events: &[Value]| events.iter().map(|event| event["type"].clone()).collect::<Vec<_>>();
    assert_eq!(kinds(&before), kinds(&after));
    let now = history(&amy, &project, Value::Null).await;
    let unchanged = now["runs"]["nodes"].as_array().expect("runs").iter().find(|run| run["id"] == first.as_str());
    assert_eq!(unchanged, Some(original), "running it again did not change it");

    // Sums are those of the list.
    let nodes = now["runs"]["nodes"].as_array().expect("runs");
    assert_eq!(nodes.len(), 3);
    let sum = |of: &dyn Fn(&Value) -> u64| nodes.iter().map(of).sum::<u64>();
    let audit = &now["audit"];
    assert_eq!(audit["inputTokens"], sum(&|run| run["usage"]["inputTokens"].as_u64().expect("tokens")));
    assert_eq!(audit["outputTokens"], sum(&|run| run["usage"]["outputTokens"].as_u64().expect("tokens")));
    assert_eq!((&audit["runCount"], &audit["completed"]), (&json!(3), &json!(3)));
    let mut durations: Vec<u64> = nodes.iter().filter_map(|run| run["durationMs"].as_u64()).collect();
    durations.sort_unstable();
    assert_eq!(audit["durationMs"]["p50"], durations[1]);
    assert_eq!(audit["durationMs"]["p95"], durations[2]);
    assert_eq!(audit["durationMs"]["max"], durations[2]);
    assert_eq!(now["statuses"], json!([{ "key": "COMPLETED", "audit": { "runCount": 3 } }]));
    assert_eq!(&now["models"][0]["audit"], audit);
    world.stop().await;
}

async fn days_without_runs_are_days(world: World) {
    let amy = world.user("amy").await;
    let project = amy.project("Days").await;
    let days = "query($project: ID!, $filter: RunFilter, $zone: String) { project(id: $project) {
        history(filterBy: $filter) { auditBy(dimension: DAY, timeZone: $zone) { key audit { runCount durationMs { p50 } } } } } }";
    let ask = async |filter: Value, zone: &str| {
        amy.answer(days, json!({ "project": project, "filter": filter, "zone": zone })).await
    };
    let keys = |answer: &Value| -> Vec<String> {
        let groups = answer["data"]["project"]["history"]["auditBy"].as_array().cloned();
        let groups = groups.unwrap_or_else(|| panic!("{answer:#}"));
        groups.iter().map(|group| group["key"].as_str().unwrap_or_default().to_owned()).collect()
    };
    // No run and no bound: no day. With bounds all days between them, whether there was a run or not.
    assert!(keys(&ask(Value::Null, "UTC").await).is_empty());
    let march = json!({ "createdFrom": "2026-03-28T23:00:00Z", "createdBefore": "2026-03-30T22:00:00Z" });
    let answer = ask(march.clone(), "Europe/Berlin").await;
    assert_eq!(keys(&answer), ["2026-03-29", "2026-03-30"]);
    let empty = json!({ "runCount": 0, "durationMs": { "p50": null } });
    assert_eq!(answer["data"]["project"]["history"]["auditBy"][0]["audit"], empty);
    assert_eq!(keys(&ask(march, "UTC").await), ["2026-03-28", "2026-03-29", "2026-03-30"]);

    let run = amy.finished_run(&project, "Today").await;
    let created = amy.ask("query($run: ID!) { run(id: $run) { createdAt } }", json!({ "run": run })).await;
    let created = created["run"]["createdAt"].as_str().expect("a time").to_owned();
    assert_eq!(keys(&ask(Value::Null, "UTC").await), [&created[..10]]);
    assert!(keys(&ask(json!({ "createdBefore": created }), "UTC").await).is_empty(), "before it there is nothing");
    assert_eq!(keys(&ask(json!({ "createdFrom": created }), "UTC").await).len(), 1, "from it on it is there");

    // What cannot be answered is refused, and says why.
    let long = json!({ "createdFrom": "2020-01-01T00:00:00Z", "createdBefore": "2026-01-01T00:00:00Z" });
    assert!(refusal(&ask(long, "UTC").await).contains("at most 400"));
    assert!(refusal(&ask(Value::Null, "Middle/Earth").await).contains("IANA"));
    assert!(refusal(&ask(json!({ "text": "x".repeat(1_001) }), "UTC").await).contains("1000 characters"));
    world.stop().await;
}

async fn usage_tells_what_a_user_consumed(world: World) {
    let (amy, bob) = (world.user("amy").await, world.user("bob").await);
    let (one, two) = (amy.project("One").await, amy.project("Two").await);
    amy.upload(&one, &[("terms.md", b"# Terms\n")]).await;
    for (user, project) in [(&amy, &one), (&amy, &one), (&amy, &two), (&bob, &bob.project("His").await)] {
        user.finished_run(project, "Sum up.").await;
    }
    let usage =
        "query($since: DateTime, $until: DateTime, $first: Int) { viewer { usage(since: $since, until: $until) {
        total { runCount completed inputTokens artifactCount } models { key audit { runCount } }
        projects(first: $first) { project { id name } audit { runCount } } storageBytes } } }";
    let data = amy.ask(usage, json!({})).await;
    let report = &data["viewer"]["usage"];
    assert_eq!(report["total"]["runCount"], 3);
    assert_eq!(report["models"][0]["audit"]["runCount"], 3);
    let projects = report["projects"].as_array().expect("projects");
    assert_eq!(projects.len(), 2);
    let counts: u64 = projects.iter().filter_map(|project| project["audit"]["runCount"].as_u64()).sum();
    assert_eq!(counts, 3);
    assert!(
        projects.iter().all(|project| ["One", "Two"].contains(&project["project"]["name"].as_str().expect("a name")))
    );
    assert!(report["storageBytes"].as_u64().expect("bytes") >= 8);
    let long_ago = amy.ask(usage, json!({ "until": "2020-01-01T00:00:00Z", "first": 1 })).await;
    assert_eq!(long_ago["viewer"]["usage"]["total"]["runCount"], 0);
    assert_eq!(long_ago["viewer"]["usage"]["projects"], json!([]));
    assert!(refusal(&amy.answer(usage, json!({ "first": 0 })).await).contains("From 1 to 50"));
    world.stop().await;
}

on_both_engines!(
    what_has_ended_is_found_run_again_and_replayed,
    days_without_runs_are_days,
    usage_tells_what_a_user_consumed,
);
