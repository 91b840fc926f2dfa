//! Projects.

use std::collections::HashSet;

use workroom::{
    clock,
    error::Kind,
    model::{
        page::Key,
        project::{OrderDirection, Project, ProjectFilter, ProjectOrder, ProjectOrderField},
        scope::Viewer,
        uint53::UInt53,
    },
    store::{Store, project},
};

use super::fixture::{first, keep, project_of, reading, scope, unit, viewer, walk};
use crate::support::on_both;

const ORDERS: [ProjectOrderField; 3] =
    [ProjectOrderField::CreatedAt, ProjectOrderField::Name, ProjectOrderField::UpdatedAt];

fn by(field: ProjectOrderField, direction: OrderDirection) -> ProjectOrder {
    ProjectOrder { field, direction }
}

fn containing(text: &str) -> ProjectFilter {
    ProjectFilter { text: Some(text.to_owned()), labels: None }
}

fn labelled(labels: &[&str]) -> ProjectFilter {
    ProjectFilter { text: None, labels: Some(labels.iter().map(ToString::to_string).collect()) }
}

/// The names that a filter finds, by name; the count must agree.
async fn found(store: &Store, viewer: &Viewer, filter: &ProjectFilter) -> Vec<String> {
    let mut conn = reading(store).await;
    let order = by(ProjectOrderField::Name, OrderDirection::Asc);
    let page = project::page(&mut conn, viewer, filter, order, &first(100)).await.expect("a page");
    let count = project::count(&mut conn, viewer, filter).await.expect("a count");
    assert_eq!(count, page.items.len() as u64);
    page.items.into_iter().map(|project| project.name).collect()
}

on_both! {
    async fn a_project_comes_back_as_it_was_kept(store: Store) {
        let ada = viewer(&store, "ada").await;
        let mut kept = project_of(&ada, "Straße 🚀 \u{10ffff}");
        kept.description = "x".repeat(10_000) + "\n\t'; drop table project; --";
        kept.labels = vec!["Beta \"x\"".into(), "alpha\\".into(), "ﬁle".into()];
        keep(&store, &kept).await;
        let mut conn = reading(&store).await;
        assert_eq!(project::get(&mut conn, &ada, kept.id).await.expect("a read"), Some(kept.clone()));
        assert_eq!(project::by_ids(&mut conn, &ada, &[kept.id, kept.id]).await.expect("a read"), vec![kept]);
        assert_eq!(project::by_ids(&mut conn, &ada, &[]).await.expect("a read"), vec![]);
    }

    async fn an_update_needs_the_version_that_stands(store: Store) {
        let ada = viewer(&store, "ada").await;
        let mut kept = project_of(&ada, "one");
        kept.labels = vec!["old".into()];
        keep(&store, &kept).await;
        let scope = scope(&ada, &kept);
        let changed = Project {
            name: "Two".into(), labels: vec!["new".into()], updated_at: clock::now(), version: UInt53::from(2_u64), ..kept
        };
        for (expected, done) in [(7, false), (1, true), (1, false)] {
            let answer = unit!(store, [changed] tx => project::update(tx, &scope, &changed, expected).await);
            assert_eq!(answer.expect("an update is answered"), done);
        }
        let mut conn = reading(&store).await;
        assert_eq!(project::get(&mut conn, &ada, changed.id).await.expect("a read"), Some(changed));
        drop(conn);
        assert_eq!(found(&store, &ada, &labelled(&["new"])).await, ["Two"]);
        assert_eq!(found(&store, &ada, &containing("two")).await, ["Two"]);
        assert!(found(&store, &ada, &labelled(&["old"])).await.is_empty());
        assert!(found(&store, &ada, &containing("one")).await.is_empty());
    }

    async fn one_of_twenty_editors_at_once_wins(store: Store) {
        let ada = viewer(&store, "ada").await;
        let kept = project_of(&ada, "contested");
        keep(&store, &kept).await;
        let scope = scope(&ada, &kept);
        let editors = (0..20).map(|editor| {
            let changed = Project { name: format!("by {editor}"), version: UInt53::from(2_u64), ..kept.clone() };
            let store = store.clone();
            async move { unit!(store, [changed] tx => project::update(tx, &scope, &changed, 1).await).expect("an answer") }
        });
        let wins = futures_util::future::join_all(editors).await.into_iter().filter(|won| *won).count();
        assert_eq!(wins, 1);
    }

    async fn pages_of_projects_meet_end_to_end_in_both_directions(store: Store) {
        let ada = viewer(&store, "ada").await;
        let now = clock::now();
        // Ties by name and by time; times with and without a fraction; names that collations would sort otherwise.
        let names = ["b", "B", "a", "Ä", "ä", "z", "_", "~", "é", "a b", "ab", "日本", "🚀", "ÿ", ""];
        let steps = [0, 0, 1, 1_000, 1_000, 1_000_000, 999_999, 123_000, 100, 10, 0, 500_000, 2, 0, 1];
        for (name, step) in names.into_iter().zip(steps) {
            let whole = chrono::DateTime::from_timestamp(now.timestamp(), 0).expect("a time");
            let project = Project {
                updated_at: whole + chrono::Duration::microseconds(step), ..project_of(&ada, name)
            };
            keep(&store, &project).await;
        }
        let filter = ProjectFilter::default();
        for order in ORDERS.into_iter().flat_map(|field| [by(field, OrderDirection::Asc), by(field, OrderDirection::Desc)]) {
            let mut conn = reading(&store).await;
            let list = project::list_id(&ada, &filter, order);
            for size in [1, 2, 4, 15, 100] {
                let rows = walk!(size,
                    request => project::page(&mut conn, &ada, &filter, order, &request).await.expect("a page"),
                    row => list.key(&list.cursor(&project::key(row, order))).expect("a cursor"));
                assert_eq!(rows.iter().map(|row| row.id).collect::<HashSet<_>>().len(), names.len());
                let sorts = |row: &Project| match order.field {
                    ProjectOrderField::CreatedAt => (String::new(), row.id),
                    ProjectOrderField::Name => (workroom::model::text::fold(&row.name), row.id),
                    ProjectOrderField::UpdatedAt => (format!("{:020}", row.updated_at.timestamp_micros()), row.id),
                };
                let mut expected = rows.clone();
                expected.sort_by_key(sorts);
                if order.direction == OrderDirection::Desc {
                    expected.reverse();
                }
                assert_eq!(rows, expected, "{order:?}");
            }
        }
        assert_eq!(project::count(&mut reading(&store).await, &ada, &filter).await.expect("a count"), 15);
    }

    async fn a_forged_cursor_harms_nothing(store: Store) {
        let ada = viewer(&store, "ada").await;
        keep(&store, &project_of(&ada, "one")).await;
        let mut conn = reading(&store).await;
        for sort in ["", "nonsense", "-9223372036854775808", "9223372036854775807", "-99999999999999999", "a\0b"] {
            for order in ORDERS.into_iter().map(|field| by(field, OrderDirection::Asc)) {
                let mut request = first(10);
                request.after = Some(Key { sort: sort.into(), id: clock::new_id() });
                let page = project::page(&mut conn, &ada, &ProjectFilter::default(), order, &request).await;
                if let Err(error) = page {
                    assert_eq!(error.kind(), Kind::Invalid, "{sort:?} {order:?}: {error:?}");
                }
            }
        }
    }

    async fn search_is_the_same_in_every_script(store: Store) {
        let ada = viewer(&store, "ada").await;
        for name in ["Straße", "ΣΊΣΥΦΟΣ", "Ångström", "ДОГОВОР", "日本語", "100% sure", "a_b", "axb", "back\\slash", "ﬁnal"] {
            keep(&store, &project_of(&ada, name)).await;
        }
        for (text, names) in [
            ("STRASSE", vec!["Straße"]),
            ("σίσυφος", vec!["ΣΊΣΥΦΟΣ"]),
            ("ångstr", vec!["Ångström"]),
            ("договор", vec!["ДОГОВОР"]),
            ("本", vec!["日本語"]),
            ("100%", vec!["100% sure"]),
            ("0% s", vec!["100% sure"]),
            ("%", vec!["100% sure"]),
            ("a_b", vec!["a_b"]),
            ("\\", vec!["back\\slash"]),
            ("FIN", vec!["ﬁnal"]),
            ("nothing", vec![]),
            ("a\0", vec![]),
            ("\0", vec![]),
        ] {
            assert_eq!(found(&store, &ada, &containing(text)).await, names, "{text:?}");
        }
        assert_eq!(found(&store, &ada, &containing("")).await.len(), 10);
        assert!(found(&store, &ada, &containing(&"x".repeat(200_000))).await.is_empty(), "overlong text finds nothing");
    }

    async fn labels_filter(store: Store) {
        let ada = viewer(&store, "ada").await;
        for (name, labels) in [("one", vec!["Red", "blue"]), ("two", vec!["red"]), ("three", vec![]), ("four", vec!["Red", "RED"])] {
            let labels = labels.into_iter().map(str::to_owned).collect();
            keep(&store, &Project { labels, ..project_of(&ada, name) }).await;
        }
        assert_eq!(found(&store, &ada, &labelled(&["RED"])).await, ["four", "one", "two"]);
        assert_eq!(found(&store, &ada, &labelled(&["red", "Blue"])).await, ["one"]);
        assert_eq!(found(&store, &ada, &labelled(&["green"])).await.len(), 0);
        assert_eq!(found(&store, &ada, &labelled(&["re"])).await.len(), 0);
        assert_eq!(found(&store, &ada, &labelled(&["re\0d"])).await.len(), 0);
        assert_eq!(found(&store, &ada, &labelled(&[])).await.len(), 4);
        assert_eq!(found(&store, &ada, &labelled(&["red"; 500])).await, ["four", "one", "two"]);
        let many: Vec<String> = (0..5_000).map(|label| label.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(found(&store, &ada, &labelled(&many)).await.len(), 0);
    }

    async fn run_numbers_have_no_gap_and_no_double(store: Store) {
        let ada = viewer(&store, "ada").await;
        let kept = project_of(&ada, "one");
        keep(&store, &kept).await;
        let scope = scope(&ada, &kept);
        let takers = (0..50).map(|_| {
            let store = store.clone();
            async move { unit!(store, [] tx => project::next_run_number(tx, &scope).await).expect("a number") }
        });
        let mut numbers: Vec<_> = futures_util::future::join_all(takers).await.into_iter().flatten().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=50).collect::<Vec<_>>());
    }
}
