//! Files and their contents.

use workroom::{
    clock,
    error::Kind,
    model::{
        file::{Entry, FileArea},
        id::{FileId, VersionId},
        uint53::UInt53,
    },
    store::{
        Store,
        directory::{self, Folder},
        file::{self, Placing},
    },
};

use super::fixture::{Desk, first, reading, unit};
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
        let folder = Folder { project_id: desk.project.id, area: FileArea::Drive, path: String::new(), recursive: true };
        assert_eq!(directory::count(&mut reading(&store).await, &desk.viewer, &folder).await.expect("a count"), 1);
    }

    async fn a_file_shows_only_contents_of_its_own_project(store: Store) {
        let (desk, other) = (Desk::of(&store, "ada").await, Desk::of(&store, "bob").await);
        let foreign = other.content(&store, FileArea::Drive, "secret.md").await;
        for version_id in [foreign.version_id, VersionId::new()] {
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
        large.version_id = VersionId::new();
        large.size = UInt53::from(UInt53::MAX);
        let scope = desk.scope;
        unit!(store, [large] tx => file::insert_version(tx, &scope, FileArea::Drive, &large, clock::now()).await).expect("kept");
        let read = file::version(&mut reading(&store).await, &desk.viewer, large.version_id).await.expect("a read");
        assert_eq!(read.expect("the content").2, large);
    }

    async fn of_two_who_saw_the_same_content_one_replaces_it(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        desk.put(&store, FileArea::Drive, "a.md").await;
        let scope = desk.scope;
        let seen = file::at(&mut reading(&store).await, &scope, FileArea::Drive, "a.md").await.expect("a read").expect("the file");
        let attempts = (0..8).map(|_| async {
            let version = desk.content(&store, FileArea::Drive, "a.md").await;
            let placing = placing("a.md", version.version_id);
            unit!(store, [seen, placing] tx => file::replace(tx, &scope, &seen, &placing, clock::now()).await).expect("an answer")
        });
        let done = futures_util::future::join_all(attempts).await;
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
    }

    async fn a_free_path_is_taken_once(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let scope = desk.scope;
        let attempts = (0..8).map(|_| async {
            let version = desk.content(&store, FileArea::Drive, "a.md").await;
            let placing = placing("a.md", version.version_id);
            unit!(store, [placing] tx => file::place_new(tx, &scope, FileId::new(), &placing, clock::now()).await).expect("an answer")
        });
        let done = futures_util::future::join_all(attempts).await;
        assert_eq!(done.iter().filter(|done| **done).count(), 1, "{done:?}");
        let asked = ["a.md", "b.md", "A.md"].map(str::to_owned);
        let taken = file::taken(&mut reading(&store).await, &scope, FileArea::Drive, &asked).await.expect("a read");
        assert_eq!(taken, ["a.md"]);
    }

    async fn files_and_directories_move_and_go(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        for path in ["a", "a/1", "a/ä/2", "a b/3", "a0", "ab/4", "b/5"] {
            desk.put(&store, FileArea::Drive, path).await;
            desk.put(&store, FileArea::Workspace, path).await;
            other.put(&store, FileArea::Drive, path).await;
        }
        let (scope, drive) = (desk.scope, FileArea::Drive);
        let longest = file::longest_below(&mut reading(&store).await, &scope, drive, "a").await.expect("a read");
        assert_eq!(longest, Some(6), "in bytes");
        assert_eq!(file::longest_below(&mut reading(&store).await, &scope, drive, "a0").await.expect("a read"), None);
        let moved = unit!(store, [] tx => Ok((
            file::rename_below(tx, &scope, drive, "a", "ä/c").await?,
            file::rename(tx, &scope, drive, "a0", "z").await?,
            file::rename(tx, &scope, drive, "none", "y").await?,
        )));
        assert_eq!(moved.expect("a move"), (2, true, false));
        for (to, result) in [
            ("a", unit!(store, [] tx => file::rename(tx, &scope, drive, "z", "a").await).map(u64::from)),
            ("b", unit!(store, [] tx => {
                file::rename(tx, &scope, drive, "ab/4", "ab/5").await?;
                file::rename_below(tx, &scope, drive, "ab", "b").await
            })),
        ] {
            assert_eq!(result.expect_err("taken").kind(), Kind::Conflict, "{to}");
        }
        assert_eq!(paths(&store, &desk, drive).await, ["a", "a b/3", "ab/4", "b/5", "z", "ä/c/1", "ä/c/ä/2"]);
        let gone = unit!(store, [] tx => Ok((
            file::remove_below(tx, &scope, drive, "ä").await?,
            file::remove(tx, &scope, drive, "a").await?,
            file::remove(tx, &scope, drive, "b").await?,
        )));
        assert_eq!(gone.expect("a deletion"), (2, true, false));
        assert_eq!(paths(&store, &desk, drive).await, ["a b/3", "ab/4", "b/5", "z"]);
        for (desk, area) in [(&desk, FileArea::Workspace), (&other, FileArea::Drive)] {
            assert_eq!(paths(&store, desk, area).await.len(), 7, "nothing else was touched");
        }
    }
}

fn placing(path: &str, version_id: VersionId) -> Placing {
    Placing { area: FileArea::Drive, path: path.into(), original_name: path.into(), version_id }
}

/// All paths of an area.
pub(super) async fn paths(store: &Store, desk: &Desk, area: FileArea) -> Vec<String> {
    let folder = Folder { project_id: desk.project.id, area, path: String::new(), recursive: true };
    let page = directory::page(&mut reading(store).await, &desk.viewer, &folder, &first(100)).await;
    page.expect("a page").items.iter().map(Entry::place).collect()
}
