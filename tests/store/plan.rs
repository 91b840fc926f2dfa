//! What the queries that are asked most cost with many rows. The bounds are several times what was measured, and far below
//! what reading a whole table takes.

use std::time::{Duration, Instant};

use workroom::{
    model::{
        page::{Key, PageRequest},
        project::{OrderDirection, Project, ProjectFilter, ProjectOrder, ProjectOrderField},
        run::{RunFilter, RunOrder},
        scope::Viewer,
    },
    store::{
        Conn, Store, project,
        run::{self, RunListing, RunsOf},
    },
};

use super::fixture::{Desk, change, claim, first, last, project_of, reading, unit, viewer};
use crate::support::on_both;

/// Runs an async block some forty times; answers with the median and prints it with the 95th percentile.
macro_rules! measure {
    ($engine:expr, $what:expr, $body:expr) => {{
        let mut times = Vec::new();
        for _ in 0..40 {
            let started = Instant::now();
            $body;
            times.push(started.elapsed());
        }
        times.sort_unstable();
        println!("{}: {}: median {:?}, 95th percentile {:?}", $engine, $what, times[20], times[37]);
        times[20]
    }};
}

const PROJECTS: usize = 10_000;

/// Ten thousand projects of one user, with some text each.
async fn fill(store: &Store, viewer: &Viewer) {
    for hundred in 0..PROJECTS / 500 {
        let projects: Vec<Project> = (0..500)
            .map(|number| {
                let number = hundred * 500 + number;
                let project = project_of(viewer, &format!("Project {:05}", number * 7919 % PROJECTS));
                Project { description: "An agent reads contracts and invoices. ".repeat(8), ..project }
            })
            .collect();
        unit!(store, [projects] tx => {
            for project in &projects {
                project::insert(tx, project).await?;
            }
            Ok(())
        })
        .expect("projects");
    }
}

/// What PostgreSQL does by itself after a while. SQLite does without: its plans must be right from the shape of the indexes.
async fn gather_statistics(store: &Store) {
    if store.engine() == "PostgreSQL" {
        change(store, "analyze", vec![]).await.expect("statistics");
    }
}

async fn page(
    conn: &mut Conn,
    viewer: &Viewer,
    filter: &ProjectFilter,
    order: ProjectOrder,
    request: &PageRequest<Key>,
) {
    let page = project::page(conn, viewer, filter, order, request).await.expect("a page");
    assert_eq!(page.items.len(), 50);
}

on_both! {
    async fn a_page_of_projects_costs_its_rows_not_the_table(store: Store) {
        let ada = viewer(&store, "ada").await;
        fill(&store, &ada).await;
        gather_statistics(&store).await;
        let engine = store.engine();
        let mut conn = reading(&store).await;
        let all = ProjectFilter::default();
        for field in [ProjectOrderField::CreatedAt, ProjectOrderField::Name, ProjectOrderField::UpdatedAt] {
            for direction in [OrderDirection::Asc, OrderDirection::Desc] {
                let order = ProjectOrder { field, direction };
                let mut middle = first(5_000);
                let rows = project::page(&mut conn, &ada, &all, order, &middle).await.expect("half of them").items;
                middle = first(50);
                middle.after = rows.last().map(|row| project::key(row, order));
                for (place, request) in [("first", first(50)), ("last", last(50)), ("middle", middle)] {
                    let what = format!("{place} page by {field:?} {direction:?}");
                    let median = measure!(engine, what, page(&mut conn, &ada, &all, order, &request).await);
                    assert!(median < Duration::from_millis(10), "{what} on {engine}: {median:?}");
                }
            }
        }
        for text in ["project", "09999", "nowhere to be found"] {
            let filter = ProjectFilter { text: Some(text.into()), labels: None };
            let what = format!("page with {text:?}");
            let median = measure!(engine, what, {
                project::page(&mut conn, &ada, &filter, ProjectOrder::default(), &first(50)).await.expect("a page")
            });
            assert!(median < Duration::from_millis(100), "{what} on {engine}: {median:?}");
            let what = format!("count with {text:?}");
            measure!(engine, what, project::count(&mut conn, &ada, &filter).await.expect("a count"));
        }
        let median = measure!(engine, "count of all", project::count(&mut conn, &ada, &all).await.expect("a count"));
        assert!(median < Duration::from_millis(20), "count on {engine}: {median:?}");
    }

    async fn a_long_history_slows_neither_claims_nor_pages(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let other = Desk::another(&store, &desk.viewer).await;
        other.finish(&store).await;
        let ended = desk.finish(&store).await;
        let fresh = match &reading(&store).await {
            Conn::Sqlite(_) => "randomblob(16)",
            Conn::Postgres(_) => "gen_random_uuid()",
        };
        let columns = "project_id, user_id, session_id, prompt, agent, model, status, created_at, completed_at, last_sequence, \
            input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, lease_generation, lease_counter";
        let copy = format!(
            "insert into run (id, number, {columns}) with recursive n(i) as \
            (select 1 union all select i + 1 from n where i < 100000) select {fresh}, number + 1000000 + i, {columns} from run, n \
            where id = $1");
        assert_eq!(change(&store, copy.leak(), vec![ended.id.0]).await.expect("a long history"), 100_000);
        gather_statistics(&store).await;
        let engine = store.engine();
        for _ in 0..50 {
            desk.queue(&store).await;
        }
        let running = claim(&store, "worker").await.expect("the first of the queue");
        let median = measure!(engine, "claim behind 100,000 ended and 49 waiting runs", {
            assert!(claim(&store, "worker").await.is_none(), "the project is busy");
        });
        assert!(median < Duration::from_millis(20), "claim on {engine}: {median:?}");
        assert_eq!(running.scope().project_id(), desk.project.id);
        let mut conn = reading(&store).await;
        for (what, of, most) in [
            ("runs of the long project", RunsOf::Project(desk.project.id), 50),
            ("runs of the short project", RunsOf::Project(other.project.id), 1),
            ("runs of the short session", RunsOf::Session(other.session.id), 1),
            ("runs of an original", RunsOf::Original(ended.id), 0),
        ] {
            let listing = RunListing { filter: RunFilter::default(), order: RunOrder::default(), request: first(50) };
            let median = measure!(engine, what, {
                let page = run::pages(&mut conn, &desk.viewer, &[of], &listing).await.expect("a page").remove(0);
                assert_eq!(page.items.len(), most);
            });
            assert!(median < Duration::from_millis(10), "{what} on {engine}: {median:?}");
        }
        let owners: Vec<_> = std::iter::repeat_n(RunsOf::Project(other.project.id), 100).collect();
        let listing = RunListing { filter: RunFilter::default(), order: RunOrder::default(), request: first(50) };
        let median = measure!(engine, "pages of 100 owners", {
            assert_eq!(run::pages(&mut conn, &desk.viewer, &owners, &listing).await.expect("pages").len(), 100);
        });
        assert!(median < Duration::from_millis(100), "100 owners on {engine}: {median:?}");
        let median = measure!(engine, "unfinished runs of the long project", {
            assert_eq!(run::unfinished(&mut conn, &desk.scope).await.expect("a read").len(), 50);
        });
        assert!(median < Duration::from_millis(10), "unfinished on {engine}: {median:?}");
        measure!(engine, "count of the long project",
            run::counts(&mut conn, &desk.viewer, &[RunsOf::Project(desk.project.id)], &RunFilter::default()).await.expect("c"));
    }
}
