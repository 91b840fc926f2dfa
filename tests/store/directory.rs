//! What directories hold.

use std::collections::BTreeSet;

use workroom::{
    clock,
    model::{
        file::{Entry, FileArea},
        page::Page,
    },
    store::{
        Store,
        directory::{self, Folder},
        file::{self, Placing},
    },
};

use super::fixture::{Desk, first, reading, unit, walk};
use crate::support::on_both;

/// Paths that sort oddly, and files and directories of one path.
const PATHS: &[&str] = &[
    "b",
    "a",
    "B",
    "a/b",
    "a b",
    "a-b",
    "ä",
    "z",
    "日本",
    "🚀",
    "_",
    "~",
    "a/a/a",
    "a/a/b",
    "Z",
    "a0",
    "a.b/c",
    "a!",
    "日本/x",
    "日本/y/z",
    "a/b/c",
    "日",
    "ab/c/d/e",
    "b/a",
    "b/b",
];

fn drive(desk: &Desk, path: &str, recursive: bool) -> Folder {
    Folder { project_id: desk.project.id, area: FileArea::Drive, path: path.into(), recursive }
}

/// A page without the times at which its directories were met: from the other end they are met by another file.
fn timeless(mut page: Page<Entry>) -> Page<Entry> {
    for entry in &mut page.items {
        if let Entry::Directory(directory) = entry {
            directory.met_at = chrono::DateTime::UNIX_EPOCH;
        }
    }
    page
}

/// What a directory holds, worked out by hand.
fn expected(path: &str, recursive: bool) -> Vec<String> {
    let start = if path.is_empty() { String::new() } else { format!("{path}/") };
    let below = PATHS.iter().filter_map(|path| path.strip_prefix(&start));
    let entries: BTreeSet<String> = below
        .map(|rest| match rest.split_once('/') {
            Some((name, _)) if !recursive => format!("{start}{name}/"),
            _ => format!("{start}{rest}"),
        })
        .collect();
    entries.into_iter().collect()
}

on_both! {
    async fn pages_of_directories_meet_end_to_end_in_both_directions(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        for path in PATHS {
            desk.put(&store, FileArea::Drive, path).await;
        }
        desk.put(&store, FileArea::Workspace, "other area").await;
        Desk::another(&store, &desk.viewer).await.put(&store, FileArea::Drive, "other project").await;
        let mut conn = reading(&store).await;
        for path in ["", "a", "a/a", "日本", "ab/c", "b", "none", "a/"] {
            for recursive in [false, true] {
                let folder = drive(&desk, path, recursive);
                let list = directory::list_id(&desk.viewer, &folder);
                let wanted = expected(path, recursive);
                for size in [1, 2, 3, 100] {
                    let rows = walk!(size,
                        request => timeless(directory::page(&mut conn, &desk.viewer, &folder, &request).await.expect("a page")),
                        row => list.key(&list.cursor(&directory::key(row))).expect("a cursor"));
                    assert_eq!(rows.iter().map(Entry::place).collect::<Vec<_>>(), wanted, "{path} {recursive}");
                }
                let count = directory::count(&mut conn, &desk.viewer, &folder).await.expect("a count");
                assert_eq!(count, wanted.len() as u64, "{path} {recursive}");
            }
        }
    }

    async fn a_directory_has_the_time_of_the_newest_file_below_it(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let scope = desk.scope;
        let now = clock::now();
        for (minutes, path) in [(1, "a/1"), (5, "a/b/2"), (3, "a/3"), (9, "a0"), (2, "b/1")] {
            let version = desk.content(&store, FileArea::Drive, path).await;
            let placing = Placing {
                area: FileArea::Drive, path: path.into(), original_name: path.into(), version_id: version.version_id,
            };
            let at = now + chrono::Duration::minutes(minutes);
            unit!(store, [placing] tx => file::place(tx, &scope, &placing, at).await).expect("a file");
        }
        let folders: Vec<_> = ["a", "none", "b", ""].iter().map(|path| drive(&desk, path, true)).collect();
        let times = directory::newest(&mut reading(&store).await, &desk.viewer, &folders).await.expect("times");
        let minutes = |minutes| Some(now + chrono::Duration::minutes(minutes));
        assert_eq!(times, [minutes(5), None, minutes(2), minutes(9)]);
        let many: Vec<_> = (0..250).map(|number| drive(&desk, if number == 249 { "b" } else { "none" }, true)).collect();
        let times = directory::newest(&mut reading(&store).await, &desk.viewer, &many).await.expect("times");
        assert_eq!((times.len(), times[249]), (250, minutes(2)));
    }

    async fn an_area_is_as_large_as_its_files(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        for path in ["a", "a", "b/c"] {
            desk.put(&store, FileArea::Drive, path).await;
        }
        let lease = desk.start(&store).await;
        for _ in 0..2 {
            desk.deliver(&store, &lease, "brief.md").await;
        }
        let projects = [desk.project.id, other.project.id];
        let mut usage = directory::usage(&mut reading(&store).await, &desk.viewer, &projects).await.expect("usage");
        usage.sort_by_key(|usage| usage.area.prefix());
        let told: Vec<_> = usage
            .iter()
            .map(|usage| (usage.project_id, usage.area, usage.file_count.as_u64(), usage.bytes.as_u64()))
            .collect();
        assert_eq!(told, [
            (desk.project.id, FileArea::Artifacts, 2, 14),
            (desk.project.id, FileArea::Drive, 2, 14),
        ]);
    }

    async fn a_directory_with_many_files_below_it_is_one_entry(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let version = desk.content(&store, FileArea::Drive, "one").await.version_id;
        let scope = desk.scope;
        for part in 0..20 {
            unit!(store, [] tx => {
                for number in 0..100 {
                    let path = format!("d{part:02}/{number:03}");
                    let placing = Placing {
                        area: FileArea::Drive, path: path.clone(), original_name: path, version_id: version,
                    };
                    file::place(tx, &scope, &placing, clock::now()).await?;
                }
                Ok(())
            })
            .expect("files");
        }
        let folder = drive(&desk, "", false);
        let page = directory::page(&mut reading(&store).await, &desk.viewer, &folder, &first(5)).await.expect("a page");
        let places: Vec<_> = page.items.iter().map(Entry::place).collect();
        assert_eq!((places, page.has_next_page), ((0..5).map(|part| format!("d{part:02}/")).collect(), true));
        assert_eq!(directory::count(&mut reading(&store).await, &desk.viewer, &folder).await.expect("a count"), 20);
    }
}
