//! The parts, wired: store, files, timeline, bridge, worker, server.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use futures_util::FutureExt;

use crate::{
    app::{App, Rules, UploadRules, access, activity::Activity, outside::LeaseTokens},
    config::Settings,
    error::{Error, Kind, Result},
    files::{Files, signature::Signer},
    hint::{
        Hints,
        bridge::{Bridge, Pace},
    },
    http::server::{Policy, Server, bind},
    store::{Location, Store, secret},
    timeline::Timeline,
    worker::{Crew, Setup, Worker},
};

/// How long the database may take to close. With what the parts take before it, a stop stays under ten seconds.
const FAREWELL: Duration = Duration::from_secs(1);

/// A whole server at work.
pub struct House {
    ground: Ground,
    server: Server,
    /// None where other processes execute the runs.
    worker: Option<Worker>,
    address: SocketAddr,
}

/// A worker at work, without a server.
pub struct Workshop {
    ground: Ground,
    worker: Worker,
}

/// What a server and a worker stand on.
struct Ground {
    app: App,
    /// To the other processes on the database, where there can be some.
    bridge: Option<Bridge>,
    /// Held as long as the house stands.
    _lock: Option<File>,
}

/// Opens the database of the settings, up to date.
pub async fn open_store(settings: &Settings) -> Result<Store> {
    let location = settings.database_url.parse()?;
    if let Location::Sqlite(database) = &location {
        writable(database.parent().unwrap_or(Path::new("")))?;
    }
    Store::open(&location).await
}

/// Makes a folder if it is not there, and says what to do if it cannot be written.
pub(super) fn writable(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let tried = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
    tried.map(drop).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                " Make it writable for the user that runs this, or name another (--data, --database-url)."
            }
            _ => "",
        };
        let folder = folder.display();
        Error::new(Kind::Unavailable, format!("The folder {folder} cannot be written: {error}.{advice}"))
    })
}

impl House {
    /// Starts a server, with a worker unless the settings say otherwise; clients can connect when this returns.
    pub async fn start(settings: &Settings, crew: Crew) -> Result<Self> {
        writable(&settings.data)?;
        let lock = lock(&settings.database_url.parse()?)?;
        let listener = bind(settings.listen)?;
        let address = listener.local_addr().map_err(Error::internal)?;
        if address.ip().is_unspecified() && settings.public_url.is_none() {
            tracing::warn!("clients cannot load from http://{address}: say by --public-url how they reach this server");
        }
        let ground = Ground::lay(settings, &crew, address, lock).await?;
        let local = if settings.dev { Some(access::local_user(&ground.app.store).await?) } else { None };
        let policy = Policy { allow_origin: settings.allow_origin.clone(), local, ..Policy::default() };
        let server = Server::start(ground.app.clone(), policy, listener)?;
        let worker = (!settings.no_worker).then(|| ground.worker(settings, crew));
        Ok(Self { ground, server, worker, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The house behind the server.
    pub fn app(&self) -> &App {
        &self.ground.app
    }

    /// Stops: streams end with a reason, running runs are handed back, requests under way are answered.
    pub async fn stop(self) {
        self.server.close_streams();
        if let Some(worker) = self.worker {
            worker.stop().await;
        }
        self.server.stop().await;
        self.ground.leave().await;
    }
}

impl Workshop {
    /// Starts a worker, for servers in other processes.
    pub async fn start(settings: &Settings, crew: Crew) -> Result<Self> {
        if let Location::Sqlite(database) = settings.database_url.parse()? {
            return Err(Error::conflict(format!(
                "A worker in a process of its own needs PostgreSQL (--database-url postgres://…): {} is SQLite, which takes one \
                process. `workroom serve` has a worker in it.",
                database.display()
            )));
        }
        writable(&settings.data)?;
        let ground = Ground::lay(settings, &crew, settings.listen, None).await?;
        let worker = ground.worker(settings, crew);
        Ok(Self { ground, worker })
    }

    /// Who appears in timelines as the worker.
    pub fn name(&self) -> &str {
        self.worker.name()
    }

    /// Stops: running runs are handed back.
    pub async fn stop(self) {
        self.worker.stop().await;
        self.ground.leave().await;
    }
}

impl Ground {
    async fn lay(settings: &Settings, crew: &Crew, address: SocketAddr, lock: Option<File>) -> Result<Self> {
        let store = open_store(settings).await?;
        let app = app(settings, crew, store, address).await?;
        let bridge = Bridge::start(&app.hints, &app.store, Pace::default());
        Ok(Self { app, bridge, _lock: lock })
    }

    fn worker(&self, settings: &Settings, crew: Crew) -> Worker {
        Worker::start(self.app.clone(), Setup { crew, max_runs: settings.max_runs, limits: settings.limits })
    }

    async fn leave(self) {
        let leaving = async {
            // What was rung last still goes out.
            if let Some(bridge) = self.bridge {
                bridge.stop().await;
            }
            self.app.store.close().await;
        };
        if tokio::time::timeout(FAREWELL, leaving).await.is_err() {
            tracing::warn!("the database did not take leave in time");
        }
    }
}

/// The house without its doors.
async fn app(settings: &Settings, crew: &Crew, store: Store, address: SocketAddr) -> Result<App> {
    let files = Files::open(&settings.files_url, &settings.data.join("staging"))?;
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|error| Error::internal(error.to_string()))?;
    let secret = store.write(move |tx| async move { secret::ensure(tx, "downloads", &fresh).await }.boxed()).await?;
    let hints = Hints::default();
    Ok(App {
        timeline: Timeline::new(store.clone(), hints.clone()),
        signer: Signer::new(&secret)?,
        lease_tokens: LeaseTokens::new(&secret)?,
        rules: Rules {
            session_ttl: settings.session_ttl,
            session_ttl_max: settings.session_ttl_max,
            lease: crew.lease,
            max_attempts: settings.max_attempts,
            models: crew.models.iter().map(|model| model.name().to_owned()).collect(),
            public_url: settings.public_url.clone().unwrap_or_else(|| format!("http://{address}")),
            uploads: UploadRules::default(),
            keep_unreferenced: settings.keep_unreferenced,
        },
        activity: Activity::new(store.clone(), hints.clone()),
        store,
        files,
        hints,
    })
}

/// One server per SQLite database: a second one is refused. Short commands such as `token` need no lock.
fn lock(location: &Location) -> Result<Option<File>> {
    let Location::Sqlite(database) = location else { return Ok(None) };
    let path = database.with_extension("lock");
    let cannot =
        |error: std::io::Error| Error::new(Kind::Unavailable, format!("{} cannot be locked: {error}.", path.display()));
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(cannot)?;
    let file = File::create(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::conflict(format!(
            "Another Workroom serves {}. A SQLite database takes one server; several share PostgreSQL.",
            database.display()
        ))),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
    }
}
