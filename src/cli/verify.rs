//! `workroom verify`: whether what is kept is still what was recorded.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::json;

use super::house::open_store;
use crate::{
    app::integrity::{
        Examiner,
        everything::{Found, Tally, Told},
    },
    config::Settings,
    error::{Error, Result},
    files::Files,
    model::{id::ProjectId, scope::Inspection},
    store::Location,
};

#[derive(Args)]
pub(super) struct Flags {
    /// Check this project alone
    #[arg(long, value_name = "ID")]
    project: Option<ProjectId>,
    /// Print a JSON object on a line for each finding (`more` counts those of the same run beyond twenty), and one with the sums
    /// at the end
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &Settings, flags: Flags) -> Result<ExitCode> {
    // A new database, made because of a mistyped path, would have nothing wrong in it.
    if let Location::Sqlite(path) = settings.database_url.parse()?
        && !path.exists()
    {
        return Err(Error::invalid(format!("There is no database at {}.", path.display())));
    }
    let store = open_store(settings).await?;
    let files = Files::open(&settings.files_url, &settings.data.join("staging"))?;
    let examiner = Examiner::new(store.clone(), files, Inspection::of_everything());
    let mut progress = Progress::new();
    let mut listener = |told: Told<'_>| match told {
        Told::Found(found) => {
            progress.clear();
            println!("{}", if flags.json { as_json(found) } else { as_line(found) });
        }
        Told::More(count) => {
            println!("{}", if flags.json { json!({ "more": count }).to_string() } else { more(count) });
        }
        Told::Progress(tally) => progress.show(tally),
    };
    let tally = examiner.everything(flags.project, &mut listener).await;
    progress.clear();
    store.close().await;
    let tally = tally?;
    println!("{}", if flags.json { sums(&tally) } else { summary(&tally) });
    Ok(if tally.findings == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn as_line(found: &Found) -> String {
    // What was changed may hold anything, and a terminal does what control characters say.
    let message = found.finding.message.replace(char::is_control, "\u{fffd}");
    match found.run {
        Some((run, number)) => format!("{}, run {number} ({run}): {message}", found.project),
        None => format!("{}: {message}", found.project),
    }
}

fn more(count: u64) -> String {
    format!("  … and {count} more in that run.")
}

fn as_json(found: &Found) -> String {
    let Found { project, run, finding } = found;
    json!({
        "project": project, "run": run.map(|run| run.0), "runNumber": run.map(|run| run.1), "kind": finding.kind.name(),
        "sequence": finding.sequence, "message": finding.message,
    })
    .to_string()
}

fn sums(tally: &Tally) -> String {
    json!({ "checked": {
        "projects": tally.projects, "runs": tally.runs, "sealedRuns": tally.sealed, "unsealedRuns": tally.unsealed,
        "events": tally.events, "artifacts": tally.artifacts, "files": tally.files,
    }, "findings": tally.findings })
    .to_string()
}

fn summary(tally: &Tally) -> String {
    let outcome = match tally.findings {
        0 => "Nothing is wrong.".to_owned(),
        1 => "1 thing is wrong.".to_owned(),
        many => format!("{many} things are wrong."),
    };
    let unsealed = match tally.unsealed {
        0 => String::new(),
        some => format!(", {some} of them from before there were seals"),
    };
    format!("{outcome} Checked: {}{unsealed}.", counts(tally))
}

fn counts(tally: &Tally) -> String {
    let Tally { projects, runs, events, artifacts, files, .. } = tally;
    format!("{projects} projects, {events} events, {artifacts} artifacts, {files} files, {runs} runs")
}

/// How far it has come, on standard error: on a terminal one line that is written over, elsewhere a line now and then.
struct Progress {
    is_terminal: bool,
    shown: Instant,
    is_written: bool,
}

impl Progress {
    fn new() -> Self {
        Self { is_terminal: io::stderr().is_terminal(), shown: Instant::now(), is_written: false }
    }

    fn show(&mut self, tally: &Tally) {
        let pause = if self.is_terminal { Duration::from_millis(200) } else { Duration::from_secs(5) };
        if self.shown.elapsed() < pause {
            return;
        }
        self.shown = Instant::now();
        let mut out = io::stderr();
        // Whether anybody reads it makes no difference to the check.
        let _ = if self.is_terminal {
            self.is_written = true;
            write!(out, "\r\x1b[K{}", counts(tally)).and_then(|()| out.flush())
        } else {
            writeln!(out, "{}", counts(tally))
        };
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_written) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
