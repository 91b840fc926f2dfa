//! What the worker does besides executing: each a loop until the worker stops.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::Instant;

use super::{RENEWAL, Shop, execute::execute};
use crate::{
    app::{
        AGENT, activity,
        deletion::{self, Left},
        session, sweep,
    },
    clock,
    error::Result,
    hint::{Listener, Topic},
    model::{
        id::{ProjectId, RunId},
        run::is_elsewhere,
        scope::{RunLease, Sweep},
    },
    store::{
        deletion::Deleting,
        lease::{self, Claimant, Watched},
    },
    timeline::append,
};

/// The slow look at what bells ring for, in case a bell rang in another process.
const SLOW_LOOK: Duration = Duration::from_secs(1);
/// How often cancellations are looked for while runs are executed: they reach a tool within a second.
const CANCELLATIONS: Duration = Duration::from_millis(400);
const _: () =
    assert!(CANCELLATIONS.as_millis() <= 500, "half of the second that is promised is for the look and the stop");
/// How often leases are looked at.
const WATCH: Duration = Duration::from_secs(2);
/// How many leases long a worker elsewhere may take to stop when it is told to.
const STOPPING_LEASES: u32 = 4;
/// How often old changes are forgotten.
const FORGET: Duration = Duration::from_mins(1);
/// How often sessions and deleted projects are looked at.
const REAP: Duration = Duration::from_secs(5);
/// How often contents are swept.
const SWEEP: Duration = Duration::from_hours(1);
/// How many leases long a deleted project's own row stays. No request that was under way takes so long, and no worker holds on
/// so long.
const QUIET_LEASES: u32 = 4;

/// Takes runs up as long as there are places: first those that another worker left, then queued ones.
pub(super) async fn take_up(shop: Shop) {
    let mut bell = shop.app.hints.listen(Topic::Queue);
    loop {
        let Some(place) = until_stopped(&shop, shop.places.clone().acquire_owned()).await else { return };
        let Ok(place) = place else { return };
        match next(&shop).await {
            Ok(Some(lease)) => {
                shop.app.hints.ring(Topic::Run(lease.run_id()));
                execute(&shop, lease, place);
            }
            outcome => {
                drop(place);
                if let Err(error) = outcome {
                    tracing::warn!(?error, "runs cannot be taken up just now");
                }
                if pause(&shop, Some(&mut bell), SLOW_LOOK).await {
                    return;
                }
            }
        }
    }
}

async fn next(shop: &Shop) -> Result<Option<RunLease>> {
    loop {
        // Taken in a statement of its own, so that the list is not held while the database is asked.
        let due = shop.due().pop();
        let Some(due) = due else { break };
        let name = shop.name.clone();
        let taken =
            shop.app.store.write(move |tx| async move { append::resume(tx, &due, &name, clock::now()).await }.boxed());
        if let Some(lease) = taken.await? {
            tracing::info!(run = %lease.run_id(), "took a run over");
            return Ok(Some(lease));
        }
    }
    let claimant = Claimant { name: shop.name.to_string(), agents: vec![AGENT.to_owned()], user_id: None };
    let claimed = shop.app.store.write(move |tx| {
        let claimant = claimant.clone();
        async move { append::start(tx, &claimant, clock::now()).await }.boxed()
    });
    claimed.await
}

/// Renews the leases of the runs that are executed here.
pub(super) async fn renew(shop: Shop) {
    let every = RENEWAL.min(shop.setup.crew.lease / 3);
    let mut wait = every;
    while !pause(&shop, None, wait).await {
        wait = every;
        let leases = shop.leases();
        if leases.is_empty() {
            continue;
        }
        let renewal = shop.app.store.write(move |tx| {
            async move {
                let mut lost = Vec::new();
                for lease in leases {
                    if !lease::renew(tx, &lease).await? {
                        lost.push(lease.run_id());
                    }
                }
                Ok(lost)
            }
            .boxed()
        });
        match renewal.await {
            Ok(lost) => {
                let held = shop.held();
                lost.iter().filter_map(|run| held.get(run)).for_each(|held| held.stopped.cancel());
            }
            Err(error) => {
                tracing::warn!(?error, "leases cannot be renewed just now");
                // What was given up after a long silence is tried again before the leases lapse.
                wait = every / 5;
            }
        }
    }
}

/// Tells the runs that are executed here that they are to stop.
pub(super) async fn pass_on_cancellations(shop: Shop) {
    let mut bell = shop.app.hints.listen(Topic::Cancellations);
    while !pause(&shop, Some(&mut bell), CANCELLATIONS).await {
        let leases = shop.leases();
        if leases.is_empty() {
            continue;
        }
        match to_stop(&shop, &leases).await {
            Ok((cancelled, lost)) => {
                let held = shop.held();
                cancelled.iter().filter_map(|run| held.get(run)).for_each(|held| held.cancelled.cancel());
                // The run may be here again, with another lease.
                let still =
                    lost.iter().filter_map(|lease| held.get(&lease.run_id()).filter(|held| held.lease == *lease));
                still.for_each(|held| held.stopped.cancel());
            }
            Err(error) => tracing::warn!(?error, "cancellations cannot be looked for just now"),
        }
    }
}

/// The runs that are to end, and the leases that are lost: the project was deleted, or another worker has the run.
async fn to_stop(shop: &Shop, leases: &[RunLease]) -> Result<(Vec<RunId>, Vec<RunLease>)> {
    let mut conn = shop.app.store.read().await?;
    Ok((lease::to_stop(&mut conn, &Sweep::new()).await?, lease::lost_among(&mut conn, leases).await?))
}

/// Watches leases. One may be taken over when its holder handed it back, or when it did not move for its whole length on this
/// worker's own clock. Nothing is taken early, least of all at the start. Runs of agents that are served elsewhere are set free
/// for the workers there.
pub(super) async fn watch(shop: Shop) {
    let mut seen: HashMap<RunId, (Watched, Instant)> = HashMap::new();
    let mut stopping = HashMap::new();
    let every = WATCH.min(shop.setup.crew.lease / 4);
    loop {
        match look(&shop, &mut seen).await {
            Ok((due, elsewhere)) => {
                let some = !due.is_empty();
                *shop.due() = due;
                if let Err(error) = set_free(&shop, elsewhere, &mut stopping).await {
                    tracing::warn!(?error, "runs of workers elsewhere cannot be set free just now");
                }
                if some {
                    shop.app.hints.ring_here(Topic::Queue);
                }
            }
            Err(error) => {
                // Holders could not renew either while the database was away.
                seen.clear();
                tracing::warn!(?error, "leases cannot be watched just now");
            }
        }
        if pause(&shop, None, every).await {
            return;
        }
    }
}

/// A lease of a worker elsewhere.
struct Elsewhere {
    seen: Watched,
    /// Nobody holds it, or it has not moved for its length.
    is_left: bool,
}

/// The leases that may be taken over now, and those of workers elsewhere; remembers since when each stands still.
async fn look(shop: &Shop, seen: &mut HashMap<RunId, (Watched, Instant)>) -> Result<(Vec<Watched>, Vec<Elsewhere>)> {
    let leases = lease::watch(&mut shop.app.store.read().await?, &Sweep::new()).await?;
    let now = Instant::now();
    let mut due = Vec::new();
    let mut still = HashMap::with_capacity(leases.len());
    let mut elsewhere = Vec::new();
    for lease in leases.into_iter().filter(|lease| !shop.held().contains_key(&lease.id)) {
        let since = seen.get(&lease.id).filter(|(before, _)| *before == lease).map_or(now, |(_, since)| *since);
        let is_left = lease.free || now.duration_since(since) >= shop.setup.crew.lease;
        if is_elsewhere(&lease.agent) {
            elsewhere.push(Elsewhere { seen: lease.clone(), is_left });
        } else if is_left {
            due.push(lease.clone());
        }
        still.insert(lease.id, (lease, since));
    }
    *seen = still;
    Ok((due, elsewhere))
}

/// Sets runs free that no worker elsewhere holds any more, and ends those that are to stop and are left, or whose workers take too
/// long to do so. `stopping` is since when each is known to be about to stop.
async fn set_free(shop: &Shop, runs: Vec<Elsewhere>, stopping: &mut HashMap<RunId, Instant>) -> Result<()> {
    if runs.is_empty() {
        stopping.clear();
        return Ok(());
    }
    let to_stop = lease::to_stop(&mut shop.app.store.read().await?, &Sweep::new()).await?;
    stopping.retain(|run, _| to_stop.contains(run));
    for run in &to_stop {
        stopping.entry(*run).or_insert_with(Instant::now);
    }
    for Elsewhere { seen, is_left } in runs {
        let since = stopping.get(&seen.id).map(Instant::elapsed);
        let ends = since.is_some_and(|since| is_left || since >= shop.setup.crew.lease * STOPPING_LEASES);
        if !ends && (seen.free || !is_left) {
            continue;
        }
        let (run, name) = (seen.id, shop.name.clone());
        let done = shop.app.store.write(move |tx| {
            let (seen, name) = (seen.clone(), name.clone());
            async move {
                if ends {
                    append::stop(tx, &Sweep::new(), &seen, &name, clock::now()).await
                } else {
                    lease::release(tx, &Sweep::new(), &seen).await
                }
            }
            .boxed()
        });
        match done.await {
            Ok(true) => {
                tracing::info!(%run, ends, "a run was left by its worker elsewhere");
                shop.app.hints.ring(Topic::Run(run));
                shop.app.hints.ring(Topic::Queue);
            }
            Ok(false) => {}
            // One that cannot be set free does not hold the others up.
            Err(error) => tracing::warn!(%run, ?error, "a run cannot be set free just now"),
        }
    }
    Ok(())
}

/// Ends the sessions whose time is up.
pub(super) async fn reap(shop: Shop) {
    // First of all at the start: sessions may have ended while no server was there.
    loop {
        match session::expire_due(&shop.app, Sweep::new()).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(count, "workspace sessions reached the end of their time");
                // There may be more of them.
                if !shop.stop.is_cancelled() {
                    continue;
                }
            }
            Err(error) => tracing::warn!(?error, "expired sessions cannot be ended just now"),
        }
        if pause(&shop, None, REAP.min(shop.setup.crew.lease)).await {
            return;
        }
    }
}

/// Sweeps up after deleted projects.
pub(super) async fn delete(shop: Shop) {
    let mut bell = shop.app.hints.listen(Topic::Deletions);
    let every = REAP.min(shop.setup.crew.lease);
    // A bell rings for a new one; those of which only the last row is left are looked at now and then.
    let (mut waiting, mut looked) = (HashSet::new(), Instant::now());
    loop {
        if looked.elapsed() >= every {
            waiting.clear();
            looked = Instant::now();
        }
        if let Err(error) = delete_all(&shop, &mut waiting).await {
            tracing::warn!(?error, "deleted projects cannot be looked for just now");
        }
        if pause(&shop, Some(&mut bell), every).await {
            return;
        }
    }
}

/// Forgets old changes, which nobody will be told any more.
pub(super) async fn forget(shop: Shop) {
    while !pause(&shop, None, FORGET).await {
        if let Err(error) = activity::trim(&shop.app, Sweep::new()).await {
            tracing::warn!(?error, "old changes cannot be forgotten just now");
        }
    }
}

/// Takes away the bytes that nothing names.
pub(super) async fn sweep_files(shop: Shop) {
    let every = SWEEP.min(shop.app.rules.keep_unreferenced / 4);
    loop {
        match until_stopped(&shop, sweep::sweep(&shop.app, Sweep::new())).await {
            None => return,
            Some(Ok(0)) => {}
            Some(Ok(count)) => tracing::info!(count, "contents that nothing named were taken away"),
            Some(Err(error)) => tracing::warn!(?error, "contents cannot be swept just now"),
        }
        if pause(&shop, None, every).await {
            return;
        }
    }
}

async fn delete_all(shop: &Shop, waiting: &mut HashSet<ProjectId>) -> Result<()> {
    let mut after = Deleting::BEFORE_ALL;
    loop {
        let due = deletion::due(&shop.app, Sweep::new(), after).await?;
        let Some(&last) = due.last() else { return Ok(()) };
        after = last;
        for project in due {
            if waiting.contains(&project.id) {
                continue;
            }
            match delete_one(shop, project).await {
                Ok(Left::Wait) => {
                    waiting.insert(project.id);
                }
                Ok(_) => {}
                // One that cannot be swept does not hold the others up.
                Err(error) => {
                    tracing::warn!(project = %project.id, ?error, "a deleted project cannot be swept up after just now");
                }
            }
        }
        if shop.stop.is_cancelled() {
            return Ok(());
        }
    }
}

async fn delete_one(shop: &Shop, project: Deleting) -> Result<Left> {
    let quiet = shop.setup.crew.lease * QUIET_LEASES;
    loop {
        let left = deletion::step(&shop.app, Sweep::new(), project, quiet).await?;
        if left != Left::More || shop.stop.is_cancelled() {
            return Ok(left);
        }
    }
}

/// Waits for a ring or for the slow look; says whether the worker stops.
async fn pause(shop: &Shop, bell: Option<&mut Listener>, at_most: Duration) -> bool {
    let heard = async {
        match bell {
            Some(bell) => bell.heard().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = shop.stop.cancelled() => true,
        () = heard => false,
        () = tokio::time::sleep(at_most) => false,
    }
}

async fn until_stopped<T>(shop: &Shop, wait: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        () = shop.stop.cancelled() => None,
        done = wait => Some(done),
    }
}
