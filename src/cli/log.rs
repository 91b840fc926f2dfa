//! Log lines: to standard error, for people or for programs.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::{
    config::{LogFormat, Settings},
    error::{Error, Result},
};

/// Starts to log as the settings say.
pub(super) fn start(settings: &Settings) -> Result<()> {
    let filter = EnvFilter::try_new(&settings.log)
        .map_err(|error| Error::invalid(format!("`log` is a filter such as `info` or `workroom=debug`: {error}.")))?;
    let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // A log that cannot be written, on a full disk say, is no reason to panic: nobody could be told that it cannot.
    let lines = lines.log_internal_errors(false);
    match settings.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    }
    .map_err(Error::internal)
}
