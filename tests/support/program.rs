//! Programs of other toolchains, as stories run them.

use std::{
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use tokio::{process::Command, time::timeout};

/// The longest that a program may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The whole path of something that `make modules` installs.
pub fn installed(path: &str) -> PathBuf {
    let whole = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    assert!(whole.exists(), "{path} is not there: `make modules` installs it");
    whole
}

/// Runs a program to its end.
pub async fn finished(command: &mut Command) -> Output {
    let output = timeout(PATIENCE, command.stdin(Stdio::null()).kill_on_drop(true).output()).await;
    output.expect("the program ends in time").expect("the program runs")
}

/// Runs a program to its end; answers with whether it went well, and all that it said.
pub async fn to_the_end(command: &mut Command) -> (bool, String) {
    let output = finished(command).await;
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
