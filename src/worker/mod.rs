//! The built-in worker: claims queued runs and executes them, keeps their leases, takes over what others left, and reaps.
//!
//! It meets the API only in the database, and is woken by hints. Its chores are periodic and on hint, idempotent, and take no
//! input: whatever was missed is found at the next look.

mod chores;
mod execute;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    agent::{
        model::{Model, extractive::Extractive},
        tool::{self, Tool},
    },
    app::App,
    clock,
    config::RunLimits,
    model::{id::RunId, scope::RunLease},
    store::lease::Watched,
};

/// How long a lease is held without renewal before another worker may take it.
pub const LEASE: Duration = Duration::from_secs(15);
/// How often leases are renewed.
const RENEWAL: Duration = Duration::from_secs(5);
/// How long the chores have to stop at a shutdown. With what follows it stays under ten seconds.
const CHORES_GRACE: Duration = Duration::from_secs(1);
/// How long runs have to stop at a shutdown.
const GRACE: Duration = Duration::from_secs(4);

/// How a worker works.
#[derive(Clone)]
pub struct Setup {
    /// What it works with.
    pub crew: Crew,
    /// Runs executed at once.
    pub max_runs: usize,
    /// What a run may use up.
    pub limits: RunLimits,
}

/// What a worker works with.
#[derive(Clone)]
pub struct Crew {
    /// The models that runs can be given; the first is taken when a run asks for none.
    pub models: Vec<Arc<dyn Model>>,
    /// The tools that agents may use.
    pub tools: Vec<Arc<dyn Tool>>,
    /// How long a lease is held without renewal before another worker may take it; [`LEASE`] but in tests.
    pub lease: Duration,
}

/// What this build brings.
impl Default for Crew {
    fn default() -> Self {
        Self { models: vec![Arc::new(Extractive)], tools: tool::all(), lease: LEASE }
    }
}

/// A worker at work.
pub struct Worker {
    shop: Shop,
    chores: JoinSet<()>,
}

/// What the worker's tasks share. Cheap to clone.
#[derive(Clone)]
struct Shop {
    app: App,
    setup: Setup,
    /// Who appears in timelines as the worker.
    name: Arc<str>,
    held: Arc<Mutex<HashMap<RunId, Held>>>,
    /// Leases that may be taken over; they go before queued runs, whose turn they hold up.
    due: Arc<Mutex<Vec<Watched>>>,
    places: Arc<Semaphore>,
    runs: TaskTracker,
    stop: CancellationToken,
}

/// A run that this worker executes.
struct Held {
    lease: RunLease,
    cancelled: CancellationToken,
    stopped: CancellationToken,
}

impl Worker {
    /// Starts to work.
    pub fn start(app: App, setup: Setup) -> Self {
        let shop = Shop {
            name: format!("builtin-{}", &clock::new_id().simple().to_string()[20..]).into(),
            held: Arc::default(),
            due: Arc::default(),
            places: Arc::new(Semaphore::new(setup.max_runs)),
            runs: TaskTracker::new(),
            stop: CancellationToken::new(),
            app,
            setup,
        };
        let mut chores = JoinSet::new();
        chores.spawn(chores::take_up(shop.clone()));
        chores.spawn(chores::renew(shop.clone()));
        chores.spawn(chores::pass_on_cancellations(shop.clone()));
        chores.spawn(chores::watch(shop.clone()));
        chores.spawn(chores::reap(shop.clone()));
        chores.spawn(chores::delete(shop.clone()));
        chores.spawn(chores::forget(shop.clone()));
        chores.spawn(chores::sweep_files(shop.clone()));
        Self { shop, chores }
    }

    /// Who appears in timelines as the worker.
    pub fn name(&self) -> &str {
        &self.shop.name
    }

    /// Stops: running runs are handed back, for another worker to go on with at once.
    pub async fn stop(mut self) {
        self.shop.stop.cancel();
        let quiet = async { while self.chores.join_next().await.is_some() {} };
        if tokio::time::timeout(CHORES_GRACE, quiet).await.is_err() {
            // They wait for a database that does not answer.
            self.chores.shutdown().await;
        }
        for held in self.shop.held().values() {
            held.stopped.cancel();
        }
        self.shop.runs.close();
        if tokio::time::timeout(GRACE, self.shop.runs.wait()).await.is_err() {
            tracing::warn!("runs did not stop in time; their leases will run out");
        }
    }
}

impl Shop {
    fn held(&self) -> MutexGuard<'_, HashMap<RunId, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn due(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leases(&self) -> Vec<RunLease> {
        self.held().values().map(|held| held.lease).collect()
    }
}
