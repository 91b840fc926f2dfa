//! Many clients at once, each of whom does everything: nothing breaks, nothing leaks, and memory stays flat.

mod client;
mod tally;

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;
use tokio::time::{Instant, sleep, timeout};
use workroom::{
    app::access::{NewToken, create_token},
    cli::house::open_store,
    config::Settings,
};

use self::{
    client::Client,
    tally::{Counts, Tally},
};
use super::ground::{Log, Vitals};
use crate::{
    files::below,
    support::{
        long::{long, say},
        postgres::database,
    },
    worker::process::Process,
    world::{PATIENCE, User, settings_in},
};

/// How many at once, and how long.
struct Scale {
    clients: usize,
    time: Duration,
}

impl Scale {
    fn here() -> Self {
        if long() {
            Self { clients: 200, time: Duration::from_mins(5) }
        } else {
            Self { clients: 40, time: Duration::from_secs(6) }
        }
    }
}

/// What memory may grow by under an even load, in MiB: what is cached, and what the allocator keeps of a peak.
const GROWTH: u64 = 64;

/// A server that a crowd comes to.
struct Place {
    folder: TempDir,
    log: Log,
    process: Process,
    users: Vec<User>,
    foreign: String,
}

impl Place {
    async fn new(database: Option<&str>, clients: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("a data folder");
        let mut settings = settings_in(&data);
        let log = Log::in_folder(folder.path());
        let mut command = log.serve();
        if let Some(url) = database {
            command.args(["--database-url", url]);
            url.clone_into(&mut settings.database_url);
        }
        let process = Process::launch(command, &data).await;
        let users = users(&settings, &process.base, clients).await;
        let foreign = apart(&users[0]).project("Foreign to all others").await;
        Self { folder, log, process, users, foreign }
    }

    fn vitals(&self) -> Vitals {
        Vitals::of(self.process.id(), &self.process.base)
    }

    /// Has all clients come at once, for so long; says how large the server was at each moment, in MiB.
    async fn crowd(&self, time: Duration, tally: &Arc<Tally>) -> Vec<u64> {
        let end = Instant::now() + time;
        let clients = self.users.iter().enumerate().skip(1).map(|(number, user)| {
            let client = Client::new(apart(user), number as u64, self.foreign.clone(), Arc::clone(tally));
            tokio::spawn(client.until(end))
        });
        let clients: Vec<_> = clients.collect();
        let mut sizes = Vec::new();
        while Instant::now() < end {
            sizes.push(self.vitals().memory);
            sleep(Duration::from_millis(500)).await;
        }
        for client in clients {
            client.await.expect("a client comes to its end");
        }
        sizes
    }

    /// Waits until nobody is connected and no upload is on its way.
    async fn quiet(&self) -> Vitals {
        let quiet = async {
            loop {
                let vitals = self.vitals();
                if vitals.clients == 0 && vitals.nameless == 0 {
                    return vitals;
                }
                sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(PATIENCE, quiet).await.unwrap_or_else(|_| panic!("it stays busy: {:?}", self.vitals()))
    }
}

/// The same user with connections of their own, which close when this goes.
fn apart(user: &User) -> User {
    let mut user = user.clone();
    user.http = reqwest::Client::new();
    user
}

/// So many users, each with a token.
async fn users(settings: &Settings, base: &str, count: usize) -> Vec<User> {
    let store = open_store(settings).await.expect("the database opens");
    let mut users = Vec::new();
    for number in 0..=count {
        let (token, secret) = create_token(&store, NewToken::of(format!("user-{number}"))).await.expect("a token");
        users.push(User::with_token(base.to_owned(), token, secret));
    }
    store.close().await;
    users
}

async fn story(engine: &str, database: Option<&str>) {
    let scale = Scale::here();
    let place = Place::new(database, scale.clients).await;
    let fresh = place.vitals();
    let tally = Arc::new(Tally::default());
    // What a server opens and caches for a crowd is there after the first one.
    place.crowd(scale.time / 5, &tally).await;
    let before = place.quiet().await;
    let mut counts = tally.take();
    assert_eq!(counts.faults, Vec::<String>::new(), "before it is counted");

    let sizes = place.crowd(scale.time, &tally).await;
    let after = place.quiet().await;
    counts = tally.take();
    tell(engine, &scale, &counts, [fresh, before, after], &sizes);

    assert_eq!(counts.faults, Vec::<String>::new());
    place.log.assert_clean();
    assert!(after.open <= before.open + 32, "what was opened is closed: {before:?} {after:?}");
    assert!(sizes.len() >= 6, "{sizes:?}");
    let third = mean(&sizes[sizes.len() / 3..sizes.len() / 3 + sizes.len() / 6]);
    let end = mean(&sizes[sizes.len() - sizes.len() / 6..]);
    assert!(end <= third + third / 4 + GROWTH, "memory is flat: {third} MiB, then {end} MiB");
    assert_eq!(below(&place.folder.path().join("data/staging")), Vec::<std::path::PathBuf>::new());
    let status = place.process.terminate().await;
    assert_eq!(status.code(), Some(0), "{status}");
    place.log.assert_clean();
}

fn mean(sizes: &[u64]) -> u64 {
    sizes.iter().sum::<u64>() / sizes.len().max(1) as u64
}

fn tell(engine: &str, scale: &Scale, counts: &Counts, [fresh, before, after]: [Vitals; 3], sizes: &[u64]) {
    let asked: u64 = counts.asked.values().sum();
    let every = (sizes.len() / 12).max(1);
    let sizes: Vec<String> = sizes.iter().step_by(every).map(ToString::to_string).collect();
    let text = format!(
        "{} clients on {engine} for {:?}: {asked} requests\n  asked: {:?}\n  answered: {:?}\n  memory under load, in MiB: {}\n  \
        fresh {fresh:?}\n  before {before:?}\n  after {after:?}",
        scale.clients,
        scale.time,
        counts.asked,
        counts.answered,
        sizes.join(" "),
    );
    if long() {
        say(&text);
    } else {
        println!("{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_does_everything_at_once_is_served_on_sqlite() {
    story("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_does_everything_at_once_is_served_on_postgres() {
    let Some(database) = database().await else { return };
    story("PostgreSQL", Some(&database.url)).await;
    database.remove().await;
}
