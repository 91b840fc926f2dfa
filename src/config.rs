//! Settings: by flag, environment and `workroom.toml`, the first the strongest. The only reader of the environment.

use std::{
    fmt::Display,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{
    Args, ValueEnum,
    builder::{BoolishValueParser, FalseyValueParser},
};
use serde::Deserialize;

use crate::error::{Error, Kind, Result};

/// Settings as they are given, each in any of the three places.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Given {
    /// The folder of the database and the files [default: ./data]
    #[arg(long, env = "WORKROOM_DATA", global = true, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Where to listen [default: 127.0.0.1:4000]
    #[arg(long, env = "WORKROOM_LISTEN", global = true, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The database: `sqlite:FILE` or `postgres://…` [default: workroom.sqlite in the data folder]
    #[arg(long, env = "WORKROOM_DATABASE_URL", global = true, value_name = "URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Where files are kept: `file:///…` [default: files in the data folder]
    #[arg(long, env = "WORKROOM_FILES_URL", global = true, value_name = "URL", hide_env_values = true)]
    pub files_url: Option<String>,
    /// The address by which clients reach this server, for download addresses [default: `http://LISTEN`]
    #[arg(long, env = "WORKROOM_PUBLIC_URL", global = true, value_name = "URL")]
    pub public_url: Option<String>,
    /// A browser origin that may use the API from another site, as in `https://app.example`; repeat it for more
    #[arg(long, env = "WORKROOM_ALLOW_ORIGIN", global = true, value_name = "ORIGIN", value_delimiter = ',')]
    #[serde(default)]
    pub allow_origin: Vec<String>,
    /// How log lines are written [default: text]
    #[arg(long, env = "WORKROOM_LOG_FORMAT", global = true, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// Which log lines are written, as in `info` or `workroom=debug` [default: info, of the libraries warn]
    #[arg(long, env = "WORKROOM_LOG", global = true, value_name = "FILTER")]
    pub log: Option<String>,
    /// For development on one machine: no token is needed, everything belongs to one local user. Loopback only
    #[arg(long, env = "WORKROOM_DEV", global = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub dev: Option<bool>,
    /// How long a workspace session lives when nothing is said, as in `12h` [default: 12h]
    #[arg(long, env = "WORKROOM_SESSION_TTL", global = true, value_name = "TIME")]
    pub session_ttl: Option<String>,
    /// The longest life that may be asked for a workspace session [default: 7d]
    #[arg(long, env = "WORKROOM_SESSION_TTL_MAX", global = true, value_name = "TIME")]
    pub session_ttl_max: Option<String>,
    /// Serve the API alone: runs are left to `workroom worker`, of which at least one has to be at work
    #[arg(long, env = "WORKROOM_NO_WORKER", global = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_parser = BoolishValueParser::new(), value_name = "BOOL")]
    pub no_worker: Option<bool>,
    /// How many runs this process executes at once [default: 8]
    #[arg(long, env = "WORKROOM_MAX_RUNS", global = true, value_name = "NUMBER")]
    pub max_runs: Option<usize>,
    /// How many turns of its model a run may take [default: 50]
    #[arg(long, env = "WORKROOM_MAX_TURNS", global = true, value_name = "NUMBER")]
    pub max_turns: Option<u64>,
    /// How many tokens a run may read and write [default: 2000000]
    #[arg(long, env = "WORKROOM_MAX_TOKENS", global = true, value_name = "NUMBER")]
    pub max_tokens: Option<u64>,
    /// How often in a row a run is taken up without a step in between before it is given up as failed [default: 5]
    #[arg(long, env = "WORKROOM_MAX_ATTEMPTS", global = true, value_name = "NUMBER")]
    pub max_attempts: Option<usize>,
    /// How long a run may take [default: 30m]
    #[arg(long, env = "WORKROOM_MAX_RUN_TIME", global = true, value_name = "TIME")]
    pub max_run_time: Option<String>,
    /// How long the bytes of deleted and replaced files are kept [default: 1d]
    #[arg(long, env = "WORKROOM_KEEP_UNREFERENCED", global = true, value_name = "TIME")]
    pub keep_unreferenced: Option<String>,
    /// The settings file [default: workroom.toml in the current folder, if it is there]
    #[arg(long, env = "WORKROOM_CONFIG", global = true, value_name = "FILE")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

/// What the demonstration takes besides.
#[derive(Args, Clone, Debug)]
pub struct DemoFlags {
    /// Leave when the story is told, instead of serving on
    #[arg(long, env = "DEMO_ONCE", value_parser = FalseyValueParser::new())]
    pub once: bool,
    /// How long the agent rests before each turn, so that a person can watch
    #[arg(long, default_value = "500ms", value_name = "TIME")]
    pub pace: humantime::Duration,
    /// The documents to upload
    #[arg(long, default_value = "fixtures/documents", value_name = "FOLDER")]
    pub documents: PathBuf,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// Settings as they hold, every one with a value.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder of the database and the files.
    pub data: PathBuf,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The database's URL.
    pub database_url: String,
    /// The files' URL.
    pub files_url: String,
    /// How clients reach this server, without a slash at the end; `None`: by the address it listens at.
    pub public_url: Option<String>,
    /// Browser origins that may use the API from elsewhere.
    pub allow_origin: Vec<String>,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which log lines are written.
    pub log: String,
    /// No token is needed.
    pub dev: bool,
    /// A workspace session's life when nothing is said.
    pub session_ttl: Duration,
    /// The longest life of a workspace session.
    pub session_ttl_max: Duration,
    /// The server executes no runs.
    pub no_worker: bool,
    /// Runs executed at once.
    pub max_runs: usize,
    /// How often in a row a run is taken up without a step in between before it is given up.
    pub max_attempts: usize,
    /// A run's limits.
    pub limits: RunLimits,
    /// How long bytes are kept that nothing names.
    pub keep_unreferenced: Duration,
}

/// What a run may use up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Turns of its model.
    pub turns: u64,
    /// Tokens, read and written.
    pub tokens: u64,
    /// Time on the clock, over all its workers.
    pub wall_time: Duration,
}

impl Settings {
    /// Adds the settings file and the defaults to what was given by flag and environment.
    pub fn load(given: Given) -> Result<Self> {
        let file = match &given.config {
            Some(path) => read_file(path)?,
            None if Path::new("workroom.toml").exists() => read_file(Path::new("workroom.toml"))?,
            None => Given::default(),
        };
        Self::merge(given, file)
    }

    fn merge(given: Given, file: Given) -> Result<Self> {
        let data = given.data.or(file.data).unwrap_or_else(|| "data".into());
        let listen = given.listen.or(file.listen).unwrap_or_else(|| ([127, 0, 0, 1], 4000).into());
        let dev = given.dev.or(file.dev).unwrap_or(false);
        let session_ttl = duration("session-ttl", given.session_ttl.or(file.session_ttl), "12h")?;
        let session_ttl_max = duration("session-ttl-max", given.session_ttl_max.or(file.session_ttl_max), "7d")?;
        if session_ttl > session_ttl_max {
            return Err(Error::invalid("`session-ttl` is longer than `session-ttl-max`."));
        }
        let settings = Self {
            database_url: given
                .database_url
                .or(file.database_url)
                .unwrap_or_else(|| format!("sqlite:{}", data.join("workroom.sqlite").display())),
            files_url: given.files_url.or(file.files_url).unwrap_or_else(|| data.join("files").display().to_string()),
            public_url: given.public_url.or(file.public_url).map(public_url).transpose()?,
            allow_origin: if given.allow_origin.is_empty() { file.allow_origin } else { given.allow_origin }
                .iter()
                .map(|text| origin(text))
                .collect::<Result<_>>()?,
            log_format: given.log_format.or(file.log_format).unwrap_or_default(),
            log: given.log.or(file.log).unwrap_or_else(|| LOG.into()),
            no_worker: given.no_worker.or(file.no_worker).unwrap_or(false),
            max_runs: counted("max-runs", given.max_runs.or(file.max_runs).unwrap_or(8), 10_000)?,
            max_attempts: counted("max-attempts", given.max_attempts.or(file.max_attempts).unwrap_or(5), 100)?,
            limits: RunLimits {
                turns: counted("max-turns", given.max_turns.or(file.max_turns).unwrap_or(50), 1_000_000)?,
                tokens: counted(
                    "max-tokens",
                    given.max_tokens.or(file.max_tokens).unwrap_or(2_000_000),
                    1_000_000_000_000,
                )?,
                wall_time: duration("max-run-time", given.max_run_time.or(file.max_run_time), "30m")?,
            },
            keep_unreferenced: duration("keep-unreferenced", given.keep_unreferenced.or(file.keep_unreferenced), "1d")?,
            data,
            listen,
            dev,
            session_ttl,
            session_ttl_max,
        };
        if settings.dev { settings.in_development() } else { Ok(settings) }
    }

    /// The same in development mode, which lets everybody in and so stays on this machine.
    pub fn in_development(self) -> Result<Self> {
        let listen = self.listen;
        if !listen.ip().is_loopback() {
            return Err(Error::new(
                Kind::Denied,
                format!("In development mode everybody is let in, so it listens on loopback only, not on {listen}."),
            ));
        }
        Ok(Self { dev: true, ..self })
    }
}

/// Reads the address by which clients reach this server.
fn public_url(text: String) -> Result<String> {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    if authority.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || rest.contains(['?', '#', ' '])) {
        return Err(Error::invalid(format!(
            "`public-url` is an address such as `https://workroom.example`, not `{text}`."
        )));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// Reads an origin and writes it as browsers send it. One that no browser sends would let nobody in, without a word.
fn origin(text: &str) -> Result<String> {
    let authority = text.split_once("://").filter(|(scheme, _)| !scheme.is_empty()).map(|(_, authority)| authority);
    if authority.is_none_or(|authority| authority.is_empty() || authority.contains(['/', '?', '#', '*', ' '])) {
        return Err(Error::invalid(format!(
            "`allow-origin` is an origin such as `https://app.example`, without a path, not `{text}`."
        )));
    }
    Ok(text.to_ascii_lowercase())
}

fn read_file(path: &Path) -> Result<Given> {
    let text = fs::read_to_string(path)
        .map_err(|error| Error::invalid(format!("The settings file {} cannot be read: {error}.", path.display())))?;
    toml::from_str(&text).map_err(|error| Error::invalid(format!("In the settings file {}: {error}", path.display())))
}

/// Which log lines are written when nothing is said: the libraries' own news is for those who ask.
const LOG: &str = "info,sqlx=warn,actix_server=warn";

/// The longest time that can be set. Beyond the year 9999 times as text no longer sort as times.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Reads a time such as `12h`, `90s` or `30d`, from one second to a hundred years.
pub fn duration(name: &str, text: Option<String>, default: &str) -> Result<Duration> {
    let text = text.unwrap_or_else(|| default.into());
    humantime::parse_duration(&text)
        .ok()
        .filter(|duration| (Duration::from_secs(1)..=LONGEST).contains(duration))
        .ok_or_else(|| {
            Error::invalid(format!("`{name}` is a time such as `12h` or `90s`, up to a hundred years, not `{text}`."))
        })
}

fn counted<N: From<u8> + PartialOrd + Display>(name: &str, number: N, most: N) -> Result<N> {
    if (N::from(1)..=most).contains(&number) {
        Ok(number)
    } else {
        Err(Error::invalid(format!("`{name}` is not from 1 on, or larger than makes sense: {number}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Given {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_is_given_wins_over_the_file_and_the_file_over_the_default() {
        let given = Given { max_runs: Some(3), ..Given::default() };
        let settings = Settings::merge(given, file("max-runs = 5\nsession-ttl = '1h'\ndata = '/srv/w'")).unwrap();
        assert_eq!(settings.max_runs, 3);
        assert_eq!(settings.session_ttl, Duration::from_hours(1));
        assert_eq!(settings.database_url, "sqlite:/srv/w/workroom.sqlite");
        assert_eq!(settings.listen.to_string(), "127.0.0.1:4000");
    }

    #[test]
    fn development_mode_stays_on_this_machine() {
        let settings = Settings::merge(Given::default(), file("dev = true\nlisten = '0.0.0.0:4000'"));
        assert_eq!(settings.unwrap_err().kind(), Kind::Denied);
        assert!(Settings::merge(Given::default(), file("dev = true\nlisten = '[::1]:4000'")).is_ok());
    }

    #[test]
    fn nonsense_is_named() {
        assert!(toml::from_str::<Given>("max-run = 1").unwrap_err().to_string().contains("max-run"));
        for text in [
            "session-ttl = 'soon'",
            "session-ttl = '0s'",
            "max-runs = 0",
            "session-ttl = '30d'",
            "max-run-time = '200y'",
            "max-tokens = 9000000000000000000",
        ] {
            assert!(Settings::merge(Given::default(), file(text)).is_err(), "{text}");
        }
    }
}
