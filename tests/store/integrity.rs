//! The chain, as every way of writing makes it, and what is read to check it.

use futures_util::future::join_all;
use tempfile::TempDir;
use workroom::{
    app::integrity::{Budget, Examiner},
    clock,
    error::Error,
    files::Files,
    model::{
        event::{AgentMessage, ArtifactCreated, RunQueued},
        file::FileArea,
        id::RunId,
        integrity::{IntegrityStatus, RunIntegrity},
        run::{Run, RunStatus},
        scope::{Inspection, RunLease},
        uint53::UInt53,
    },
    store::{
        Location, Store,
        event::{self, Append, Span},
        integrity, lease, project,
    },
};

use super::fixture::{Desk, change, claim, end, ending, reading, run_in, unit, viewer};
use crate::support::{on_both, postgres, sqlite_in};

const SPAN: Span = Span { rows: 500, bytes: 1 << 20 };

fn says(lease: RunLease, texts: &[&str]) -> Append {
    let say = |text: &&str| AgentMessage { text: (*text).to_owned(), is_final: false }.into();
    Append { lease, after: None, at: clock::now(), bodies: texts.iter().map(say).collect(), turn: None }
}

async fn checked(store: &Store, run: RunId) -> RunIntegrity {
    checked_within(store, run, Budget::UNLIMITED).await
}

async fn checked_within(store: &Store, run: RunId, budget: Budget) -> RunIntegrity {
    let folder: TempDir = tempfile::tempdir().expect("a folder");
    let files = Files::open(folder.path().to_str().expect("UTF-8"), &folder.path().join("staging")).expect("a folder");
    let examiner = Examiner::new(store.clone(), files, Inspection::of_everything());
    examiner.run(run, budget).await.expect("a check").expect("the run")
}

/// A queued run with its first event, as the timeline keeps it.
async fn queue(store: &Store, desk: &Desk) -> Run {
    let (scope, session) = (desk.scope, desk.session.id);
    unit!(store, [] tx => {
        let number = project::next_run_number(tx, &scope).await?.expect("the project");
        let queued = Run { last_sequence: UInt53::from(1_u64), ..run_in(&scope, session, number) };
        let first = RunQueued {
            agent: queued.agent.clone(), model: queued.model.clone(), request_sha256: Some(queued.request_sha256()),
        };
        event::open(tx, &queued, first.into()).await?;
        Ok(queued)
    })
    .expect("a run is queued")
}

async fn start(store: &Store, desk: &Desk) -> RunLease {
    let queued = queue(store, desk).await;
    let lease = claim(store, "worker").await.expect("the run can be claimed");
    assert_eq!(lease.run_id(), queued.id);
    lease
}

on_both! {
    async fn every_way_of_writing_seals(store: Store) {
        let ada = viewer(&store, "ada").await;
        let mut leases = Vec::new();
        for _ in 0..12 {
            leases.push(start(&store, &Desk::another(&store, &ada).await).await);
        }
        // Together with those of other runs, several of one run at once, large ones and empty ones, and in units of their own.
        for round in 0..3 {
            let many: Vec<&str> = ["x"; 150][..round * 75].to_vec();
            let together = leases.iter().flat_map(|lease| [&["a"][..], &["b", "c"], &[], &many].map(|texts| says(*lease, texts)));
            for appended in join_all(together.map(|append| store.append(append))).await {
                assert!(appended.expect("kept").is_some());
            }
            for lease in &leases {
                let append = says(*lease, &["d", "e"]);
                unit!(store, [append] tx => event::append(tx, &append).await).expect("kept").expect("the lease is held");
            }
        }
        for lease in &leases {
            let integrity = checked(&store, lease.run_id()).await;
            assert_eq!(integrity.findings, []);
            assert_eq!((integrity.status, integrity.events_checked.get()), (IntegrityStatus::Sealed, 1 + 3 * 5 + 225));
        }
        end(&store, &leases[0], RunStatus::Completed).await.expect("it ends");
        let owner = ada.user_id();
        let (running, ended) = (leases[1].run_id(), leases[0].run_id());
        let stop = ending(RunStatus::Cancelled);
        unit!(store, [stop] tx => lease::end_running(tx, owner, running, &stop).await).expect("an answer").expect("it ends");
        let queued = queue(&store, &Desk::another(&store, &ada).await).await.id;
        unit!(store, [stop] tx => lease::end_queued(tx, owner, queued, &stop).await).expect("an answer").expect("it ends");
        for run in [ended, running, queued] {
            let integrity = checked(&store, run).await;
            assert_eq!((integrity.status, integrity.findings), (IntegrityStatus::Sealed, vec![]));
        }
        assert_eq!(checked(&store, queued).await.events_checked.get(), 2);
    }

    async fn an_append_with_others_is_sealed_as_one_alone(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = start(&store, &desk).await;
        let others: Vec<RunLease> = {
            let mut others = Vec::new();
            for _ in 0..20 {
                others.push(start(&store, &Desk::another(&store, &desk.viewer).await).await);
            }
            others
        };
        join_all(others.iter().chain([&lease]).map(|lease| store.append(says(*lease, &["a", "b"])))).await;
        let append = says(lease, &["c"]);
        unit!(store, [append] tx => event::append(tx, &append).await).expect("kept").expect("the lease is held");
        // Computed here from what is stored, by the rule alone.
        let mut conn = reading(&store).await;
        let everything = Inspection::of_everything();
        let events = integrity::events(&mut conn, &everything, lease.run_id(), (0, i64::MAX), SPAN).await.expect("a read");
        let mut chain = workroom::model::chain::Chain::start(lease.run_id(), 1);
        let mut salts = std::collections::HashSet::new();
        for event in &events {
            let salt = event.salt.as_deref().expect("a salt");
            assert!(salt.len() == 16 && salts.insert(salt.to_vec()), "each has a salt of its own");
            let content = workroom::model::chain::content(salt, &event.body);
            assert_eq!(event.hash.as_deref(), Some(&chain.push(event.at, &event.kind, &content)[..]));
        }
        assert_eq!(events.len(), 4);
        let run = integrity::run(&mut conn, &everything, lease.run_id()).await.expect("a read").expect("the run");
        assert_eq!((run.chain_from, run.chain_head.as_deref()), (Some(1), Some(&chain.head[..])));
    }

    async fn a_unit_that_was_undone_leaves_the_chain_as_it_was(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = start(&store, &desk).await;
        store.append(says(lease, &["a"])).await.expect("kept").expect("the lease is held");
        for text in ["b", "c"] {
            let append = says(lease, &[text]);
            let undone: Result<(), Error> = unit!(store, [append] tx => {
                event::append(tx, &append).await?;
                Err(Error::conflict("Something else went wrong."))
            });
            undone.expect_err("it is undone");
            store.append(says(lease, &[text, text])).await.expect("kept").expect("the lease is held");
        }
        let integrity = checked(&store, lease.run_id()).await;
        assert_eq!((integrity.status, integrity.findings), (IntegrityStatus::Sealed, vec![]));
        assert_eq!(integrity.events_checked.get(), 6);
    }

    async fn who_remembers_a_timeline_that_moved_on_elsewhere_looks_again(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = start(&store, &desk).await;
        let run = lease.run_id();
        store.append(says(lease, &["a"])).await.expect("kept").expect("the lease is held");
        let append = says(lease, &["b"]);
        let undone: Result<(), Error> = unit!(store, [append] tx => {
            event::append(tx, &append).await?;
            Err(Error::conflict("Something else went wrong."))
        });
        undone.expect_err("it is undone");
        // Somebody else moves it on to where it was remembered to stand, by another event.
        let moves = "update run set last_sequence = last_sequence + 1,
            chain_head = (select hash from run_event where run_id = $1 and sequence = 1) where id = $1";
        change(&store, moves, vec![run.0]).await.expect("it moves");
        assert_eq!(store.append(says(lease, &["c"])).await.expect("kept"), Some(4));
        let everything = Inspection::of_everything();
        let mut conn = reading(&store).await;
        let events = integrity::events(&mut conn, &everything, run, (0, i64::MAX), SPAN).await.expect("a read");
        let (first, last) = (&events[0], &events[2]);
        let head = first.hash.as_deref().expect("a seal").try_into().expect("32 bytes");
        let content = workroom::model::chain::content(last.salt.as_deref().expect("a salt"), &last.body);
        let sealed = workroom::model::chain::Chain { from: 1, last: 3, head }.push(last.at, &last.kind, &content);
        assert_eq!(last.hash.as_deref(), Some(&sealed[..]), "it goes on from what stands in the row");
    }

    async fn an_inspection_of_one_user_opens_nothing_of_others(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let eve = viewer(&store, "eve").await;
        let lease = start(&store, &desk).await;
        let artifact = desk.deliver(&store, &lease, "brief.md").await;
        let (_, version) = desk.put(&store, FileArea::Drive, "a.md").await;
        let (run, id) = (lease.run_id(), desk.project.id);
        let mut conn = reading(&store).await;
        for (inspection, sees) in
            [(Inspection::of(&eve), false), (Inspection::of(&desk.viewer), true), (Inspection::of_everything(), true)]
        {
            let (conn, it, count) = (&mut conn, &inspection, usize::from(sees));
            assert_eq!(integrity::projects(conn, it, None, 9).await.expect("a read").len(), count);
            assert_eq!(integrity::project(conn, it, id).await.expect("a read").is_some(), sees);
            let runs = integrity::runs(conn, it, id, 0, 9).await.expect("a read");
            assert_eq!(runs, [(1, run)][..count]);
            assert_eq!(integrity::run(conn, it, run).await.expect("a read").is_some(), sees);
            assert_eq!(integrity::events(conn, it, run, (0, 9), SPAN).await.expect("a read").len(), count);
            assert_eq!(integrity::last_event(conn, it, run).await.expect("a read").is_some(), sees);
            let found = integrity::artifact(conn, it, artifact.id).await.expect("a read");
            assert_eq!(found, sees.then(|| artifact.clone()));
            assert_eq!(integrity::artifact_count(conn, it, run).await.expect("a read"), i64::from(sees));
            let contents = integrity::contents(conn, it, id, None, 9).await.expect("a read");
            assert_eq!(contents.len(), count, "without the artifact's: {contents:?}");
            let place = integrity::place(conn, it, version.version_id).await.expect("a read");
            assert_eq!(place, sees.then(|| Some("a.md".to_owned())));
        }
        let everything = Inspection::of_everything();
        let projects = integrity::projects(&mut conn, &everything, Some(id), 9).await.expect("a read");
        assert!(projects.is_empty() && integrity::runs(&mut conn, &everything, id, 1, 9).await.expect("a read").is_empty());
        drop(conn);
        let mark = "update project set deleting_at = updated_at where id = $1";
        change(&store, mark, vec![id.0]).await.expect("the project is being deleted");
        let mut conn = reading(&store).await;
        assert!(integrity::run(&mut conn, &everything, run).await.expect("a read").is_none());
        assert!(integrity::project(&mut conn, &everything, id).await.expect("a read").is_none());
    }

    async fn a_check_reads_no_more_than_it_may(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = start(&store, &desk).await;
        let texts = vec!["x"; 1_200];
        store.append(says(lease, &texts)).await.expect("kept").expect("the lease is held");
        for (events, status) in [(1, IntegrityStatus::Unfinished), (1_200, IntegrityStatus::Unfinished), (1_201, IntegrityStatus::Sealed)] {
            let integrity = checked_within(&store, lease.run_id(), Budget { events, bytes: 0, ..Budget::UNLIMITED }).await;
            assert_eq!((integrity.status, integrity.events_checked.as_u64()), (status, events));
            assert_eq!(integrity.findings, []);
        }
        let integrity = checked_within(&store, lease.run_id(), Budget { text: 1_000, ..Budget::UNLIMITED }).await;
        assert_eq!(integrity.status, IntegrityStatus::Unfinished);
        assert!((1..100).contains(&integrity.events_checked.get()), "{integrity:?}");
        // The bytes of an artifact are counted before they are looked for; here they are not there.
        let artifact = desk.deliver(&store, &lease, "brief.md").await;
        let told = ArtifactCreated { artifact_id: artifact.id, name: artifact.name, sha256: Some(artifact.version.sha256) };
        let append = Append { bodies: vec![told.into()], ..says(lease, &[]) };
        store.append(append).await.expect("kept").expect("the lease is held");
        for (bytes, status) in [(6, IntegrityStatus::Unfinished), (7, IntegrityStatus::Broken)] {
            let integrity = checked_within(&store, lease.run_id(), Budget { bytes, ..Budget::UNLIMITED }).await;
            assert_eq!((integrity.status, integrity.artifacts_checked.get()), (status, i64::from(bytes == 7)));
        }
        change(&store, "update run set chain_head = salt from run_event where id = $1 and run_id = id", vec![lease.run_id().0])
            .await
            .expect("a running run is not fixed");
        let integrity = checked_within(&store, lease.run_id(), Budget { bytes: 6, ..Budget::UNLIMITED }).await;
        assert_eq!(integrity.status, IntegrityStatus::Broken, "whatever was left out");
    }
}

/// Takes a database back to the time before the chain, and opens it again.
async fn runs_of_before_are_sealed_from_where_they_go_on(location: Location) {
    let store = Store::open(&location).await.expect("a new database");
    let ada = viewer(&store, "ada").await;
    let (done, under_way, gathered, queued) = (
        start(&store, &Desk::another(&store, &ada).await).await,
        start(&store, &Desk::another(&store, &ada).await).await,
        start(&store, &Desk::another(&store, &ada).await).await,
        queue(&store, &Desk::another(&store, &ada).await).await.id,
    );
    for lease in [done, under_way, gathered] {
        store.append(says(lease, &["a", "b"])).await.expect("kept").expect("the lease is held");
    }
    end(&store, &done, RunStatus::Cancelled).await.expect("it ends");
    let of_run = if matches!(location, Location::Postgres(_)) { " on run" } else { "" };
    let fixed: &'static str = format!("drop trigger run_ended_is_fixed{of_run}").leak();
    let moves: &'static str = format!("drop trigger run_moves_sealed{of_run}").leak();
    for undo in [
        fixed,
        moves,
        "alter table run_event drop column salt",
        "alter table run_event drop column hash",
        "alter table run drop column chain_from",
        "alter table run drop column chain_head",
        // One for the next opening to replace.
        if of_run.is_empty() {
            "create trigger run_ended_is_fixed before update of status on run when false begin select 1; end"
        } else {
            "create trigger run_ended_is_fixed before update of status on run for each row when (false)
            execute function workroom_refuse('')"
        },
        "delete from _sqlx_migrations where version = 6",
    ] {
        change(&store, undo, vec![]).await.expect(undo);
    }
    store.close().await;
    let store = Store::open(&location).await.expect("the database opens again");
    for run in [done.run_id(), under_way.run_id(), gathered.run_id(), queued] {
        let integrity = checked(&store, run).await;
        assert_eq!(
            (integrity.status, integrity.sealed_from, integrity.findings),
            (IntegrityStatus::Unsealed, None, vec![])
        );
    }
    let append = says(under_way, &["c"]);
    unit!(store, [append] tx => event::append(tx, &append).await).expect("kept").expect("the lease is held");
    assert_eq!(store.append(says(gathered, &["c"])).await.expect("kept"), Some(4));
    let stop = ending(RunStatus::Cancelled);
    let owner = ada.user_id();
    unit!(store, [stop] tx => lease::end_queued(tx, owner, queued, &stop).await).expect("an answer").expect("it ends");
    for (run, from, events) in [(under_way.run_id(), 4, 4), (gathered.run_id(), 4, 4), (queued, 2, 2)] {
        let integrity = checked(&store, run).await;
        assert_eq!((integrity.status, integrity.findings), (IntegrityStatus::Sealed, vec![]));
        assert_eq!((integrity.sealed_from.map(UInt53::get), integrity.events_checked.get()), (Some(from), events));
    }
    let fixed = change(&store, "update run set chain_head = null where id = $1", vec![queued.0]).await;
    assert!(fixed.is_err(), "what has ended is fixed again");
    store.close().await;
}

#[tokio::test]
async fn on_sqlite_runs_of_before_are_sealed_from_where_they_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    runs_of_before_are_sealed_from_where_they_go_on(sqlite_in(&folder)).await;
}

#[tokio::test]
async fn on_postgres_runs_of_before_are_sealed_from_where_they_go_on() {
    let Some(database) = postgres::database().await else { return };
    runs_of_before_are_sealed_from_where_they_go_on(Location::Postgres(database.url.clone())).await;
    database.remove().await;
}
