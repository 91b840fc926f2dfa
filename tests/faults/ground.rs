//! The ground under a server: what it writes to its log, and what the system says of its process.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use crate::worker::process::PROGRAM;

/// A server's log, in a file.
pub struct Log(PathBuf);

impl Log {
    /// In this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.join("server.log"))
    }

    /// `workroom serve` that writes its log there, to be launched.
    pub fn serve(&self) -> Command {
        self.of(Command::new(PROGRAM))
    }

    /// The same by a command that becomes the binary.
    pub fn of(&self, mut command: Command) -> Command {
        let file = fs::File::options().create(true).append(true).open(&self.0).expect("a log");
        command.args(["serve", "--log", "warn"]).stderr(Stdio::from(file));
        command.current_dir(self.0.parent().expect("a folder"));
        command
    }

    /// What it wrote up to now.
    pub fn text(&self) -> String {
        fs::read_to_string(&self.0).expect("a log")
    }

    /// No panic, and no fault of the server's own.
    pub fn assert_clean(&self) {
        let text = self.text();
        let bad: Vec<&str> =
            text.lines().filter(|line| line.contains("panicked") || line.contains(" ERROR ")).take(20).collect();
        assert!(bad.is_empty(), "{bad:#?}");
    }
}

/// What the system says of a process.
#[derive(Clone, Copy, Debug)]
pub struct Vitals {
    /// Resident memory in MiB.
    pub memory: u64,
    /// Open files and sockets, all in all.
    pub open: usize,
    /// Files that have no name any more: uploads on their way.
    pub nameless: usize,
    /// Connections of clients.
    pub clients: usize,
}

impl Vitals {
    /// Of this process, which serves at this address.
    pub fn of(process: u32, base: &str) -> Self {
        let folder = PathBuf::from(format!("/proc/{process}"));
        let status = fs::read_to_string(folder.join("status")).expect("the process runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        let entries = fs::read_dir(folder.join("fd")).expect("open files").filter_map(Result::ok);
        let names: Vec<PathBuf> = entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        let port: u16 = base.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("a port");
        Self {
            memory: kilobytes >> 10,
            open: names.len(),
            nameless: names.iter().filter(|name| name.to_string_lossy().ends_with(" (deleted)")).count(),
            clients: connections(&folder, port),
        }
    }
}

/// Established connections at this port of this machine.
fn connections(process: &Path, port: u16) -> usize {
    let table = fs::read_to_string(process.join("net/tcp")).expect("the table of connections");
    let here = format!(":{port:04X}");
    let at_port = table.lines().skip(1).filter(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().is_some_and(|local| local.ends_with(&here));
        local && columns.nth(1) == Some("01")
    });
    at_port.count()
}
