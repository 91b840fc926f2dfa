//! Programs that are killed in front of a chosen step: one of the calls by which they change files or answer.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tokio::process::Command;

use super::preload::Library;

/// Kills programs at a step. The steps of a program are counted from the lighting on.
pub struct Fuse {
    folder: TempDir,
    library: &'static Path,
}

impl Fuse {
    /// One that does not burn yet.
    pub async fn new() -> Self {
        static LIBRARY: Library = Library::of("steps.c");
        Self { folder: tempfile::tempdir().expect("a folder"), library: LIBRARY.path().await }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("fuse")
    }

    /// Ties it to a program that is about to start.
    pub fn tie(&self, program: &mut Command) {
        program.env("LD_PRELOAD", self.library).env("STEPS_FUSE", self.path());
    }

    /// The program that it is tied to dies in front of its `step`th step from now on, the first being 1.
    pub fn light(&self, step: usize) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, step.to_string()).expect("a fuse");
        std::fs::rename(new, self.path()).expect("a fuse in its place");
    }

    /// For the next program. Answers with the call in front of which the last one died, if it did.
    pub fn renew(&self) -> Option<String> {
        let note = self.path().with_extension("at");
        let died = std::fs::read_to_string(&note).ok();
        for file in [note, self.path()] {
            let _ = std::fs::remove_file(file);
        }
        died
    }
}
