//! The parts, wired: store, files, timeline, worker, server.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
    net::{SocketAddr, TcpListener},
    path::Path,
    time::Duration,
};

use futures_util::FutureExt;

use crate::{
    app::{App, Rules, UploadRules, access, activity::Activity, outside::LeaseTokens},
    config::Settings,
    error::{Error, Kind, Result},
    files::{Files, signature::Signer},
    hint::Hints,
    http::server::{Policy, Server, bind},
    store::{Location, Store, secret},
    timeline::Timeline,
    worker::{Crew, Setup, Worker},
};

/// How long the database may take to close. With what the parts take before it, a stop stays under ten seconds.
const FAREWELL: Duration = Duration::from_secs(1);

/// A whole server at work.
pub struct House {
    app: App,
    server: Server,
    worker: Worker,
    address: SocketAddr,
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
    /// Starts a server with its worker; clients can connect when this returns.
    pub async fn start(settings: &Settings, crew: Crew) -> Result<Self> {
        writable(&settings.data)?;
        let lock = lock(&settings.database_url.parse()?)?;
        let listener = bind(settings.listen)?;
        let address = listener.local_addr().map_err(Error::internal)?;
        let store = open_store(settings).await?;
        let app = app(settings, &crew, store, address).await?;
        Self::open(settings, crew, app, listener, lock).await
    }

    async fn open(
        settings: &Settings,
        crew: Crew,
        app: App,
        listener: TcpListener,
        lock: Option<File>,
    ) -> Result<Self> {
        let address = listener.local_addr().map_err(Error::internal)?;
        if address.ip().is_unspecified() && settings.public_url.is_none() {
            tracing::warn!("clients cannot load from http://{address}: say by --public-url how they reach this server");
        }
        let local = if settings.dev { Some(access::local_user(&app.store).await?) } else { None };
        let policy = Policy { allow_origin: settings.allow_origin.clone(), local, ..Policy::default() };
        let server = Server::start(app.clone(), policy, listener)?;
        let setup = Setup { crew, max_runs: settings.max_runs, limits: settings.limits };
        let worker = Worker::start(app.clone(), setup);
        Ok(Self { app, server, worker, address, _lock: lock })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The house behind the server.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Stops: streams end with a reason, running runs are handed back, requests under way are answered.
    pub async fn stop(self) {
        self.server.close_streams();
        self.worker.stop().await;
        self.server.stop().await;
        if tokio::time::timeout(FAREWELL, self.app.store.close()).await.is_err() {
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
        activity: Activity::new(store.clone()),
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
