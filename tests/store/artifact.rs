//! Artifacts.

use workroom::{
    clock,
    model::{
        artifact::Artifact,
        file::FileArea,
        id::{ArtifactId, RunId},
    },
    store::{
        Store,
        artifact::{self, ArtifactsOf},
    },
};

use super::fixture::{Desk, first, reading, unit, walk};
use crate::support::on_both;

on_both! {
    async fn an_artifact_comes_back_as_it_was_kept(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let kept = desk.deliver(&store, &lease, "Bericht 🚀.pdf").await;
        let read = artifact::by_ids(&mut reading(&store).await, &desk.viewer, &[kept.id, ArtifactId::new()]).await;
        assert_eq!(read.expect("a read"), [kept]);
    }

    async fn an_artifact_shows_only_contents_of_its_own_project(store: Store) {
        let (desk, other) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        let lease = desk.start(&store).await;
        let stolen = Artifact {
            id: ArtifactId::new(),
            run_id: lease.run_id(),
            project_id: desk.project.id,
            name: "stolen".into(),
            created_at: clock::now(),
            version: other.content(&store, FileArea::Drive, "secret.md").await,
        };
        assert!(unit!(store, [stolen] tx => artifact::insert(tx, &lease, &stolen).await).is_err());
    }

    async fn each_owner_gets_its_own_artifacts_whoever_else_is_asked_for(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        let (lease, elsewhere) = (desk.start(&store).await, other.start(&store).await);
        let (a, b) = (desk.deliver(&store, &lease, "a").await, desk.deliver(&store, &lease, "b").await);
        let c = other.deliver(&store, &elsewhere, "c").await;
        let of = [
            ArtifactsOf::Run(lease.run_id()),
            ArtifactsOf::Project(desk.project.id),
            ArtifactsOf::Run(RunId::new()),
            ArtifactsOf::Project(other.project.id),
            ArtifactsOf::Run(lease.run_id()),
        ];
        let mut conn = reading(&store).await;
        let pages = artifact::pages(&mut conn, &desk.viewer, &of, &first(10)).await.expect("pages");
        let both = vec![a, b];
        let pages: Vec<_> = pages.into_iter().map(|page| page.items).collect();
        assert_eq!(pages, [both.clone(), both.clone(), vec![], vec![c], both]);
        assert_eq!(artifact::counts(&mut conn, &desk.viewer, &of).await.expect("counts"), [2, 2, 0, 1, 2]);
        assert!(artifact::pages(&mut conn, &desk.viewer, &[], &first(10)).await.expect("pages").is_empty());
        assert!(artifact::counts(&mut conn, &desk.viewer, &[]).await.expect("counts").is_empty());
    }

    async fn a_thousand_runs_get_their_artifacts_at_once(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        let only = desk.deliver(&store, &lease, "only").await;
        let mut of: Vec<_> = (0..1_100).map(|_| ArtifactsOf::Run(RunId::new())).collect();
        of.push(ArtifactsOf::Run(lease.run_id()));
        let mut conn = reading(&store).await;
        let mut pages = artifact::pages(&mut conn, &desk.viewer, &of, &first(50)).await.expect("pages");
        assert_eq!(pages.len(), of.len());
        assert_eq!(pages.pop().expect("the last").items, [only]);
        let counts = artifact::counts(&mut conn, &desk.viewer, &of).await.expect("counts");
        assert_eq!((counts.len(), counts.iter().sum::<u64>(), counts[1_100]), (of.len(), 1, 1));
    }

    async fn pages_of_artifacts_meet_end_to_end_in_both_directions(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let lease = desk.start(&store).await;
        for number in 0..9 {
            desk.deliver(&store, &lease, &format!("artifact {}", number % 3)).await;
        }
        let mut conn = reading(&store).await;
        for of in [ArtifactsOf::Project(desk.project.id), ArtifactsOf::Run(lease.run_id())] {
            let list = artifact::list_id(&desk.viewer, of);
            for size in [1, 2, 9, 100] {
                let rows = walk!(size,
                    request => artifact::pages(&mut conn, &desk.viewer, &[of], &request).await.expect("a page").remove(0),
                    row => list.key(&list.cursor(&artifact::key(row))).expect("a cursor"));
                assert_eq!(rows.len(), 9);
                assert!(rows.is_sorted_by(|a, b| a.id < b.id));
            }
        }
    }
}
