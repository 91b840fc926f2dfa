//! Files and their contents.

use workroom::{
    clock,
    model::{file::FileArea, id::FileId, uint53::UInt53},
    store::{
        Store,
        file::{self, Placing},
    },
};

use super::fixture::{Desk, reading, unit, walk};
use crate::support::on_both;

on_both! {
    async fn a_file_keeps_its_id_when_its_content_is_replaced(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let (id, old) = desk.put(&store, FileArea::Drive, "Ω/a.md").await;
        let (same, new) = desk.put(&store, FileArea::Drive, "Ω/a.md").await;
        assert_eq!(id, same);
        let mut conn = reading(&store).await;
        let at = file::at(&mut conn, &desk.scope, FileArea::Drive, "Ω/a.md").await.expect("a read").expect("the file");
        assert_eq!((at.id, at.path.as_str(), &at.version), (id, "Ω/a.md", &new));
        assert_eq!(file::by_ids(&mut conn, &desk.viewer, &[id, FileId::new()]).await.expect("a read"), [at]);
        for elsewhere in [(FileArea::Workspace, "Ω/a.md"), (FileArea::Drive, "ω/a.md"), (FileArea::Drive, "Ω/a.md ")] {
            assert!(file::at(&mut conn, &desk.scope, elsewhere.0, elsewhere.1).await.expect("a read").is_none());
        }
        let kept = file::version(&mut conn, &desk.viewer, old.version_id).await.expect("a read");
        assert_eq!(kept, Some((desk.project.id, FileArea::Drive, old)), "an earlier content can still be read");
    }

    async fn twenty_uploads_to_one_path_at_once_leave_one_file(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let puts = futures_util::future::join_all((0..20).map(|_| desk.put(&store, FileArea::Drive, "a.md"))).await;
        assert!(puts.iter().all(|(id, _)| *id == puts[0].0));
        let count = file::count(&mut reading(&store).await, &desk.viewer, desk.project.id, FileArea::Drive).await;
        assert_eq!(count.expect("a count"), 1);
    }

    async fn a_file_shows_only_contents_of_its_own_project(store: Store) {
        let (desk, other) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        let foreign = other.content(&store, FileArea::Drive, "secret.md").await;
        for version_id in [foreign.version_id, workroom::model::id::VersionId::new()] {
            let placing = Placing {
                area: FileArea::Drive, path: "mine.md".into(), original_name: "mine.md".into(), version_id,
            };
            let scope = desk.scope;
            let placed = unit!(store, [placing] tx => file::place(tx, &scope, &placing, clock::now()).await);
            assert!(placed.is_err(), "the database itself refuses a content that is not the project's");
        }
        let mine = file::at(&mut reading(&store).await, &desk.scope, FileArea::Drive, "mine.md").await;
        assert_eq!(mine.expect("a read"), None);
    }

    async fn sizes_go_to_the_largest_number(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let mut large = desk.content(&store, FileArea::Drive, "first.bin").await;
        large.version_id = workroom::model::id::VersionId::new();
        large.size = UInt53::from(UInt53::MAX);
        let scope = desk.scope;
        unit!(store, [large] tx => file::insert_version(tx, &scope, FileArea::Drive, &large, clock::now()).await).expect("kept");
        let read = file::version(&mut reading(&store).await, &desk.viewer, large.version_id).await.expect("a read");
        assert_eq!(read.expect("the content").2, large);
    }

    async fn pages_of_files_meet_end_to_end_in_both_directions(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let paths = ["b", "a", "B", "a/b", "a b", "a-b", "ä", "z", "日本", "🚀", "_", "~", "a/a/a", "Z"];
        for path in paths {
            desk.put(&store, FileArea::Drive, path).await;
        }
        desk.put(&store, FileArea::Workspace, "other area").await;
        Desk::another(&store, &desk.viewer).await.put(&store, FileArea::Drive, "other project").await;
        let mut sorted = paths.to_vec();
        sorted.sort_unstable();
        let mut conn = reading(&store).await;
        let list = file::list_id(&desk.viewer, desk.project.id, FileArea::Drive);
        for size in [1, 3, 14, 100] {
            let rows = walk!(size,
                request => file::page(&mut conn, &desk.viewer, desk.project.id, FileArea::Drive, &request).await.expect("a page"),
                row => list.key(&list.cursor(&file::key(row))).expect("a cursor"));
            assert_eq!(rows.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), sorted);
        }
        let count = file::count(&mut conn, &desk.viewer, desk.project.id, FileArea::Drive).await.expect("a count");
        assert_eq!(count, paths.len() as u64);
    }
}
