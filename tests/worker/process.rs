//! The program itself, as a process of its own.

use std::{
    net::TcpListener,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};
use workroom::{
    app::access::{NewToken, create_token},
    cli::house::open_store,
};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use crate::support::steps::Fuse;
use crate::world::{PATIENCE, User, settings_in};

/// The binary.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_workroom");

/// `workroom serve`, or `workroom worker`. Killed when dropped.
pub struct Process {
    child: Child,
    pub base: String,
}

impl Process {
    /// Starts it on a data folder and waits until it is ready.
    pub async fn serve(data: &Path) -> Self {
        Self::serve_with(data, &[]).await
    }

    /// The same with more flags.
    pub async fn serve_with(data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.current_dir(data).args(["serve", "--log", "warn"]).args(flags);
        Self::launch(command, data).await
    }

    /// The same with a fuse tied to it.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    pub async fn serve_tied(data: &Path, fuse: &Fuse) -> Self {
        let mut command = Command::new(PROGRAM);
        command.current_dir(data).args(["serve", "--log", "warn"]);
        fuse.tie(&mut command);
        Self::launch(command, data).await
    }

    /// Starts a command that is `workroom serve` or becomes it, with whatever flags it has, on a data folder.
    pub async fn launch(mut command: Command, data: &Path) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
        command.args(["--listen", &address.to_string(), "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().expect("the program starts");
        let mut process = Self { child, base: format!("http://{address}") };
        let url = format!("{}/readyz", process.base);
        let ready = async {
            while !reqwest::get(&url).await.is_ok_and(|answer| answer.status() == 200) {
                assert!(process.lives(), "the program ended at its start");
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, ready).await.expect("the program is ready in time");
        assert!(process.lives(), "another program has taken {address} in the meantime");
        process
    }

    /// Starts `workroom worker` on a data folder. It has no address, and is ready when it is.
    pub fn work(data: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.current_dir(data).args(["worker", "--log", "warn"]).args(flags).arg("--data").arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        Self { child: command.spawn().expect("the program starts"), base: String::new() }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Whether it has not ended.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().expect("a status").is_none()
    }

    /// Ends it as the loss of its machine would.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process ends");
    }

    /// Sends it a signal, such as `STOP`.
    pub async fn signal(&self, name: &str) {
        let mut kill = Command::new("kill");
        kill.args([format!("-{name}"), self.id().to_string()]);
        assert!(kill.status().await.expect("kill can be started").success());
    }

    /// Asks it to stop and waits until it has, at most ten seconds.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM").await;
        timeout(Duration::from_secs(10), self.child.wait())
            .await
            .expect("it ends within ten seconds")
            .expect("a status")
    }
}

/// A user of the database in this folder, at the server of this address.
pub async fn user(data: &Path, base: &str) -> User {
    let store = open_store(&settings_in(data)).await.expect("the database opens");
    let (token, secret) = create_token(&store, NewToken::of("amy")).await.expect("a token");
    store.close().await;
    User::with_token(base.to_owned(), token, secret)
}

/// Documents that take the built-in model a while to read.
pub fn documents() -> Vec<(String, Vec<u8>)> {
    let paragraph = |number: usize| {
        format!(
            "Clause {number}. The supplier delivers lot {number} by day {} and late sums bear interest.\n\n",
            number % 28
        )
    };
    (0..12)
        .map(|document| {
            let text: String = (0..1_200).map(|line| paragraph(document * 10_000 + line)).collect();
            (format!("contract-{document}.md"), text.into_bytes())
        })
        .collect()
}
