//! Watching projects live: how things are, then what changes.
//!
//! One reader in each process looks at what changed lately, at each commit of this process, when others tell of theirs, and once
//! a second in any case, and tells each watcher what concerns it. A watcher holds what it has not been able to say yet, each thing once however often
//! it changed. So a slow one is bounded, and what it says is how things are when it comes to say it. One that is too far behind
//! says everything anew.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::{FutureExt, Stream, stream};
use tokio::sync::{Mutex as AsyncMutex, Notify};

use super::{App, open};
use crate::{
    error::{Error, Result},
    hint::{Hints, Listener, Topic},
    model::{
        activity::{Change, Changed},
        file::FileArea,
        id::ProjectId,
        page::{PageRequest, Take},
        project::{Project, ProjectFilter, ProjectOrder},
        run::Run,
        scope::{Sweep, Viewer},
        session::WorkspaceSession,
    },
    store::{
        self, Store,
        activity::{Place, after, newest},
        session::SessionFilter,
    },
};

/// Things that a watcher may hold unsaid; beyond that it says everything anew.
const UNSAID: usize = 1000;
/// Changes that are read at once. Who is further behind does not catch up: everything is said anew.
const READ: i64 = 1000;
/// Changes that are kept; more than are read at once, so that nobody misses one unnoticed.
const KEPT: i64 = 10_000;
/// How long changes are gathered before they are told: a run that is started makes several.
const GATHER: Duration = Duration::from_millis(20);
/// The slow look, for what other processes change without being able to tell.
const SLOW_LOOK: Duration = Duration::from_secs(1);
/// Rows of each list in a snapshot.
pub const SHOWN: i64 = 100;

/// Tells watchers what changes. Cheap to clone.
#[derive(Clone)]
pub struct Activity {
    store: Store,
    hints: Hints,
    /// There is a reader as long as somebody watches.
    reader: Arc<AsyncMutex<Weak<Reader>>>,
}

#[derive(Default)]
struct Reader {
    watchers: Mutex<Vec<Weak<Watcher>>>,
}

/// Somebody who watches.
struct Watcher {
    viewer: Viewer,
    /// Only this project.
    project: Option<ProjectId>,
    unsaid: Mutex<Unsaid>,
    bell: Notify,
    /// Holds the reader as long as somebody watches.
    _reader: Arc<Reader>,
}

/// What a watcher has not said yet.
enum Unsaid {
    /// How everything is.
    Everything,
    /// What changed: each thing once, in the order of its first change.
    Changes(VecDeque<Change>, HashSet<Change>),
}

/// What a watcher says next.
#[derive(Debug, PartialEq)]
enum Next {
    Everything,
    Change(Change),
}

/// How things are now.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The watched project, or the viewer's that changed last.
    pub projects: Vec<Project>,
    /// The active workspace sessions, newest first.
    pub sessions: Vec<WorkspaceSession>,
    /// The runs that have not ended, newest first.
    pub runs: Vec<Run>,
}

/// What a watcher is told.
#[derive(Clone, Debug)]
pub enum Happening {
    /// How things are.
    Snapshot(Snapshot),
    /// A project was made or changed.
    Project(Project),
    /// A project was deleted.
    ProjectDeleted(ProjectId),
    /// A workspace session was provisioned or ended.
    Session(WorkspaceSession),
    /// A run was asked for, or changed its status.
    Run(Run),
    /// Files of an area changed.
    Files(Project, FileArea),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Activity {
    /// What changes in the projects of `store`.
    pub fn new(store: Store, hints: Hints) -> Self {
        Self { store, hints, reader: Arc::default() }
    }

    /// Begins to watch; what changes from now on is told.
    async fn join(&self, viewer: Viewer, project: Option<ProjectId>) -> Result<Arc<Watcher>> {
        let mut current = self.reader.lock().await;
        let reader = if let Some(reader) = current.upgrade() {
            reader
        } else {
            let elsewhere = self.hints.listen(Topic::Changes);
            let from = newest(&mut self.store.read().await?, &Sweep::new()).await?;
            let reader = Arc::new(Reader::default());
            tokio::spawn(read(self.store.clone(), elsewhere, from, Arc::downgrade(&reader)));
            *current = Arc::downgrade(&reader);
            reader
        };
        let watcher = Arc::new(Watcher {
            viewer,
            project,
            unsaid: Mutex::new(Unsaid::Everything),
            bell: Notify::new(),
            _reader: reader.clone(),
        });
        lock(&reader.watchers).push(Arc::downgrade(&watcher));
        Ok(watcher)
    }
}

/// Watches one of the viewer's projects, or all of them: first how things are, then what changes. The stream of one project ends
/// with an error when the project is deleted.
pub async fn watch(
    app: &App,
    viewer: Viewer,
    project: Option<ProjectId>,
) -> Result<impl Stream<Item = Result<Happening>> + use<>> {
    if let Some(id) = project {
        open(&mut app.store.read().await?, &viewer, id).await.map_err(|error| error.at(["projectId"]))?;
    }
    // First listen, then look: nothing falls between the two.
    let watcher = app.activity.join(viewer, project).await?;
    let store = app.store.clone();
    Ok(stream::unfold(Some((store, watcher)), |watching| async {
        let (store, watcher) = watching?;
        match next(&store, &watcher).await {
            Ok(happening) => {
                let is_over = matches!(happening, Happening::ProjectDeleted(_)) && watcher.project.is_some();
                let told = if is_over { Err(Error::not_found(ProjectId::NOUN)) } else { Ok(happening) };
                Some((told, (!is_over).then_some((store, watcher))))
            }
            Err(error) => Some((Err(error), None)),
        }
    }))
}

/// Forgets old changes.
pub async fn trim(app: &App, sweep: Sweep) -> Result<u64> {
    app.store.write(move |tx| async move { store::activity::trim(tx, &sweep, KEPT).await }.boxed()).await
}

async fn next(store: &Store, watcher: &Watcher) -> Result<Happening> {
    loop {
        let told = match watcher.take() {
            Some(Next::Everything) => Some(Happening::Snapshot(snapshot(store, watcher).await?)),
            Some(Next::Change(change)) => happening(store, &watcher.viewer, change).await?,
            None => {
                watcher.bell.notified().await;
                None
            }
        };
        if let Some(told) = told {
            return Ok(told);
        }
    }
}

async fn snapshot(store: &Store, watcher: &Watcher) -> Result<Snapshot> {
    let Watcher { viewer, project, .. } = watcher;
    let mut conn = store.read().await?;
    let projects = if let Some(id) = project {
        let project = store::project::get(&mut conn, viewer, *id).await?;
        vec![project.ok_or_else(|| Error::not_found(ProjectId::NOUN))?]
    } else {
        let (filter, order) = (ProjectFilter::default(), ProjectOrder::default());
        store::project::page(&mut conn, viewer, &filter, order, &newest_first()).await?.items
    };
    let filter = SessionFilter { project_id: *project, active_only: true };
    let sessions = store::session::page(&mut conn, viewer, filter, &newest_first()).await?.items;
    let runs = store::run::under_way(&mut conn, viewer, *project, SHOWN).await?;
    Ok(Snapshot { projects, sessions, runs })
}

fn newest_first<K>() -> PageRequest<K> {
    PageRequest { size: SHOWN, after: None, before: None, take: Take::First }
}

/// How the thing that changed is now; nothing if it is gone, for then something else tells of that.
async fn happening(store: &Store, viewer: &Viewer, change: Change) -> Result<Option<Happening>> {
    let mut conn = store.read().await?;
    let project = change.project_id;
    Ok(match change.what {
        Changed::Project => Some(match store::project::get(&mut conn, viewer, project).await? {
            Some(project) => Happening::Project(project),
            None => Happening::ProjectDeleted(project),
        }),
        Changed::Session(id) => store::session::by_ids(&mut conn, viewer, &[id]).await?.pop().map(Happening::Session),
        Changed::Run(id) => store::run::by_ids(&mut conn, viewer, &[id]).await?.pop().map(Happening::Run),
        Changed::Files(area) => {
            let project = store::project::get(&mut conn, viewer, project).await?;
            project.map(|project| Happening::Files(project, area))
        }
    })
}

impl Watcher {
    /// Takes what is to be said next; nothing if all is said.
    fn take(&self) -> Option<Next> {
        let mut unsaid = lock(&self.unsaid);
        match &mut *unsaid {
            Unsaid::Everything => {
                *unsaid = Unsaid::Changes(VecDeque::new(), HashSet::new());
                Some(Next::Everything)
            }
            Unsaid::Changes(order, known) => {
                let change = order.pop_front()?;
                known.remove(&change);
                Some(Next::Change(change))
            }
        }
    }

    /// Notes what concerns this watcher.
    fn tell(&self, changes: &[Change]) {
        let mine = |change: &&Change| {
            change.user_id == self.viewer.user_id() && self.project.is_none_or(|project| project == change.project_id)
        };
        let mut unsaid = lock(&self.unsaid);
        for change in changes.iter().filter(mine) {
            let Unsaid::Changes(order, known) = &mut *unsaid else { break };
            if known.insert(*change) {
                order.push_back(*change);
            }
            if order.len() > UNSAID {
                *unsaid = Unsaid::Everything;
            }
        }
        drop(unsaid);
        self.bell.notify_one();
    }

    fn tell_everything(&self) {
        *lock(&self.unsaid) = Unsaid::Everything;
        self.bell.notify_one();
    }
}

impl Reader {
    fn watchers(&self) -> Vec<Arc<Watcher>> {
        let mut watchers = lock(&self.watchers);
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.iter().filter_map(Weak::upgrade).collect()
    }
}

/// Reads what changes and tells it, as long as somebody watches.
async fn read(store: Store, mut elsewhere: Listener, mut place: Place, reader: Weak<Reader>) {
    let mut here = store.changed();
    while reader.strong_count() > 0 {
        match look(&store, place).await {
            Ok((upto, changes)) => {
                let Some(reader) = reader.upgrade() else { return };
                place = upto;
                for watcher in reader.watchers() {
                    match &changes {
                        Some(changes) if changes.is_empty() => {}
                        Some(changes) => watcher.tell(changes),
                        None => watcher.tell_everything(),
                    }
                }
            }
            Err(error) => tracing::warn!(?error, "what changed cannot be read just now"),
        }
        tokio::time::sleep(GATHER).await;
        tokio::select! {
            _ = here.changed() => {}
            () = elsewhere.heard() => {}
            () = tokio::time::sleep(SLOW_LOOK) => {}
        }
    }
}

/// The changes after a place, and up to where they go; `None` if there are too many.
async fn look(store: &Store, place: Place) -> Result<(Place, Option<Vec<Change>>)> {
    let mut conn = store.read().await?;
    let rows = after(&mut conn, &Sweep::new(), place, READ).await?;
    if i64::try_from(rows.len()).is_ok_and(|read| read == READ) {
        return Ok((newest(&mut conn, &Sweep::new()).await?, None));
    }
    let upto = rows.last().map_or(place, |(place, _)| *place);
    Ok((upto, Some(rows.into_iter().map(|(_, change)| change).collect())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        id::{RunId, UserId},
        user::UserRole,
    };

    fn watcher(project: Option<ProjectId>) -> Watcher {
        Watcher {
            viewer: Viewer::authenticated(UserId::new(), UserRole::User, None),
            project,
            unsaid: Mutex::new(Unsaid::Everything),
            bell: Notify::new(),
            _reader: Arc::default(),
        }
    }

    #[test]
    fn a_watcher_says_each_thing_once_and_everything_when_it_is_too_much() {
        let watcher = watcher(None);
        assert_eq!(watcher.take(), Some(Next::Everything), "first of all how everything is");
        assert_eq!(watcher.take(), None);
        let change = |what| Change { user_id: watcher.viewer.user_id(), project_id: ProjectId::new(), what };
        let (one, other) = (change(Changed::Project), change(Changed::Run(RunId::new())));
        watcher.tell(&[one, other, one]);
        watcher.tell(&[one]);
        assert_eq!(
            (watcher.take(), watcher.take(), watcher.take()),
            (Some(Next::Change(one)), Some(Next::Change(other)), None)
        );
        watcher.tell(&[one]);
        assert_eq!(watcher.take(), Some(Next::Change(one)), "what is said may change again");
        let many: Vec<Change> = (0..=UNSAID).map(|_| change(Changed::Project)).collect();
        watcher.tell(&many);
        assert_eq!((watcher.take(), watcher.take()), (Some(Next::Everything), None));
    }

    #[test]
    fn a_watcher_hears_of_its_own_only() {
        let project = ProjectId::new();
        let watcher = watcher(Some(project));
        watcher.take();
        let user_id = watcher.viewer.user_id();
        let change = Change { user_id, project_id: project, what: Changed::Project };
        watcher.tell(&[Change { project_id: ProjectId::new(), ..change }, Change { user_id: UserId::new(), ..change }]);
        assert_eq!(watcher.take(), None);
        watcher.tell(&[change]);
        assert_eq!(watcher.take(), Some(Next::Change(change)));
    }
}
