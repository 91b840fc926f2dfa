//! Loaders: what many objects of one answer ask for is read in one statement.
//!
//! They are made for each request and hold the viewer, who goes into the SQL. They keep nothing, so a stream's next batch reads
//! afresh, and they do not wait: the keys of one level are there when the level has been looked at once.

use std::{collections::HashMap, hash::Hash, time::Duration};

use async_graphql::dataloader::{self, DataLoader, NoCache};
use chrono::{DateTime, Utc};

use crate::{
    app::App,
    error::{Error, Result},
    model::{
        artifact::Artifact,
        file::{AreaUsage, File, FileArea, PinnedFile},
        id::{ArtifactId, FileId, ProjectId, RunId, SessionId, UserId},
        page::{Key, Page, PageRequest},
        project::Project,
        run::{ModelUsage, Run, RunFilter},
        scope::Viewer,
        session::WorkspaceSession,
        uint53::UInt53,
        user::User,
    },
    store::{
        self,
        artifact::ArtifactsOf,
        directory::Folder,
        run::{RunListing, RunsOf},
        session::SessionFilter,
    },
};

/// The loaders of one request.
pub type Loader = DataLoader<Rows, NoCache>;

/// Reads rows for a viewer.
pub struct Rows {
    app: App,
    viewer: Viewer,
}

/// Loaders for a request of the viewer's.
pub fn loader(app: &App, viewer: Viewer) -> Loader {
    DataLoader::with_cache(Rows { app: app.clone(), viewer }, tokio::spawn, NoCache).delay(Duration::ZERO)
}

fn by<K: Eq + Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

fn grouped<K: Eq + Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// A loader of rows by their ids.
macro_rules! by_id {
    ($id:ty => $row:ty, $read:path) => {
        impl dataloader::Loader<$id> for Rows {
            type Value = $row;
            type Error = Error;

            async fn load(&self, ids: &[$id]) -> Result<HashMap<$id, $row>> {
                let mut conn = self.app.store.read().await?;
                Ok(by($read(&mut conn, &self.viewer, ids).await?, |row| row.id))
            }
        }
    };
}

by_id!(UserId => User, store::user::by_ids);
by_id!(ProjectId => Project, store::project::by_ids);
by_id!(SessionId => WorkspaceSession, store::session::by_ids);
by_id!(RunId => Run, store::run::by_ids);
by_id!(FileId => File, store::file::by_ids);
by_id!(ArtifactId => Artifact, store::artifact::by_ids);

/// Asks for a project's active session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ActiveSession(pub ProjectId);

impl dataloader::Loader<ActiveSession> for Rows {
    type Value = WorkspaceSession;
    type Error = Error;

    async fn load(&self, keys: &[ActiveSession]) -> Result<HashMap<ActiveSession, WorkspaceSession>> {
        let projects: Vec<_> = keys.iter().map(|key| key.0).collect();
        let mut conn = self.app.store.read().await?;
        let rows = store::session::active_of(&mut conn, &self.viewer, &projects).await?;
        Ok(by(rows, |session| ActiveSession(session.project_id)))
    }
}

/// Asks for the files that a run was given.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Inputs(pub RunId);

impl dataloader::Loader<Inputs> for Rows {
    type Value = Vec<PinnedFile>;
    type Error = Error;

    async fn load(&self, keys: &[Inputs]) -> Result<HashMap<Inputs, Vec<PinnedFile>>> {
        let runs: Vec<_> = keys.iter().map(|key| key.0).collect();
        let mut conn = self.app.store.read().await?;
        Ok(grouped(store::run::inputs(&mut conn, &self.viewer, &runs).await?, |input| Inputs(input.run_id)))
    }
}

/// Asks for what each model consumed in a run.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Models(pub RunId);

impl dataloader::Loader<Models> for Rows {
    type Value = Vec<ModelUsage>;
    type Error = Error;

    async fn load(&self, keys: &[Models]) -> Result<HashMap<Models, Vec<ModelUsage>>> {
        let runs: Vec<_> = keys.iter().map(|key| key.0).collect();
        let mut conn = self.app.store.read().await?;
        Ok(grouped(store::run::models(&mut conn, &self.viewer, &runs).await?, |usage| Models(usage.run_id)))
    }
}

/// A loader of pages of somebody's list. Those that ask the same of several lists are read together.
macro_rules! by_page {
    ($page:ident($of:ty, $listing:ty) => $row:ty, $read:path) => {
        #[doc = concat!("Asks for a page of a list of `", stringify!($row), "`s.")]
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $page(pub $of, pub $listing);

        impl dataloader::Loader<$page> for Rows {
            type Value = Page<$row>;
            type Error = Error;

            async fn load(&self, keys: &[$page]) -> Result<HashMap<$page, Page<$row>>> {
                let mut conn = self.app.store.read().await?;
                let mut pages = HashMap::with_capacity(keys.len());
                for (listing, keys) in grouped(keys.to_vec(), |key| key.1.clone()) {
                    let of: Vec<_> = keys.iter().map(|key| key.0).collect();
                    pages.extend(keys.into_iter().zip($read(&mut conn, &self.viewer, &of, &listing).await?));
                }
                Ok(pages)
            }
        }
    };
}

by_page!(RunsPage(RunsOf, RunListing) => Run, store::run::pages);
by_page!(ArtifactsPage(ArtifactsOf, PageRequest<Key>) => Artifact, store::artifact::pages);
by_page!(SessionsPage(SessionFilter, PageRequest<Key>) => WorkspaceSession, store::session::pages);

/// A loader of how many items lists hold.
macro_rules! by_count {
    ($count:ident($of:ty), $read:path) => {
        #[doc = concat!("Asks how many items the list that a `", stringify!($of), "` names holds.")]
        #[derive(Clone, Copy, PartialEq, Eq, Hash)]
        pub struct $count(pub $of);

        impl dataloader::Loader<$count> for Rows {
            type Value = u64;
            type Error = Error;

            async fn load(&self, keys: &[$count]) -> Result<HashMap<$count, u64>> {
                let of: Vec<_> = keys.iter().map(|key| key.0).collect();
                let mut conn = self.app.store.read().await?;
                Ok(keys.iter().copied().zip($read(&mut conn, &self.viewer, &of).await?).collect())
            }
        }
    };
}

by_count!(ArtifactsCount(ArtifactsOf), store::artifact::counts);
by_count!(SessionsCount(SessionFilter), store::session::counts);

/// Asks how many runs somebody has that pass a filter.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RunsCount(pub RunsOf, pub RunFilter);

impl dataloader::Loader<RunsCount> for Rows {
    type Value = u64;
    type Error = Error;

    async fn load(&self, keys: &[RunsCount]) -> Result<HashMap<RunsCount, u64>> {
        let mut conn = self.app.store.read().await?;
        let mut counts = HashMap::with_capacity(keys.len());
        for (filter, keys) in grouped(keys.to_vec(), |key| key.1.clone()) {
            let owners: Vec<_> = keys.iter().map(|key| key.0).collect();
            let read = store::run::counts(&mut conn, &self.viewer, &owners, &filter).await?;
            counts.extend(keys.into_iter().zip(read));
        }
        Ok(counts)
    }
}

/// Asks when the newest file below a directory came.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Newest(pub Folder);

impl dataloader::Loader<Newest> for Rows {
    type Value = DateTime<Utc>;
    type Error = Error;

    async fn load(&self, keys: &[Newest]) -> Result<HashMap<Newest, DateTime<Utc>>> {
        let folders: Vec<_> = keys.iter().map(|key| key.0.clone()).collect();
        let mut conn = self.app.store.read().await?;
        let times = store::directory::newest(&mut conn, &self.viewer, &folders).await?;
        Ok(keys.iter().zip(times).filter_map(|(key, time)| Some((key.clone(), time?))).collect())
    }
}

/// Asks what each area of a project holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Storage(pub ProjectId);

impl dataloader::Loader<Storage> for Rows {
    type Value = Vec<AreaUsage>;
    type Error = Error;

    async fn load(&self, keys: &[Storage]) -> Result<HashMap<Storage, Vec<AreaUsage>>> {
        const AREAS: [FileArea; 4] = [FileArea::Artifacts, FileArea::Drive, FileArea::Knowledge, FileArea::Workspace];
        let projects: Vec<_> = keys.iter().map(|key| key.0).collect();
        let mut conn = self.app.store.read().await?;
        let kept = store::directory::usage(&mut conn, &self.viewer, &projects).await?;
        let of = |project_id, area| {
            let found = kept.iter().find(|usage| usage.project_id == project_id && usage.area == area);
            let nothing = AreaUsage { project_id, area, file_count: UInt53::default(), bytes: UInt53::default() };
            found.cloned().unwrap_or(nothing)
        };
        Ok(keys.iter().map(|key| (*key, AREAS.map(|area| of(key.0, area)).to_vec())).collect())
    }
}
