//! What is not yours does not exist: every function that takes a viewer or a scope, in another user's hands.

use workroom::{
    clock,
    model::{
        file::FileArea,
        page::Key,
        project::{Project, ProjectFilter, ProjectOrder},
        run::{CancelledBy, RunFilter, RunOrder, RunStatus},
        scope::ProjectScope,
        session::SessionEndReason,
        uint53::UInt53,
    },
    store::{
        Store,
        artifact::{self, ArtifactsOf},
        event, file, lease, project,
        run::{self, RunListing, RunsOf},
        session::{self, SessionFilter},
        user,
    },
};

use super::fixture::{Desk, ending, first, reading, unit, viewer};
use crate::support::on_both;

on_both! {
    async fn a_foreign_viewer_sees_nothing(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let eve = viewer(&store, "eve").await;
        let (file, version) = desk.put(&store, FileArea::Drive, "a.md").await;
        let lease = desk.start(&store).await;
        let artifact = desk.deliver(&store, &lease, "report").await;
        let run = lease.run_id();
        unit!(store, [] tx => {
            let body = workroom::model::event::RunStarted { worker: "w".into() }.into();
            event::insert(tx, run, 1, clock::now(), &[body]).await?;
            lease::add_usage(tx, &lease, "m", &workroom::model::run::TokenUsage::default()).await?;
            run::insert_inputs(tx, &[workroom::model::file::PinnedFile {
                run_id: run, path: "a.md".into(), version_id: version.version_id, sha256: String::new(), size: UInt53::default(),
            }]).await
        })
        .expect("facts to hide");

        let mut conn = reading(&store).await;
        let conn = &mut conn;
        let project_id = desk.project.id;
        let of_runs = [RunsOf::Project(project_id), RunsOf::Session(desk.session.id), RunsOf::Original(run)];
        let of_artifacts = [ArtifactsOf::Project(project_id), ArtifactsOf::Run(run)];
        let listing = RunListing { filter: RunFilter::default(), order: RunOrder::default(), request: first(10) };
        let (all, order) = (ProjectFilter::default(), ProjectOrder::default());
        let sessions = SessionFilter { project_id: Some(project_id), active_only: false };
        let pinned = file::version(conn, &desk.viewer, artifact.version.version_id).await.expect("a read");
        assert!(pinned.is_some(), "the owner sees it");

        assert!(user::by_ids(conn, &eve, &[desk.viewer.user_id()]).await.expect("a read").is_empty());
        assert!(project::get(conn, &eve, project_id).await.expect("a read").is_none());
        assert!(project::by_ids(conn, &eve, &[project_id]).await.expect("a read").is_empty());
        assert!(project::page(conn, &eve, &all, order, &first::<Key>(10)).await.expect("a page").items.is_empty());
        assert_eq!(project::count(conn, &eve, &all).await.expect("a count"), 0);
        assert!(session::by_ids(conn, &eve, &[desk.session.id]).await.expect("a read").is_empty());
        assert!(session::active_of(conn, &eve, &[project_id]).await.expect("a read").is_empty());
        assert!(session::page(conn, &eve, sessions, &first(10)).await.expect("a page").items.is_empty());
        assert_eq!(session::count(conn, &eve, sessions).await.expect("a count"), 0);
        assert!(run::get(conn, &eve, run).await.expect("a read").is_none());
        assert!(run::by_ids(conn, &eve, &[run]).await.expect("a read").is_empty());
        assert!(run::pages(conn, &eve, &of_runs, &listing).await.expect("pages").iter().all(|page| page.items.is_empty()));
        assert_eq!(run::counts(conn, &eve, &of_runs, &listing.filter).await.expect("counts"), [0, 0, 0]);
        assert!(run::inputs(conn, &eve, &[run]).await.expect("a read").is_empty());
        assert!(run::models(conn, &eve, &[run]).await.expect("a read").is_empty());
        assert!(run::unfinished_of_session(conn, eve.user_id(), desk.session.id).await.expect("a read").is_empty());
        assert!(event::page(conn, &eve, run, None, &first(10)).await.expect("a page").items.is_empty());
        assert_eq!(event::count(conn, &eve, run, None).await.expect("a count"), 0);
        assert!(file::by_ids(conn, &eve, &[file]).await.expect("a read").is_empty());
        assert!(file::version(conn, &eve, artifact.version.version_id).await.expect("a read").is_none());
        assert!(file::page(conn, &eve, project_id, FileArea::Drive, &first(10)).await.expect("a page").items.is_empty());
        assert_eq!(file::count(conn, &eve, project_id, FileArea::Drive).await.expect("a count"), 0);
        assert!(artifact::by_ids(conn, &eve, &[artifact.id]).await.expect("a read").is_empty());
        let pages = artifact::pages(conn, &eve, &of_artifacts, &first(10)).await.expect("pages");
        assert!(pages.iter().all(|page| page.items.is_empty()));
        assert_eq!(artifact::counts(conn, &eve, &of_artifacts).await.expect("counts"), [0, 0]);
    }

    /// A scope is made only for an owner. Even one that lies about the owner opens nothing.
    async fn a_scope_that_lies_opens_and_changes_nothing(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let eve = viewer(&store, "eve").await;
        assert_eq!(ProjectScope::owned(&eve, &desk.project), None);
        let lie = Project { user_id: eve.user_id(), name: "stolen".into(), version: UInt53::from(2_u64), ..desk.project.clone() };
        let scope = ProjectScope::owned(&eve, &lie).expect("a lie");
        desk.put(&store, FileArea::Drive, "a.md").await;
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
