//! Small libraries that stand between a program and the system, and change what the system says.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::{process::Command, sync::OnceCell};

use super::program::to_the_end;

/// A library, compiled when it is first needed.
pub struct Library {
    name: &'static str,
    compiled: OnceCell<PathBuf>,
}

impl Library {
    /// From the file of this name beside this one.
    pub const fn of(name: &'static str) -> Self {
        Self { name, compiled: OnceCell::const_new() }
    }

    /// Where it is.
    pub async fn path(&self) -> &Path {
        let compiling = self.compiled.get_or_init(|| async {
            let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(self.name).with_extension("so");
            // Beside its place first: another suite may be using the one that is there.
            let fresh = library.with_extension(std::process::id().to_string());
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(self.name);
            let mut cc = Command::new("cc");
            cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-o"]).arg(&fresh).arg(source).arg("-ldl");
            let (well, said) = to_the_end(&mut cc).await;
            assert!(well, "cc does not compile {}: {said}", self.name);
            std::fs::rename(fresh, &library).expect("a library in its place");
            library
        });
        compiling.await
    }
}

/// A number that a library in a program reads whenever it is needed, and that a story sets.
pub struct Dial {
    folder: TempDir,
    library: &'static Path,
    variable: &'static str,
}

impl Dial {
    /// Sets a program's clock: by so many seconds it is ahead of the system's.
    pub async fn clock() -> Self {
        static LIBRARY: Library = Library::of("clock.c");
        Self::to(LIBRARY.path().await, "CLOCK_SHIFT")
    }

    /// Has a program's disk refuse all changes: with this error number of the system, or take them again with 0.
    pub async fn disk() -> Self {
        static LIBRARY: Library = Library::of("disk.c");
        Self::to(LIBRARY.path().await, "DISK_FAULT")
    }

    fn to(library: &'static Path, variable: &'static str) -> Self {
        let dial = Self { folder: tempfile::tempdir().expect("a folder"), library, variable };
        dial.set(0);
        dial
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("number")
    }

    /// Ties it to a program that is about to start.
    pub fn tie(&self, program: &mut Command) {
        program.env("LD_PRELOAD", self.library).env(self.variable, self.path());
    }

    /// Sets it, at once.
    pub fn set(&self, number: i64) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, number.to_string()).expect("a number");
        std::fs::rename(new, self.path()).expect("a number in its place");
    }
}
