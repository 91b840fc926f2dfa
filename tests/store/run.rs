//! Runs: rows, pages, and what they are about.

use std::collections::HashSet;

use workroom::{
    model::{
        file::{FileArea, PinnedFile},
        id::{ProjectId, RunId},
        project::OrderDirection,
        run::{Run, RunFilter, RunOrder, RunOrderField, RunStatus},
        scope::Viewer,
    },
    store::{
        Store, project,
        run::{self, RunListing, RunsOf},
    },
};

use super::fixture::{Desk, change, first, reading, run_in, unit, walk};
use crate::support::on_both;

fn listing(filter: RunFilter, direction: OrderDirection) -> RunListing {
    RunListing { filter, order: RunOrder { field: RunOrderField::CreatedAt, direction }, request: first(50) }
}

fn standing(status: &[RunStatus]) -> RunFilter {
    RunFilter { status: Some(status.to_vec()), ..RunFilter::default() }
}

async fn ids(store: &Store, viewer: &Viewer, of: &[RunsOf], listing: &RunListing) -> Vec<Vec<RunId>> {
    let pages = run::pages(&mut reading(store).await, viewer, of, listing).await.expect("pages");
    pages.into_iter().map(|page| page.items.into_iter().map(|run| run.id).collect()).collect()
}

on_both! {
    async fn a_run_comes_back_as_it_was_kept(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let original = desk.queue(&store).await;
        let kept = Run {
            prompt: "Ω \u{1F680} '; --\n".repeat(1000), rerun_of: Some(original.id), ..run_in(&desk.scope, desk.session.id, 2)
        };
        unit!(store, [kept] tx => run::insert(tx, &kept).await).expect("a run");
        let mut conn = reading(&store).await;
        assert_eq!(run::get(&mut conn, &desk.viewer, kept.id).await.expect("a read"), Some(kept.clone()));
        let mut both = run::by_ids(&mut conn, &desk.viewer, &[kept.id, original.id, RunId::new()]).await.expect("a read");
        both.sort_by_key(|run| run.id);
        assert_eq!(both, [original, kept]);
    }

    async fn two_runs_of_a_project_never_share_a_number(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let taken = desk.queue(&store).await;
        let double = run_in(&desk.scope, desk.session.id, taken.number.get());
        assert!(unit!(store, [double] tx => run::insert(tx, &double).await).is_err());
    }

    async fn pages_of_runs_meet_end_to_end_in_both_directions(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let original = desk.finish(&store).await;
        Desk::another(&store, &desk.viewer).await.queue(&store).await;
        for number in 2..10 {
            let again = Run { rerun_of: Some(original.id), ..run_in(&desk.scope, desk.session.id, number) };
            unit!(store, [again] tx => run::insert(tx, &again).await).expect("a run");
        }
        let mut conn = reading(&store).await;
        for (of, count) in [
            (RunsOf::Project(desk.project.id), 9),
            (RunsOf::Session(desk.session.id), 9),
            (RunsOf::Original(original.id), 8),
        ] {
            for direction in [OrderDirection::Asc, OrderDirection::Desc] {
                let filter = RunFilter::default();
                let order = RunOrder { field: RunOrderField::CreatedAt, direction };
                let list = run::list_id(&desk.viewer, of, &filter, order);
                for size in [1, 2, 3, 9, 50] {
                    let rows = walk!(size,
                        request => {
                            let listing = RunListing { filter: filter.clone(), order, request: request.clone() };
                            run::pages(&mut conn, &desk.viewer, &[of], &listing).await.expect("a page").remove(0)
                        },
                        row => list.key(&list.cursor(&run::key(row))).expect("a cursor"));
                    assert_eq!(rows.len(), count);
                    let ascending = rows.is_sorted_by(|a, b| a.id < b.id);
                    let descending = rows.is_sorted_by(|a, b| a.id > b.id);
                    assert_eq!((ascending, descending), (direction == OrderDirection::Asc, direction == OrderDirection::Desc));
                }
                let counts = run::counts(&mut conn, &desk.viewer, &[of], &filter).await.expect("counts");
                assert_eq!(counts, [count as u64]);
            }
        }
    }

    /// A batch of look-ups may hold owners of several kinds, and the same run is in the lists of several of them.
    async fn each_owner_gets_its_own_page_whoever_else_is_asked_for(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        let original = desk.finish(&store).await;
        let again = Run { rerun_of: Some(original.id), ..run_in(&desk.scope, desk.session.id, 2) };
        unit!(store, [again] tx => run::insert(tx, &again).await).expect("a run");
        let elsewhere = other.queue(&store).await;
        let of = [
            RunsOf::Session(desk.session.id),
            RunsOf::Project(desk.project.id),
            RunsOf::Original(original.id),
            RunsOf::Project(ProjectId::new()),
            RunsOf::Project(other.project.id),
            RunsOf::Project(desk.project.id),
        ];
        let all = vec![again.id, original.id];
        let expected = vec![all.clone(), all.clone(), vec![again.id], vec![], vec![elsewhere.id], all];
        let listing = listing(RunFilter::default(), OrderDirection::Desc);
        assert_eq!(ids(&store, &desk.viewer, &of, &listing).await, expected);
        let counts = run::counts(&mut reading(&store).await, &desk.viewer, &of, &RunFilter::default()).await.expect("counts");
        assert_eq!(counts, [2, 2, 1, 0, 1, 2]);
        assert!(ids(&store, &desk.viewer, &[], &listing).await.is_empty());
        let none = run::counts(&mut reading(&store).await, &desk.viewer, &[], &RunFilter::default()).await.expect("counts");
        assert!(none.is_empty());
    }

    async fn a_thousand_owners_get_their_pages_at_once(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let run = desk.queue(&store).await;
        let mut of: Vec<_> = (0..1_100).map(|_| RunsOf::Project(ProjectId::new())).collect();
        of.insert(777, RunsOf::Project(desk.project.id));
        let started = std::time::Instant::now();
        let mut pages = ids(&store, &desk.viewer, &of, &listing(RunFilter::default(), OrderDirection::Desc)).await;
        println!("{} owners on {}: {:?}", of.len(), store.engine(), started.elapsed());
        assert_eq!(pages.len(), of.len());
        assert_eq!(pages.swap_remove(777), [run.id]);
        assert!(pages.iter().all(Vec::is_empty));
        let counts = run::counts(&mut reading(&store).await, &desk.viewer, &of, &RunFilter::default()).await.expect("counts");
        assert_eq!((counts.len(), counts[777], counts.iter().sum::<u64>()), (of.len(), 1, 1));
    }

    async fn status_filters(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let done = desk.finish(&store).await;
        let running = desk.start(&store).await.run_id();
        let queued = desk.queue(&store).await.id;
        let of = [RunsOf::Project(desk.project.id)];
        for (filter, expected) in [
            (RunFilter::default(), vec![done.id, running, queued]),
            (standing(&[RunStatus::Completed]), vec![done.id]),
            (standing(&[RunStatus::Queued, RunStatus::Running]), vec![running, queued]),
            (standing(&[RunStatus::Failed]), vec![]),
            (standing(&[]), vec![]),
            (standing(&vec![RunStatus::Running; 70_000]), vec![running]),
        ] {
            let listing = listing(filter.clone(), OrderDirection::Asc);
            assert_eq!(ids(&store, &desk.viewer, &of, &listing).await, vec![expected.clone()]);
            let counts = run::counts(&mut reading(&store).await, &desk.viewer, &of, &filter).await.expect("counts");
            assert_eq!(counts, [expected.len() as u64]);
        }
        let mut conn = reading(&store).await;
        let unfinished = run::unfinished(&mut conn, &desk.scope).await.expect("a read");
        assert_eq!(unfinished.iter().map(|run| run.id).collect::<Vec<_>>(), [running, queued]);
        let of_session = run::unfinished_of_session(&mut conn, desk.viewer.user_id(), desk.session.id).await;
        assert_eq!(of_session.expect("a read"), unfinished);
    }

    async fn follow_ups_are_told_of_the_completed_runs_before_them(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let (one, two) = (desk.finish(&store).await, desk.finish(&store).await);
        let asking = desk.queue(&store).await;
        let mut conn = reading(&store).await;
        let told = run::answered_before(&mut conn, &desk.scope, &asking, 10).await.expect("a read");
        assert_eq!(told, [two.clone(), one.clone()]);
        assert_eq!(run::answered_before(&mut conn, &desk.scope, &asking, 1).await.expect("a read"), vec![two.clone()]);
        assert_eq!(run::answered_before(&mut conn, &desk.scope, &two, 10).await.expect("a read"), [one]);
    }

    async fn inputs_keep_their_order_and_their_content(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let queued = desk.queue(&store).await;
        let mut inputs = Vec::new();
        for path in ["z.md", "a.md", "Ω/m.md"] {
            let (_, version) = desk.put(&store, FileArea::Drive, path).await;
            inputs.push(PinnedFile {
                run_id: queued.id, path: path.into(), version_id: version.version_id, sha256: version.sha256, size: version.size,
            });
        }
        unit!(store, [inputs] tx => run::insert_inputs(tx, &inputs).await).expect("inputs");
        // What stands at the path later is another content.
        desk.put(&store, FileArea::Drive, "a.md").await;
        let mut conn = reading(&store).await;
        assert_eq!(run::inputs(&mut conn, &desk.viewer, &[queued.id]).await.expect("a read"), inputs);
        assert!(run::inputs(&mut conn, &desk.viewer, &[]).await.expect("a read").is_empty());
    }

    async fn ten_thousand_ids_can_be_asked_for(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let run = desk.queue(&store).await;
        let mut ids: Vec<_> = (0..10_000).map(|_| RunId::new()).collect();
        ids.push(run.id);
        assert_eq!(run::by_ids(&mut reading(&store).await, &desk.viewer, &ids).await.expect("a read"), [run]);
    }

    async fn starts_at_once_are_numbered_in_the_order_of_their_ids(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let starts = (0..30).map(|_| desk.queue(&store));
        let mut runs = futures_util::future::join_all(starts).await;
        assert_eq!(runs.iter().map(|run| run.number).collect::<HashSet<_>>().len(), 30);
        runs.sort_by_key(|run| run.number);
        assert!(runs.is_sorted_by_key(|run| run.id));
    }

    async fn a_project_that_is_being_deleted_takes_no_run(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let mark = "update project set deleting_at = updated_at where id = $1";
        change(&store, mark, vec![desk.project.id.0]).await.expect("the project is being deleted");
        let scope = desk.scope;
        let number = unit!(store, [] tx => project::next_run_number(tx, &scope).await);
        assert_eq!(number.expect("an answer"), None);
    }
}
