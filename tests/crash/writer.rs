//! A worker elsewhere that writes, and writes again what it does not know to be written.

use serde_json::{Value, json};

use super::{ledger::Ledger, place::Guest, random, reader};
use crate::world::outside::{AGENT, said};

/// Appends to each run.
const APPENDS: usize = 80;
/// How often the lease is renewed, in appends.
const RENEWAL: usize = 20;

pub struct Writer {
    number: usize,
    /// Who starts the runs.
    amy: Guest,
    /// Who executes them.
    worker: Guest,
    ledger: Ledger,
    /// Runs so far, so that no two have the same key.
    started: usize,
    /// Texts so far, so that no two are the same.
    told: usize,
}

/// A run that is written.
struct Taken {
    run: String,
    lease: String,
    last: u64,
}

impl Writer {
    pub fn new(number: usize, amy: Guest, worker: Guest, ledger: Ledger) -> Self {
        Self { number, amy, worker, ledger, started: 0, told: 0 }
    }

    /// Starts runs and executes them, until there are to be no more; then what others left.
    pub async fn work(mut self) {
        let name = json!({ "name": format!("Of writer {}", self.number) });
        let project = self.amy.insist("createProject", &name, "project { id }").await["project"]["id"].take();
        while !self.ledger.is_closed() {
            self.start(&project).await;
            self.execute_one().await;
        }
        while self.execute_one().await || self.some_wait(&project).await {}
    }

    async fn start(&mut self, project: &Value) {
        self.started += 1;
        let key = format!("{}-{}", self.number, self.started);
        let input = json!({ "projectId": project, "prompt": "Go.", "agent": AGENT, "idempotencyKey": key });
        let payload = self.amy.insist("startRun", &input, "run { id }").await;
        let run = payload["run"]["id"].as_str().unwrap_or_else(|| panic!("{payload:#}")).to_owned();
        self.ledger.started(&run, tokio::spawn(reader::read(self.amy.clone(), run.clone())));
    }

    /// Whether runs of this writer's have not ended: one may be free only when its lease has run out.
    async fn some_wait(&mut self, project: &Value) -> bool {
        let query = "query($id: ID!) { project(id: $id) {
            runs(first: 1, filterBy: { status: [QUEUED, RUNNING] }) { nodes { id } } } }";
        let data = self.amy.read(query, json!({ "id": project })).await;
        !data["project"]["runs"]["nodes"].as_array().expect("runs").is_empty()
    }

    /// Claims a run and executes it; says whether there was one.
    async fn execute_one(&mut self) -> bool {
        let input = json!({ "agents": [AGENT], "worker": format!("writer-{}", self.number), "waitSeconds": 1 });
        let mut claimed = self.worker.insist("claimRun", &input, "run { id lastSequence } lease { token }").await;
        let Some(last) = claimed["run"]["lastSequence"].as_u64() else { return false };
        let text = |value: Value| value.as_str().expect("text").to_owned();
        let mut taken =
            Taken { run: text(claimed["run"]["id"].take()), lease: text(claimed["lease"]["token"].take()), last };
        let resumed = self.resumed(&taken.run).await;
        for append in 0..APPENDS {
            if append % RENEWAL == 0 {
                self.worker.insist("renewLease", &json!({ "leaseToken": taken.lease }), "run { id }").await;
            }
            if self.append(&mut taken).await.is_none() {
                return true;
            }
        }
        let input = json!({ "leaseToken": taken.lease, "outcome": { "completed": { "answer": "done" } } });
        let payload = self.worker.insist("finishRun", &input, "run { status }").await;
        // However often it was asked: only if another had the run in the meantime, it is another answer.
        if payload["run"]["status"] != "COMPLETED" {
            assert!(lost(&payload), "{payload:#}");
            let ended = usize::from(payload["userErrors"][0]["code"] == "RUN_ENDED");
            assert!(self.resumed(&taken.run).await >= resumed + 2 * ended, "{payload:#}");
        }
        true
    }

    /// Appends some messages. `None` if the run is another's now.
    async fn append(&mut self, taken: &mut Taken) -> Option<()> {
        let count = random(1..4);
        let texts: Vec<String> = (0..count).map(|index| format!("{} {} {index}", self.number, self.told)).collect();
        self.told += 1;
        let events: Vec<Value> = texts.iter().map(|text| said(text)).collect();
        let input = json!({ "leaseToken": taken.lease, "expectedSequence": taken.last, "events": events });
        let mut payload = self.worker.here().await.try_mutate("appendRunEvents", &input, "lastSequence").await;
        if payload.is_none() {
            let stands = self.stands_at(&taken.run).await;
            self.ledger.found(stands >= taken.last + count);
            payload = Some(self.worker.insist("appendRunEvents", &input, "lastSequence").await);
        }
        let payload = payload.unwrap_or_default();
        if lost(&payload) {
            return None;
        }
        let last = payload["lastSequence"].as_u64().unwrap_or_else(|| panic!("{payload:#}"));
        assert_eq!(last, taken.last + count, "each is there once");
        taken.last = last;
        self.ledger.acknowledged(&taken.run, &texts, last);
        Some(())
    }

    /// How often a run was taken up again; one more when it has ended, for ends are never hidden.
    async fn resumed(&mut self, run: &str) -> usize {
        let query = "query($run: ID!) { run(id: $run) { events(first: 1, types: [RUN_RESUMED]) { totalCount } } }";
        let data = self.amy.read(query, json!({ "run": run })).await;
        data["run"]["events"]["totalCount"].as_u64().expect("a count").try_into().expect("small")
    }

    /// The sequence of a run's last event, asked of the program that lives after a kill.
    async fn stands_at(&mut self, run: &str) -> u64 {
        let query = "query($run: ID!) { run(id: $run) { lastSequence } }";
        let data = self.amy.read(query, json!({ "run": run })).await;
        data["run"]["lastSequence"].as_u64().expect("a sequence")
    }
}

/// The run is another worker's, or has ended in another's hands.
fn lost(payload: &Value) -> bool {
    matches!(payload["userErrors"][0]["code"].as_str(), Some("LEASE_LOST" | "RUN_ENDED"))
}
