//! A program that is killed and started again, and the users who come back to it.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    process::Command,
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use workroom::{
    app::access::{NewToken, create_token},
    cli::house::open_store,
    model::user::TokenScope,
};

use super::{ledger::Ledger, reader, writer::Writer};
use crate::{
    support::program::to_the_end,
    worker::{
        assert_nothing_repeated,
        process::{PROGRAM, Process, documents},
    },
    world::{PATIENCE, User, settings_in},
};

/// Runs that the built-in worker is given in each life of the program.
const BUILT_IN: usize = 2;

pub struct Place {
    folder: TempDir,
    data: PathBuf,
    url: Option<String>,
    process: Option<Process>,
    /// Where the program listens; nowhere while it is dead.
    door: watch::Sender<Option<String>>,
    amy: Guest,
}

/// Somebody who comes back to the program, wherever it listens now.
#[derive(Clone)]
pub struct Guest {
    user: User,
    door: watch::Receiver<Option<String>>,
}

impl Guest {
    /// The user at the program that lives now.
    pub async fn here(&mut self) -> User {
        let base = self.door.wait_for(Option::is_some).await.expect("the place is there").clone().expect("an address");
        self.user.at_base(&base)
    }

    /// The data of a query, from whichever program lives long enough to answer it.
    pub async fn read(&mut self, query: &str, variables: Value) -> Value {
        loop {
            let answer = self.here().await.try_answer(query, variables.clone()).await;
            match answer {
                Some(mut answer) if answer.get("errors").is_none() => return answer["data"].take(),
                _ => sleep(Duration::from_millis(5)).await,
            }
        }
    }

    /// The answer to a mutation that may be repeated, from whichever program lives long enough to give one.
    pub async fn insist(&mut self, field: &str, input: &Value, selection: &str) -> Value {
        loop {
            if let Some(payload) = self.here().await.try_mutate(field, input, selection).await {
                return payload;
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Place {
    pub async fn new(url: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a data folder");
        let mut settings = settings_in(&data);
        if let Some(url) = &url {
            settings.database_url.clone_from(url);
        }
        let door = watch::Sender::new(None);
        let store = open_store(&settings).await.expect("the database opens");
        let (token, secret) = create_token(&store, NewToken::of("amy")).await.expect("a token");
        store.close().await;
        let amy = Guest { user: User::with_token(String::new(), token, secret), door: door.subscribe() };
        let mut place = Self { folder, data, url, process: None, door, amy };
        place.serve().await;
        place
    }

    /// Starts the program.
    pub async fn serve(&mut self) {
        let process = Process::launch(self.command("serve"), &self.data).await;
        self.door.send_replace(Some(process.base.clone()));
        self.process = Some(process);
    }

    /// The program with one of its commands.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(&self.data).args([name, "--log", "error"]);
        if let Some(url) = &self.url {
            command.args(["--database-url", url]);
        }
        command
    }

    /// Kills the program.
    pub async fn kill(&mut self, ledger: &Ledger) {
        ledger.killed();
        self.door.send_replace(None);
        self.process.take().expect("it lives").kill().await;
    }

    /// So many workers elsewhere, at work until the ledger is closed and no run waits for them.
    pub async fn writers(&mut self, count: usize, ledger: &Ledger) -> Vec<JoinHandle<()>> {
        let mut settings = settings_in(&self.data);
        if let Some(url) = &self.url {
            settings.database_url.clone_from(url);
        }
        let store = open_store(&settings).await.expect("the database opens");
        let mut writers = Vec::new();
        for number in 0..count {
            let new = NewToken { scope: TokenScope::Worker, ..NewToken::of("amy") };
            let (token, secret) = create_token(&store, new).await.expect("a token");
            let worker = Guest { user: User::with_token(String::new(), token, secret), door: self.door.subscribe() };
            let writer = Writer::new(number, self.amy.clone(), worker, ledger.clone());
            writers.push(tokio::spawn(writer.work()));
        }
        store.close().await;
        writers
    }

    /// Starts runs for the built-in worker, each in a project of its own.
    pub async fn start_built_in_runs(&mut self, ledger: &Ledger) {
        let amy = self.amy.here().await;
        let documents = documents();
        let files: Vec<(&str, &[u8])> =
            documents.iter().take(2).map(|(name, text)| (name.as_str(), text.as_slice())).collect();
        for _ in 0..BUILT_IN {
            let project = amy.project("Built in").await;
            amy.upload(&project, &files).await;
            let run = amy.start_run(&project, "What interest do late sums bear?").await;
            ledger.started(&run, tokio::spawn(reader::read(self.amy.clone(), run.clone())));
        }
    }

    /// Waits until every run has ended.
    pub async fn all_ended(&mut self, ledger: &Ledger, deadline: Instant) {
        let amy = self.amy.here().await;
        for run in ledger.runs() {
            while !matches!(amy.status(&run).await.as_str(), "COMPLETED") {
                let late = Instant::now() >= deadline;
                assert!(!late, "{run} stands still: {:#?}", amy.whole_timeline(&run).await);
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Compares what is there with what was acknowledged and with what every reader saw.
    pub async fn check(&mut self, ledger: &Ledger) {
        let amy = self.amy.here().await;
        for reader in ledger.readers() {
            let (run, kinds) =
                timeout(PATIENCE, reader).await.expect("a reader comes to the end").expect("all in order");
            assert_eq!(kinds, amy.timeline(&run).await, "{run}");
        }
        for run in ledger.runs() {
            let events = amy.whole_timeline(&run).await;
            assert_nothing_repeated(&events);
            let texts = texts(&amy, &run).await;
            for (sequence, text) in ledger.kept(&run) {
                let there = &texts[usize::try_from(sequence).expect("small") - 1];
                assert_eq!(there.as_ref(), Some(&text), "{run} at {sequence}");
            }
            let mut said: Vec<_> = texts.into_iter().flatten().collect();
            let count = said.len();
            said.sort_unstable();
            said.dedup();
            assert_eq!(said.len(), count, "{run} says something twice");
        }
        let (sound, said) = to_the_end(self.command("verify").arg("--data").arg(&self.data)).await;
        assert!(sound, "{said}");
    }

    pub async fn leave(mut self) {
        let status = self.process.take().expect("it lives").terminate().await;
        assert_eq!(status.code(), Some(0), "{status}");
        drop(self.folder);
    }
}

/// The texts of a run's messages, by their places.
async fn texts(amy: &User, run: &str) -> Vec<Option<String>> {
    let query = "query($run: ID!) { run(id: $run) { events(first: 500) { nodes { ... on AgentMessage { text } } } } }";
    let data = amy.ask(query, json!({ "run": run })).await;
    let nodes = data["run"]["events"]["nodes"].as_array().expect("events").clone();
    nodes.iter().map(|node| node["text"].as_str().map(str::to_owned)).collect()
}
