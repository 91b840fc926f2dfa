//! Workspace sessions.

use workroom::{
    clock,
    model::{
        id::{ProjectId, SessionId, UserId},
        project::OrderDirection,
        run::{RunFilter, RunOrder, RunOrderField},
        scope::{ProjectScope, Sweep},
        session::{SessionEndReason, SessionStatus, WorkspaceSession},
    },
    store::{
        Store, project,
        run::{self, RunListing, RunsOf},
        session::{self, SessionFilter},
    },
};

use super::fixture::{Desk, first, reading, run_in, session_in, unit, walk};
use crate::support::on_both;

async fn provision(store: &Store, fresh: &WorkspaceSession) -> bool {
    unit!(store, [fresh] tx => session::insert_if_none_is_active(tx, &fresh).await).expect("an answer")
}

async fn active(store: &Store, scope: &ProjectScope) -> Option<WorkspaceSession> {
    session::active(&mut reading(store).await, scope).await.expect("a read")
}

/// What opening a project does: expired sessions give way, then the active one is attached or a new one is provisioned.
async fn open(store: &Store, scope: ProjectScope) -> SessionId {
    unit!(store, [] tx => {
        session::expire_of(tx, &scope, clock::now()).await?;
        session::insert_if_none_is_active(tx, &session_in(&scope, 3600)).await?;
        Ok(session::active(tx, &scope).await?.expect("one is active").id)
    })
    .expect("the project opens")
}

/// Replaces the desk's session by one whose time is up.
async fn let_expire(store: &Store, desk: &Desk) -> WorkspaceSession {
    let (viewer, id) = (desk.viewer, desk.session.id);
    let ended = unit!(store, [] tx => {
        session::end(tx, viewer.user_id(), id, SessionEndReason::RevokedByUser, clock::now()).await
    });
    assert!(ended.expect("an answer"));
    let over = session_in(&desk.scope, -1);
    assert!(provision(store, &over).await);
    over
}

on_both! {
    async fn fifty_opens_provision_one_session(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let over = let_expire(&store, &desk).await;
        let opened = futures_util::future::join_all((0..50).map(|_| open(&store, desk.scope))).await;
        assert!(opened.iter().all(|id| *id == opened[0] && *id != over.id));
        let filter = SessionFilter { project_id: Some(desk.project.id), active_only: true };
        assert_eq!(session::counts(&mut reading(&store).await, &desk.viewer, &[filter]).await.expect("a count"), [1]);
    }

    async fn an_active_session_stays_the_only_one(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        assert!(!provision(&store, &session_in(&desk.scope, 3600)).await);
        assert_eq!(active(&store, &desk.scope).await, Some(desk.session.clone()));
        let other = Desk::another(&store, &desk.viewer).await;
        assert_eq!(active(&store, &other.scope).await, Some(other.session.clone()), "another project has its own");
        let mut conn = reading(&store).await;
        let projects = [desk.project.id, other.project.id];
        let mut found = session::active_of(&mut conn, &desk.viewer, &projects).await.expect("a read");
        found.sort_by_key(|session| session.id);
        assert_eq!(found, [desk.session, other.session]);
        assert!(session::active_of(&mut conn, &desk.viewer, &[]).await.expect("a read").is_empty());
    }

    async fn an_expired_session_reads_as_ended_and_gives_way(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let over = let_expire(&store, &desk).await;
        // Nobody has written its end down yet, and every read shows it all the same.
        assert_eq!(active(&store, &desk.scope).await, None);
        let mut conn = reading(&store).await;
        assert!(session::active_of(&mut conn, &desk.viewer, &[desk.project.id]).await.expect("a read").is_empty());
        let read = session::by_ids(&mut conn, &desk.viewer, &[over.id]).await.expect("a read").remove(0);
        assert_eq!(read.status(), SessionStatus::Ended);
        assert_eq!((read.ended_at, read.end_reason), (Some(over.expires_at), Some(SessionEndReason::TtlExpired)));
        let page = session::page(&mut conn, &desk.viewer, SessionFilter::default(), &first(10)).await.expect("a page");
        assert!(page.items.iter().all(|session| session.status() == SessionStatus::Ended));
        let active_only = SessionFilter { active_only: true, ..SessionFilter::default() };
        assert!(session::page(&mut conn, &desk.viewer, active_only, &first(10)).await.expect("a page").items.is_empty());
        assert_eq!(session::counts(&mut conn, &desk.viewer, &[active_only]).await.expect("a count"), [0]);
        drop(conn);

        let viewer = desk.viewer;
        let revoked = unit!(store, [over] tx => {
            session::end(tx, viewer.user_id(), over.id, SessionEndReason::RevokedByUser, clock::now()).await
        });
        assert!(!revoked.expect("an answer"), "what has expired is not revoked any more");
        let scope = desk.scope;
        for expected in [Some(over.id), None] {
            let expired = unit!(store, [] tx => session::expire_of(tx, &scope, clock::now()).await);
            assert_eq!(expired.expect("an answer"), expected);
        }
        assert!(provision(&store, &session_in(&scope, 60)).await);
    }

    async fn a_revoked_session_keeps_its_reason(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let (viewer, id, now) = (desk.viewer, desk.session.id, clock::now());
        for done in [true, false] {
            let ended = unit!(store, [] tx => session::end(tx, viewer.user_id(), id, SessionEndReason::RevokedByUser, now).await);
            assert_eq!(ended.expect("an answer"), done);
        }
        let read = session::by_ids(&mut reading(&store).await, &viewer, &[id]).await.expect("a read").remove(0);
        assert_eq!((read.ended_at, read.end_reason), (Some(now), Some(SessionEndReason::RevokedByUser)));
    }

    async fn a_logout_ends_what_is_active_and_nothing_else(store: Store) {
        let (desk, other) = (Desk::of(&store, "ada").await, Desk::of(&store, "eve").await);
        let late = Desk::another(&store, &desk.viewer).await;
        let over = let_expire(&store, &late).await;
        let (viewer, now) = (desk.viewer, clock::now());
        for expected in [vec![desk.session.id], vec![]] {
            let ended = unit!(store, [] tx => session::end_all(tx, &viewer, now).await);
            assert_eq!(ended.expect("an answer"), expected);
        }
        let mut conn = reading(&store).await;
        let read = session::by_ids(&mut conn, &viewer, &[desk.session.id]).await.expect("a read").remove(0);
        assert_eq!((read.ended_at, read.end_reason), (Some(now), Some(SessionEndReason::Logout)));
        assert_eq!(read.expires_at, desk.session.expires_at);
        let read = session::by_ids(&mut conn, &viewer, &[over.id]).await.expect("a read").remove(0);
        assert_eq!(read.end_reason, Some(SessionEndReason::TtlExpired));
        drop(conn);
        assert_eq!(active(&store, &other.scope).await, Some(other.session.clone()));
    }

    async fn sweepers_expire_each_session_once(store: Store) {
        let mut expected = Vec::new();
        let desk = Desk::of(&store, "ada").await;
        for _ in 0..12 {
            let other = Desk::another(&store, &desk.viewer).await;
            expected.push(let_expire(&store, &other).await.id);
        }
        let sweeps = (0..6).map(|_| {
            let store = store.clone();
            async move {
                let mut seen: Vec<(SessionId, UserId)> = Vec::new();
                loop {
                    let due = unit!(store, [] tx => session::expire(tx, &Sweep::new(), clock::now(), 5).await);
                    let due = due.expect("a sweep");
                    assert!(due.len() <= 5);
                    if due.is_empty() {
                        return seen;
                    }
                    seen.extend(due);
                }
            }
        });
        let mut swept: Vec<_> = futures_util::future::join_all(sweeps).await.into_iter().flatten().collect();
        swept.sort_unstable();
        assert_eq!(swept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), expected);
        assert!(swept.iter().all(|(_, owner)| *owner == desk.viewer.user_id()));
        assert!(active(&store, &desk.scope).await.is_some(), "what is not due stays");
    }

    /// A run that is being started and the end of its session meet in the project's row: the one that comes second sees
    /// what the first has done.
    async fn no_run_slips_into_a_session_that_ends(store: Store) {
        for _ in 0..30 {
            let desk = Desk::of(&store, "ada").await;
            let (scope, viewer, id) = (desk.scope, desk.viewer, desk.session.id);
            let start = unit_of_start(&store, scope);
            let end = async {
                unit!(store, [] tx => {
                    session::end(tx, viewer.user_id(), id, SessionEndReason::RevokedByUser, clock::now()).await?;
                    run::unfinished_of_session(tx, viewer.user_id(), id).await
                })
                .expect("the session ends")
            };
            let (started_in, cancelled) = tokio::join!(start, end);
            let mut conn = reading(&store).await;
            let listing = RunListing {
                filter: RunFilter::default(),
                order: RunOrder { field: RunOrderField::CreatedAt, direction: OrderDirection::Asc },
                request: first(10),
            };
            let inside = run::pages(&mut conn, &viewer, &[RunsOf::Session(id)], &listing).await.expect("a page").remove(0);
            assert_eq!(inside.items, cancelled, "the end of a session sees every run of it");
            assert_eq!(started_in == Some(id), inside.items.len() == 1);
        }
    }

    async fn pages_of_sessions_meet_end_to_end_in_both_directions(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        Desk::another(&store, &desk.viewer).await;
        let viewer = desk.viewer;
        for _ in 0..7 {
            let id = open(&store, desk.scope).await;
            unit!(store, [] tx => session::end(tx, viewer.user_id(), id, SessionEndReason::RevokedByUser, clock::now()).await)
                .expect("an answer");
        }
        for project_id in [None, Some(desk.project.id)] {
            let filter = SessionFilter { project_id, active_only: false };
            let mut conn = reading(&store).await;
            for size in [1, 2, 100] {
                let rows = walk!(size,
                    request => session::page(&mut conn, &desk.viewer, filter, &request).await.expect("a page"),
                    row => workroom::model::page::Key { sort: String::new(), id: row.id.0 });
                assert!(rows.is_sorted_by(|a, b| a.id > b.id), "newest first, each once");
                let count = session::counts(&mut conn, &desk.viewer, &[filter]).await.expect("a count");
                assert_eq!(count, [rows.len() as u64]);
            }
        }
    }

    async fn each_list_gets_its_own_sessions_whichever_else_is_asked_for(store: Store) {
        let (desk, stranger) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        let other = Desk::another(&store, &desk.viewer).await;
        let viewer = desk.viewer;
        let ended = open(&store, desk.scope).await;
        unit!(store, [] tx => session::end(tx, viewer.user_id(), ended, SessionEndReason::RevokedByUser, clock::now()).await)
            .expect("an answer");
        let (here, there) = (open(&store, desk.scope).await, open(&store, other.scope).await);
        open(&store, stranger.scope).await;
        let of = |project_id: Option<ProjectId>, active_only| SessionFilter { project_id, active_only };
        let lists = [
            of(Some(desk.project.id), false),
            of(Some(stranger.project.id), false),
            of(Some(desk.project.id), true),
            of(None, false),
            of(Some(other.project.id), false),
            of(Some(ProjectId::new()), false),
            of(Some(desk.project.id), false),
        ];
        let expected =
            [vec![here, ended], vec![], vec![here], vec![here, there, ended], vec![there], vec![], vec![here, ended]];
        let mut conn = reading(&store).await;
        let pages = session::pages(&mut conn, &viewer, &lists, &first(10)).await.expect("pages");
        let pages: Vec<Vec<_>> =
            pages.into_iter().map(|page| page.items.into_iter().map(|session| session.id).collect()).collect();
        assert_eq!(pages, expected);
        let counts = session::counts(&mut conn, &viewer, &lists).await.expect("counts");
        assert_eq!(counts, expected.map(|sessions| sessions.len() as u64));
        assert!(session::pages(&mut conn, &viewer, &[], &first(10)).await.expect("pages").is_empty());
        // More than are read in one statement.
        let mut many = vec![of(Some(ProjectId::new()), false); 250];
        many.push(of(Some(other.project.id), false));
        let mut counts = session::counts(&mut conn, &viewer, &many).await.expect("counts");
        assert_eq!((counts.len(), counts.pop(), counts.iter().sum::<u64>()), (251, Some(1), 0));
    }
}

/// Starts a run as the use case does; answers with the session that it went into, if there was one.
async fn unit_of_start(store: &Store, scope: ProjectScope) -> Option<SessionId> {
    unit!(store, [] tx => {
        let number = project::next_run_number(tx, &scope).await?.expect("the project is there");
        let Some(active) = session::active(tx, &scope).await? else { return Ok(None) };
        // A start does more than this; the pause lets the other side in between.
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        run::insert(tx, &run_in(&scope, active.id, number)).await?;
        Ok(Some(active.id))
    })
    .expect("a start is answered")
}
