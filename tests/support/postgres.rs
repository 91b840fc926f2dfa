//! A PostgreSQL for the tests: the one at `TEST_POSTGRES_URL`, or one started from the installed programs.
//!
//! [`database`] makes a fresh database in a server that all tests of the process share. A test that wants to stop its
//! server starts a [`Cluster`] of its own. A shell stands between the tests and the server and waits on a pipe: when the
//! tests end, in whatever way, the pipe closes, and the shell stops the server and removes its folder.

use std::{
    fs, io,
    io::Write,
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// How long the server may take to answer after its start.
const START: Duration = Duration::from_mins(1);

/// Starts the server in the background. A word on the pipe stops it; the pipe's end stops it and removes its folder.
const GUARD: &str = r#"
trap '' INT TERM HUP
"$1/postgres" -D "$2/data" >>"$2/log" 2>&1 </dev/null &
server=$!
read -r word
kill -INT "$server" 2>/dev/null
wait "$server"
[ -n "$word" ] || rm -rf "$2"
"#;

static SHARED: LazyLock<Server> = LazyLock::new(Server::find);
static DATABASES: AtomicUsize = AtomicUsize::new(0);

enum Server {
    Skipped,
    Given(String),
    Started(Cluster),
}

impl Server {
    fn find() -> Self {
        if variable("SKIP_POSTGRES").as_deref() == Some("1") {
            return Self::Skipped;
        }
        match variable("TEST_POSTGRES_URL") {
            Some(url) => Self::Given(url),
            None => Self::Started(Cluster::new()),
        }
    }

    fn url(&self, database: &str) -> Option<String> {
        match self {
            Self::Skipped => None,
            Self::Given(url) => Some(with_database(url, database)),
            Self::Started(cluster) => Some(cluster.url(database)),
        }
    }
}

/// A setting of the tests, unless it is empty.
#[expect(clippy::disallowed_methods, reason = "the settings of the tests, not of the server")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Puts another database's name into a URL and keeps its parameters.
fn with_database(url: &str, database: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, String::new()), |(a, p)| (a, format!("?{p}")));
    let host_from = address.find("://").map_or(0, |at| at + 3);
    let end = address[host_from..].find('/').map_or(address.len(), |at| host_from + at);
    format!("{}/{database}{parameters}", &address[..end])
}

/// A database of one test's own.
pub struct Database {
    /// Where it is.
    pub url: String,
    name: String,
}

/// `SKIP_POSTGRES=1` is set: for tests that start a [`Cluster`] of their own.
pub fn skipped() -> bool {
    matches!(*SHARED, Server::Skipped)
}

/// Makes a fresh, empty database; `None` when PostgreSQL is to be skipped.
pub async fn database() -> Option<Database> {
    let name = format!("workroom_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    let url = SHARED.url(&name)?;
    administer(format!("create database {name}")).await;
    Some(Database { url, name })
}

impl Database {
    /// Removes the database, whoever is still connected.
    pub async fn remove(self) {
        administer(format!("drop database {} with (force)", self.name)).await;
    }
}

async fn administer(statement: String) {
    let url = SHARED.url("postgres").expect("PostgreSQL is not skipped");
    let mut connection = PgConnection::connect(&url).await.expect("PostgreSQL takes a connection");
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("PostgreSQL makes a database");
    connection.close().await.expect("the connection closes");
}

/// A PostgreSQL server of the tests' own, on a loopback port, without durability. Stopped and removed when dropped.
pub struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    guard: Option<Child>,
}

impl Cluster {
    /// Makes a new server's folder and starts the server.
    pub fn new() -> Self {
        let programs = programs();
        let folder =
            tempfile::Builder::new().prefix("workroom-postgres-").tempdir().expect("a temporary folder").keep();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        if let Some((user, group)) = owner() {
            chown(&folder, Some(user), Some(group)).expect("the folder can be given to the user postgres");
        }
        let made = as_owner(programs.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(folder.join("data"))
            .output()
            .expect("initdb can be started");
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stderr));
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 600\n\
            shared_buffers = 32MB\nfsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
        );
        let file = folder.join("data/postgresql.conf");
        fs::write(&file, settings).expect("the settings can be written");
        let mut cluster = Self { programs, folder, port, guard: None };
        cluster.start();
        cluster
    }

    /// Where a database of this server is. `postgres` is always there.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// Starts the server and waits until it answers.
    pub fn start(&mut self) {
        assert!(self.guard.is_none(), "the server runs already");
        let mut guard = as_owner("/bin/sh");
        guard.args(["-c", GUARD, "guard"]).arg(&self.programs).arg(&self.folder);
        // A group of its own, so that an interrupt at the terminal reaches the guard only through the pipe.
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        self.guard = Some(guard.spawn().expect("the guard of PostgreSQL can be started"));
        let end = Instant::now() + START;
        while !self.answers() {
            assert!(Instant::now() < end, "PostgreSQL does not start: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server, breaking its connections; its data stays.
    pub fn stop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            let told = guard.stdin.take().map(|mut pipe| pipe.write_all(b"stop\n"));
            assert!(matches!(told, Some(Ok(()))), "the guard of PostgreSQL has gone");
            guard.wait().expect("the guard of PostgreSQL ends");
        }
    }

    /// Stops and starts the server.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    fn answers(&self) -> bool {
        let mut ask = Command::new(self.programs.join("pg_isready"));
        ask.args(["-q", "-h", "127.0.0.1", "-p"]).arg(self.port.to_string());
        ask.status().is_ok_and(|status| status.success())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            drop(guard.stdin.take());
            let _ = guard.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// The folder of the newest installed server programs.
fn programs() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .collect();
    found.sort();
    let on_path = || which("postgres").and_then(|file| file.parent().map(Path::to_owned));
    found.pop().map(|(_, bin)| bin).or_else(on_path).expect(
        "These tests need PostgreSQL: install its server (Debian: `apt install postgresql`), or give the URL of one in \
        TEST_POSTGRES_URL, or leave its half out with SKIP_POSTGRES=1.",
    )
}

fn which(program: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The user and group that PostgreSQL runs as when the tests run as root, which it refuses to be.
fn owner() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> io::Result<u32> {
        let answer = Command::new("id").args(arguments).output()?;
        String::from_utf8_lossy(&answer.stdout).trim().parse().map_err(io::Error::other)
    };
    if id(&["-u"]).expect("`id` answers") != 0 {
        return None;
    }
    let there = "as root, these tests need the user `postgres` of the PostgreSQL package";
    Some((id(&["-u", "postgres"]).expect(there), id(&["-g", "postgres"]).expect(there)))
}

fn as_owner(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = match owner() {
        Some(_) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir("/").env("LC_ALL", "C.UTF-8");
    command
}
