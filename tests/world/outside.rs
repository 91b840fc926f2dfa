//! A worker that lives elsewhere, as a program of somebody's would be one.

use serde_json::{Value, json};

use super::User;

/// The agent that it serves.
pub const AGENT: &str = "acme/echo";

const LEASE: &str = "lease { token expiresAt }";
const RUN: &str = "run { id status lastSequence cancelRequestedAt }";

/// A run in its hands.
#[derive(Clone)]
pub struct Claimed {
    pub worker: User,
    pub run: String,
    pub token: String,
    /// The sequence of the last event that it knows of.
    pub last: u64,
}

impl User {
    /// What `claimRun` answers a worker of this name.
    pub async fn claim_payload(&self, name: &str, wait: u64) -> Value {
        let input = json!({ "agents": [AGENT], "worker": name, "waitSeconds": wait });
        self.mutate("claimRun", input, &format!("{RUN} {LEASE}")).await
    }

    /// Claims a run.
    pub async fn claims(&self, name: &str, wait: u64) -> Option<Claimed> {
        let payload = self.claim_payload(name, wait).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let run = payload["run"].as_object()?;
        Some(Claimed {
            worker: self.clone(),
            run: text(&run["id"]),
            token: text(&payload["lease"]["token"]),
            last: run["lastSequence"].as_u64().expect("a sequence"),
        })
    }

    /// A run for an outside worker in a project.
    pub async fn start_outside(&self, project: &str, prompt: &str) -> String {
        let payload = self.start(project, json!({ "agent": AGENT, "prompt": prompt })).await;
        super::runs::started(&payload)
    }
}

/// The agent says something.
pub fn said(text: &str) -> Value {
    json!({ "agentMessage": { "text": text } })
}

impl Claimed {
    /// What `appendRunEvents` answers, at the place that is said.
    pub async fn append_at(&self, expected: u64, events: &[Value]) -> Value {
        let input = json!({ "leaseToken": self.token, "expectedSequence": expected, "events": events });
        self.worker.mutate("appendRunEvents", input, &format!("lastSequence {RUN}")).await
    }

    /// Appends, and goes on from there; the run as it stands then.
    pub async fn appends(&mut self, events: &[Value]) -> Value {
        let mut payload = self.append_at(self.last, events).await;
        assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
        self.last = payload["lastSequence"].as_u64().expect("a sequence");
        payload["run"].take()
    }

    /// What `renewLease` answers.
    pub async fn renew(&self) -> Value {
        self.worker.mutate("renewLease", json!({ "leaseToken": self.token }), &format!("{RUN} {LEASE}")).await
    }

    /// What `finishRun` answers.
    pub async fn finish(&self, outcome: Value) -> Value {
        let input = json!({ "leaseToken": self.token, "outcome": outcome });
        self.worker
            .mutate("finishRun", input, "run { id status answer lastSequence failure { code message retryable } }")
            .await
    }

    /// Ends the run as done.
    pub async fn completes(&self, answer: &str) {
        let payload = self.finish(json!({ "completed": { "answer": answer } })).await;
        assert_eq!(
            (&payload["userErrors"], &payload["run"]["status"]),
            (&json!([]), &json!("COMPLETED")),
            "{payload:#}"
        );
    }
}

/// The code of a payload's one error.
pub fn code(payload: &Value) -> &str {
    let errors = payload["userErrors"].as_array().expect("errors");
    assert_eq!(errors.len(), 1, "{payload:#}");
    errors[0]["code"].as_str().expect("a code")
}
