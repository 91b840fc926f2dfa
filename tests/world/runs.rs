//! Runs as clients start, watch and stop them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENCE, User, crew::Gate, id};

/// What is asked of a run in a payload.
pub const RUN: &str = "run { id number prompt status cancelRequestedAt completedAt answer lastSequence
    session { id status endReason } rerunOf { id } inputs { path sha256 } }
    userErrors { ... on IdempotencyConflictError { firstRequestAt } }";

/// One entry of a timeline, with what tells the kinds apart.
const EVENTS: &str = "query($run: ID!, $after: String) { run(id: $run) { events(first: 100, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { sequence type at ... on RunCancelled { by } ... on RunFailed { failure { code message retryable } }
        ... on RunResumed { reason worker } ... on RunStarted { worker } ... on BudgetWarning { budget used limit }
        ... on ToolCalled { callId tool } ... on ToolReturned { callId tool isError output }
        ... on UsageRecorded { usage { inputTokens outputTokens } } } } } }";

impl User {
    /// What `startRun` answers.
    pub async fn start(&self, project: &str, more: Value) -> Value {
        let mut input = json!({ "projectId": project, "prompt": "Go." });
        for (name, value) in more.as_object().expect("an object") {
            input[name] = value.clone();
        }
        self.mutate("startRun", input, RUN).await
    }

    /// What `rerun` answers.
    pub async fn rerun(&self, run: &str, more: Value) -> Value {
        let mut input = json!({ "runId": run });
        for (name, value) in more.as_object().expect("an object") {
            input[name] = value.clone();
        }
        self.mutate("rerun", input, RUN).await
    }

    /// Cancels a run that can be cancelled; answers with the run.
    pub async fn cancel(&self, run: &str) -> Value {
        let mut payload = self.mutate("cancelRun", json!({ "runId": run }), RUN).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        payload["run"].take()
    }

    /// What `openProject` answers.
    pub async fn open_project(&self, project: &str, ttl: Option<u64>) -> Value {
        let input = json!({ "projectId": project, "ttlSeconds": ttl });
        let selection = "provisioned session { id status createdAt expiresAt ttlSeconds endedAt endReason }";
        self.mutate("openProject", input, selection).await
    }

    /// A run's status.
    pub async fn status(&self, run: &str) -> String {
        let data = self.ask("query($run: ID!) { run(id: $run) { status } }", json!({ "run": run })).await;
        data["run"]["status"].as_str().expect("a status").to_owned()
    }

    /// Waits until a run stands at `status`.
    pub async fn until(&self, run: &str, status: &str) {
        let waiting = async {
            while self.status(run).await != status {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reached = tokio::time::timeout(PATIENCE, waiting).await;
        assert!(reached.is_ok(), "the run is {status} in time");
    }

    /// A run's whole timeline.
    pub async fn whole_timeline(&self, run: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut after = Value::Null;
        loop {
            let mut data = self.ask(EVENTS, json!({ "run": run, "after": after })).await;
            let page = data["run"]["events"].take();
            events.extend(page["nodes"].as_array().expect("events").iter().cloned());
            if page["pageInfo"]["hasNextPage"] != true {
                return events;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// Starts a run of this prompt and waits until it has ended.
    pub async fn finished_run(&self, project: &str, prompt: &str) -> String {
        let run = self.start_run(project, prompt).await;
        self.ended(&run).await;
        run
    }
}

/// So many runs, each in a project of its own, that wait at a gate which nobody has come to before.
pub async fn waiting_runs(user: &User, gate: &Gate, count: usize) -> Vec<String> {
    let mut runs = Vec::new();
    for _ in 0..count {
        let project = user.project("Waiting").await;
        runs.push(started(&user.start(&project, json!({})).await));
    }
    gate.until_begun(count).await;
    runs
}

/// The new run's id in a payload without errors.
pub fn started(payload: &Value) -> String {
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
    id(&payload["run"])
}

/// The kind of an entry.
pub fn kind(event: &Value) -> &str {
    event["type"].as_str().expect("a type")
}

/// The entries of one kind.
pub fn of_kind<'a>(events: &'a [Value], wanted: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| kind(event) == wanted).collect()
}

/// A whole timeline is numbered 1, 2, 3 …, begins with `RUN_QUEUED` and has one terminal event, at its end.
pub fn assert_whole(events: &[Value]) {
    let sequences: Vec<u64> = events.iter().filter_map(|event| event["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=events.len() as u64).collect::<Vec<_>>());
    assert_eq!(kind(&events[0]), "RUN_QUEUED");
    let terminal = |event: &&Value| matches!(kind(event), "RUN_COMPLETED" | "RUN_FAILED" | "RUN_CANCELLED");
    assert_eq!(events.iter().filter(terminal).count(), 1, "{events:#?}");
    assert!(terminal(&events.last().expect("events")));
}
