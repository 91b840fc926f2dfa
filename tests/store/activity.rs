//! What changed lately.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};
use workroom::{
    model::{
        activity::{Change, Changed},
        id::ProjectId,
        scope::Sweep,
    },
    store::{Store, activity, project, run},
};

use super::fixture::{Desk, keep, project_of, reading, unit, viewer};
use crate::support::on_both;

/// All changes after a place.
async fn after(store: &Store, place: activity::Place) -> Vec<Change> {
    rows_after(store, place).await.into_iter().map(|(_, change)| change).collect()
}

async fn rows_after(store: &Store, place: activity::Place) -> Vec<(activity::Place, Change)> {
    activity::after(&mut reading(store).await, &Sweep::new(), place, 100).await.expect("a read")
}

/// Waits until there are so many changes after a place. Other databases of the same server may have transactions under way, which
/// hold the newest back for a moment.
async fn settled(store: &Store, place: activity::Place, count: usize) -> Vec<(activity::Place, Change)> {
    loop {
        let rows = rows_after(store, place).await;
        if rows.len() >= count {
            return rows;
        }
        tokio::task::yield_now().await;
    }
}

async fn newest(store: &Store) -> activity::Place {
    activity::newest(&mut reading(store).await, &Sweep::new()).await.expect("a read")
}

on_both! {
    async fn every_change_is_noted_once_and_in_order(store: Store) {
        let start = newest(&store).await;
        let desk = Desk::of(&store, "ada").await;
        let kept = desk.queue(&store).await;
        let under_way = run::under_way(&mut reading(&store).await, &desk.viewer, Some(desk.project.id), 10).await;
        assert_eq!(under_way.expect("a read").iter().map(|run| run.id).collect::<Vec<_>>(), [kept.id]);
        let rows = settled(&store, start, 3).await;
        let seen: Vec<Changed> = rows.iter().map(|(_, change)| change.what).collect();
        assert_eq!(seen, [Changed::Project, Changed::Session(desk.session.id), Changed::Run(kept.id)]);
        let place = rows[2].0;
        assert_eq!(after(&store, place).await, []);
        let mut told = store.changed();
        let (scope, mut changed) = (desk.scope, desk.project.clone());
        changed.version = 2_u64.into();
        unit!(store, [changed] tx => project::update(tx, &scope, &changed, 1).await).expect("a change");
        let change = Change { user_id: scope.user_id(), project_id: scope.project_id(), what: Changed::Project };
        assert_eq!(settled(&store, place, 1).await.into_iter().map(|(_, change)| change).collect::<Vec<_>>(), [change]);
        told.changed().await.expect("the commit is heard");
        unit!(store, [] tx => activity::newest(tx, &Sweep::new()).await).expect("a read");
        if store.engine() == "PostgreSQL" {
            assert!(!told.has_changed().expect("the store is open"), "nor are other processes told of what changed nothing");
        }
    }

    async fn a_change_that_commits_late_is_not_passed_over(store: Store) {
        let ada = viewer(&store, "ada").await;
        let start = newest(&store).await;
        let (slow, quick) = (project_of(&ada, "slow"), project_of(&ada, "quick"));
        let (begun, mut has_begun) = mpsc::channel::<()>(1);
        let may_go_on = Arc::new(Semaphore::new(0));
        let late = tokio::spawn({
            let (store, slow, may_go_on) = (store.clone(), slow.clone(), may_go_on.clone());
            async move {
                unit!(store, [slow, begun, may_go_on] tx => {
                    project::insert(tx, &slow).await?;
                    let _ = begun.send(()).await;
                    let _ = may_go_on.acquire().await;
                    Ok(())
                })
            }
        });
        has_begun.recv().await.expect("the slow unit begins");
        // On SQLite this one waits for the writer; on PostgreSQL it commits before the one that began earlier.
        let early = tokio::spawn({ let (store, quick) = (store.clone(), quick.clone()); async move { keep(&store, &quick).await } });
        if store.engine() == "PostgreSQL" {
            while project::get(&mut reading(&store).await, &ada, quick.id).await.expect("a read").is_none() {
                tokio::task::yield_now().await;
            }
            // One that asks now must not go past the slow one.
            assert_eq!(newest(&store).await, start);
            assert_eq!(after(&store, start).await, []);
        }
        may_go_on.add_permits(1);
        late.await.expect("it ends").expect("it commits");
        early.await.expect("it ends");
        let seen: Vec<ProjectId> = settled(&store, start, 2).await.iter().map(|(_, change)| change.project_id).collect();
        assert_eq!(seen, [slow.id, quick.id]);
    }

    async fn old_changes_are_forgotten(store: Store) {
        let ada = viewer(&store, "ada").await;
        let start = newest(&store).await;
        for number in 0..20 {
            keep(&store, &project_of(&ada, &format!("p{number}"))).await;
        }
        let gone = unit!(store, [] tx => activity::trim(tx, &Sweep::new(), 5).await).expect("a trim");
        assert!(gone >= 15, "{gone}");
        assert_eq!(settled(&store, start, 5).await.len(), 5);
    }
}
