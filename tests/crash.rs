//! The program is killed, again and again, while runs are written through both doors and read by those who come back with their
//! cursors. Whatever was acknowledged is there, timelines are dense and end once, no reader is told anything twice or out of
//! order, and no run stays without a worker.
//!
//! A kill is worth something when it falls between a write and its acknowledgement: the client has to ask again and must not
//! make anything twice. The story counts how many did.

mod ledger;
mod place;
mod reader;
mod writer;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use self::{ledger::Ledger, place::Place};
use crate::support::{
    long::{long, say},
    postgres::database,
};

/// Workers elsewhere that write at once.
const WRITERS: usize = 16;
/// Between a start and the next kill.
const LIFE: std::ops::Range<u64> = 150..650;
/// After the last kill: a lease, the looks of the watchers, and the rest of the work.
const RECOVERY: Duration = Duration::from_mins(2);

async fn story(engine: &str, url: Option<String>) {
    let kills = if long() { 200 } else { 10 };
    let ledger = Ledger::default();
    let mut place = Place::new(url).await;
    let writers = place.writers(WRITERS, &ledger).await;
    for _ in 0..kills {
        place.start_built_in_runs(&ledger).await;
        sleep(Duration::from_millis(random(LIFE))).await;
        place.kill(&ledger).await;
        place.serve().await;
    }
    let recovery = Instant::now();
    ledger.no_more();
    for writer in writers {
        timeout(RECOVERY, writer)
            .await
            .expect("the writers come to an end")
            .expect("a writer finds all as it should be");
    }
    place.all_ended(&ledger, recovery + RECOVERY).await;
    let recovered = recovery.elapsed();
    place.check(&ledger).await;
    let (told, between) = ledger.told();
    let text = format!("{kills} kills on {engine}; all had ended {recovered:.1?} after the last\n{told}");
    if long() {
        say(&text);
    } else {
        println!("{text}");
    }
    // Of a few kills few may do so by chance.
    let asked = if long() { kills / 2 } else { 1 };
    assert!(between >= asked, "{between} of {kills} kills fell between a write and its acknowledgement:\n{told}");
    place.leave().await;
}

/// A number that nobody can foresee.
fn random(range: std::ops::Range<u64>) -> u64 {
    let mut noise = [0; 8];
    getrandom::fill(&mut noise).expect("noise");
    range.start + u64::from_le_bytes(noise) % (range.end - range.start)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_every_kill_on_sqlite() {
    story("SQLite", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_every_kill_on_postgres() {
    let Some(database) = database().await else { return };
    story("PostgreSQL", Some(database.url.clone())).await;
    database.remove().await;
}
