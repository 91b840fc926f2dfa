//! The command line: one file per subcommand.

mod demo;
mod doctor;
pub mod house;
mod log;
mod serve;
mod token;
mod verify;
mod work;

use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    config::{DemoFlags, Given, Settings},
    error::{Error, Kind, Result},
    graphql,
};

/// The open, self-hosted backend of an agent project workspace: a GraphQL server that runs agents, streams every run live and
/// keeps it.
#[derive(Parser)]
#[command(name = "workroom", version)]
struct CommandLine {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API and execute runs, until SIGTERM or Ctrl-C
    Serve,
    /// Execute runs without serving the API, beside other processes on the same PostgreSQL database and files
    Worker,
    /// Tell the whole story once: start a server, upload documents, run an agent on them, watch it live
    Demo(DemoFlags),
    /// Print the GraphQL schema
    Schema,
    /// Bring the database up to date and leave
    Migrate,
    /// Make, list and revoke access tokens
    #[command(subcommand)]
    Token(token::Command),
    /// Check the settings, the database (bringing it up to date) and the files
    Doctor,
    /// Check that runs, artifacts and files are what was recorded, beside a server or without; fails if something is not
    Verify(verify::Flags),
}

/// What a command reads that works on the database alone.
const DATABASE: [&str; 5] = ["data", "database_url", "log_format", "log", "config"];
/// What a command reads that works on the database and the files.
const KEPT: [&str; 6] = ["data", "database_url", "files_url", "log_format", "log", "config"];

/// What a server reads that a worker does not.
const SERVER: [&str; 7] =
    ["listen", "public_url", "allow_origin", "dev", "session_ttl", "session_ttl_max", "no_worker"];

/// The command line. Each command takes every setting, so that a script may give all of them the same, and shows those it reads.
fn command_line() -> clap::Command {
    let settings = Given::augment_args(clap::Command::new("settings"));
    let all: Vec<&str> = settings.get_arguments().map(|setting| setting.get_id().as_str()).collect();
    let all_but = |not: &[&str]| all.iter().copied().filter(|setting| !not.contains(setting)).collect::<Vec<_>>();
    let reads = [
        ("schema", Vec::new()),
        ("migrate", DATABASE.to_vec()),
        ("token", DATABASE.to_vec()),
        ("verify", KEPT.to_vec()),
        ("worker", all_but(&SERVER)),
        ("demo", all_but(&["no_worker"])),
    ];
    reads.into_iter().fold(CommandLine::command(), |whole, (name, read)| {
        let unread = settings.get_arguments().filter(|setting| !read.contains(&setting.get_id().as_str()));
        let hidden: Vec<_> = unread.map(|setting| setting.clone().hide(true)).collect();
        whole.mut_subcommand(name, |command| command.args(hidden))
    })
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let matches = command_line().get_matches();
    let CommandLine { given, command } = CommandLine::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match run(given, command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("workroom: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

fn run(given: Given, command: Command) -> Result<ExitCode> {
    if matches!(command, Command::Schema) {
        print!("{}", graphql::sdl());
        return Ok(ExitCode::SUCCESS);
    }
    let settings = Settings::load(given)?;
    log::start(&settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Error::internal)?;
    runtime.block_on(async {
        match command {
            Command::Serve => serve::run(settings).await,
            Command::Worker => work::run(settings).await,
            Command::Demo(flags) => demo::run(settings, flags).await,
            Command::Schema => Ok(ExitCode::SUCCESS),
            Command::Migrate => {
                let store = house::open_store(&settings).await?;
                println!("The {} database is up to date.", store.engine());
                store.close().await;
                Ok(ExitCode::SUCCESS)
            }
            Command::Token(command) => token::run(&settings, command).await,
            Command::Doctor => doctor::run(&settings).await,
            Command::Verify(flags) => verify::run(&settings, flags).await,
        }
    })
}

/// An error for the person at the terminal, who may know the cause.
fn told(error: &Error) -> String {
    match error.kind() {
        Kind::Internal | Kind::Unavailable => format!("{error:?}"),
        _ => error.to_string(),
    }
}
