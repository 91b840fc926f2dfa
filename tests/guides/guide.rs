//! Programs as they stand in a Markdown file: the fenced blocks whose language is followed by a file name.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use tokio::process::Command;

use crate::{support::program::installed, world::User};

/// A guide, and a folder in which its programs lie and can be run.
pub struct Guide {
    text: String,
    folder: TempDir,
}

impl Guide {
    /// Reads a file of the repository and writes its programs into a folder, with the packages at hand.
    pub fn open(path: &str) -> Self {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("a guide");
        let guide = Self { text, folder: tempfile::tempdir().expect("a temporary folder") };
        guide.write("package.json", r#"{ "type": "module" }"#);
        for (head, body) in guide.blocks() {
            if let Some((_, file)) = head.split_once(' ') {
                guide.write(file, &body);
            }
        }
        guide.link("node_modules", installed("tests/guides/node_modules"));
        guide
    }

    /// The fenced blocks: what follows the first fence, and the text up to the second.
    fn blocks(&self) -> Vec<(&str, String)> {
        let mut lines = self.text.lines();
        let mut blocks = Vec::new();
        while let Some(line) = lines.next() {
            if let Some(head) = line.strip_prefix("```") {
                let body = lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n"));
                blocks.push((head, body.collect()));
            }
        }
        blocks
    }

    /// The language and the file name of each block; of one that has no file name its text.
    pub fn contents(&self) -> Vec<String> {
        let name = |(head, body): (&str, String)| if head.contains(' ') { head.to_owned() } else { body };
        self.blocks().into_iter().map(name).collect()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file beside the programs.
    pub fn write(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
    }

    /// Puts something that is there already beside the programs.
    pub fn link(&self, name: &str, target: PathBuf) {
        std::os::unix::fs::symlink(target, self.folder().join(name)).expect("a link");
    }

    /// A program that is run beside the guide's, with what the guides read from the environment.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>, user: &User) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder()).env("WORKROOM_URL", user.graphql()).env("WORKROOM_TOKEN", user.secret());
        command
    }

    /// A program of the guide in Node.js.
    pub fn node(&self, file: &str, user: &User) -> Command {
        let mut command = self.command("node", user);
        command.arg("--import").arg(installed("tests/guides/websocket.mjs")).arg(file);
        command
    }

    /// A program of the guide in Python.
    pub fn python(&self, file: &str, user: &User) -> Command {
        let mut command = self.command(installed("tests/guides/.venv/bin/python"), user);
        command.arg(file);
        command
    }
}
