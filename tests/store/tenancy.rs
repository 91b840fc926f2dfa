//! What is not yours does not exist: every function that takes a viewer or a scope, in another user's hands.

use workroom::{
    clock,
    model::{
        artifact::Artifact,
        file::FileArea,
        id::{FileId, ProjectId, RunId, SessionId},
        page::Key,
        project::{Project, ProjectFilter, ProjectOrder},
        run::{CancelledBy, RunFilter, RunOrder, RunStatus},
        scope::{ProjectScope, Viewer},
        session::SessionEndReason,
        uint53::UInt53,
    },
    store::{
        Conn, Store,
        artifact::{self, ArtifactsOf},
        directory::{self, Folder},
        event, export, file, lease, project,
        run::{self, RunListing, RunsOf},
        session::{self, SessionFilter},
        user,
    },
};

use super::fixture::{Desk, ending, first, reading, unit, viewer};
use crate::support::on_both;

/// What somebody has, for others not to see.
struct Hidden {
    project: ProjectId,
    session: SessionId,
    run: RunId,
    file: FileId,
    artifact: Artifact,
}

impl Hidden {
    /// No read in this viewer's hands shows any of it.
    async fn from(&self, conn: &mut Conn, viewer: &Viewer) {
        let Self { project, session, run, file, artifact } = self;
        let (project, session, run) = (*project, *session, *run);
        let of_runs = [RunsOf::Project(project), RunsOf::Session(session), RunsOf::Original(run)];
        let of_artifacts = [ArtifactsOf::Project(project), ArtifactsOf::Run(run)];
        let listing = RunListing { filter: RunFilter::default(), order: RunOrder::default(), request: first(10) };
        let (all, order) = (ProjectFilter::default(), ProjectOrder::default());
        let sessions = SessionFilter { project_id: Some(project), active_only: false };

        assert!(project::get(conn, viewer, project).await.expect("a read").is_none());
        assert!(project::by_ids(conn, viewer, &[project]).await.expect("a read").is_empty());
        assert!(project::page(conn, viewer, &all, order, &first::<Key>(10)).await.expect("a page").items.is_empty());
        assert_eq!(project::count(conn, viewer, &all).await.expect("a count"), 0);
        assert!(session::by_ids(conn, viewer, &[session]).await.expect("a read").is_empty());
        assert!(session::active_of(conn, viewer, &[project]).await.expect("a read").is_empty());
        assert!(session::page(conn, viewer, sessions, &first(10)).await.expect("a page").items.is_empty());
        assert_eq!(session::counts(conn, viewer, &[sessions]).await.expect("a count"), [0]);
        assert!(run::get(conn, viewer, run).await.expect("a read").is_none());
        assert!(!run::exists(conn, viewer, run).await.expect("a read"));
        assert!(run::by_ids(conn, viewer, &[run]).await.expect("a read").is_empty());
        let pages = run::pages(conn, viewer, &of_runs, &listing).await.expect("pages");
        assert!(pages.iter().all(|page| page.items.is_empty()));
        assert_eq!(run::counts(conn, viewer, &of_runs, &listing.filter).await.expect("counts"), [0, 0, 0]);
        let next = export::upcoming(conn, viewer, (project, &listing.filter), None, 10).await;
        assert_eq!(next.expect("a read"), []);
        assert!(export::runs(conn, viewer, project, &[run]).await.expect("a read").is_empty());
        assert!(run::inputs(conn, viewer, &[run]).await.expect("a read").is_empty());
        assert!(run::models(conn, viewer, &[run]).await.expect("a read").is_empty());
        assert!(event::page(conn, viewer, run, None, &first(10)).await.expect("a page").items.is_empty());
        assert_eq!(event::count(conn, viewer, run, None).await.expect("a count"), 0);
        let span = event::Span { rows: 10, bytes: 1_000 };
        assert!(event::after(conn, viewer, run, 0, span).await.expect("a read").is_empty());
        assert!(file::by_ids(conn, viewer, &[*file]).await.expect("a read").is_empty());
        let version = artifact.version.version_id;
        assert!(file::version(conn, viewer, version).await.expect("a read").is_none());
        for recursive in [false, true] {
            let folder = Folder { project_id: project, area: FileArea::Drive, path: String::new(), recursive };
            assert!(directory::page(conn, viewer, &folder, &first(10)).await.expect("a page").items.is_empty());
            assert_eq!(directory::count(conn, viewer, &folder).await.expect("a count"), 0);
            assert_eq!(directory::newest(conn, viewer, &[folder]).await.expect("a time"), [None]);
        }
        assert_eq!(directory::usage(conn, viewer, &[project]).await.expect("usage"), []);
        assert!(artifact::by_ids(conn, viewer, &[artifact.id]).await.expect("a read").is_empty());
        let pages = artifact::pages(conn, viewer, &of_artifacts, &first(10)).await.expect("pages");
        assert!(pages.iter().all(|page| page.items.is_empty()));
        assert_eq!(artifact::counts(conn, viewer, &of_artifacts).await.expect("counts"), [0, 0]);
    }
}

on_both! {
    async fn a_foreign_viewer_sees_nothing_and_neither_does_who_deleted_it(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let eve = viewer(&store, "eve").await;
        let (file, version) = desk.put(&store, FileArea::Drive, "a.md").await;
        let lease = desk.start(&store).await;
        let artifact = desk.deliver(&store, &lease, "report").await;
        let run = lease.run_id();
        unit!(store, [] tx => {
            let body = workroom::model::event::RunStarted { worker: "w".into() }.into();
            let append = event::Append { lease, after: None, at: clock::now(), bodies: vec![body], turn: None };
            event::append(tx, &append).await?;
            lease::add_usage(tx, &lease, "m", &workroom::model::run::TokenUsage::default()).await?;
            run::insert_inputs(tx, &[workroom::model::file::PinnedFile {
                run_id: run, path: "a.md".into(), version_id: version.version_id, sha256: String::new(), size: UInt53::default(),
            }]).await
        })
        .expect("facts to hide");

        let hidden = Hidden { project: desk.project.id, session: desk.session.id, run, file, artifact: artifact.clone() };
        let mut conn = reading(&store).await;
        let pinned = file::version(&mut conn, &desk.viewer, artifact.version.version_id).await.expect("a read");
        assert!(pinned.is_some(), "the owner sees it");
        assert!(run::exists(&mut conn, &desk.viewer, run).await.expect("a read"));
        hidden.from(&mut conn, &eve).await;
        assert!(user::by_ids(&mut conn, &eve, &[desk.viewer.user_id()]).await.expect("a read").is_empty());
        let unfinished = run::unfinished_of_session(&mut conn, eve.user_id(), desk.session.id).await.expect("a read");
        assert!(unfinished.is_empty());
        drop(conn);
        assert!(unit!(store, [] tx => session::end_all(tx, &eve, clock::now()).await).expect("an answer").is_empty());

        // Once the project is being deleted, its owner is as foreign to it as anybody.
        let scope = desk.scope;
        assert!(unit!(store, [] tx => project::mark_deleting(tx, &scope, clock::now()).await).expect("an answer"));
        let mut conn = reading(&store).await;
        hidden.from(&mut conn, &desk.viewer).await;
        assert_eq!(session::active(&mut conn, &scope).await.expect("a read"), None);
        assert_eq!(file::at(&mut conn, &scope, FileArea::Drive, "a.md").await.expect("a read"), None);
    }

    /// A scope is made only for an owner. Even one that lies about the owner opens nothing.
    async fn a_scope_that_lies_opens_and_changes_nothing(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let eve = viewer(&store, "eve").await;
        assert_eq!(ProjectScope::owned(&eve, &desk.project), None);
        let lie = Project { user_id: eve.user_id(), name: "stolen".into(), version: UInt53::from(2_u64), ..desk.project.clone() };
        let scope = ProjectScope::owned(&eve, &lie).expect("a lie");
        desk.put(&store, FileArea::Drive, "a.md").await;
        desk.put(&store, FileArea::Drive, "d/a.md").await;
        let done = desk.finish(&store).await;
        let asking = desk.queue(&store).await;

        unit!(store, [lie, asking] tx => {
            assert!(!project::update(tx, &scope, &lie, 1).await?);
            assert_eq!(project::next_run_number(tx, &scope).await?, None);
            assert_eq!(session::active(tx, &scope).await?, None);
            assert_eq!(session::expire_of(tx, &scope, clock::now() + chrono::Duration::days(9)).await?, None);
            assert!(!session::end(tx, eve.user_id(), desk.session.id, SessionEndReason::RevokedByUser, clock::now()).await?);
            assert!(run::unfinished(tx, &scope).await?.is_empty());
            assert!(run::answered_before(tx, &scope, &asking, 10).await?.is_empty());
            assert_eq!(file::at(tx, &scope, FileArea::Drive, "a.md").await?, None);
            assert!(!file::rename(tx, &scope, FileArea::Drive, "a.md", "b.md").await?);
            assert_eq!(file::rename_below(tx, &scope, FileArea::Drive, "d", "b").await?, 0);
            assert_eq!(file::longest_below(tx, &scope, FileArea::Drive, "d").await?, None);
            assert!(!file::remove(tx, &scope, FileArea::Drive, "a.md").await?);
            assert_eq!(file::remove_below(tx, &scope, FileArea::Drive, "d").await?, 0);
            let ending = ending(RunStatus::Cancelled);
            assert_eq!(lease::end_queued(tx, eve.user_id(), asking.id, &ending).await?, None);
            assert!(!lease::request_cancel(tx, eve.user_id(), asking.id, CancelledBy::User, clock::now()).await?);
            Ok(())
        })
        .expect("nothing happens");
        let mut conn = reading(&store).await;
        assert_eq!(run::get(&mut conn, &desk.viewer, asking.id).await.expect("a read"), Some(asking.clone()));
        assert_eq!(project::get(&mut conn, &desk.viewer, desk.project.id).await.expect("a read"), Some(desk.project));
        // A scope of another project of the same owner is another project's.
        drop(conn);
        let other = Desk::another(&store, &desk.viewer).await;
        let mut conn = reading(&store).await;
        let told = run::answered_before(&mut conn, &other.scope, &asking, 10).await.expect("a read");
        assert!(told.is_empty(), "{} is not of this project", done.id);
    }
}
