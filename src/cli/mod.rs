//! The command line: one file per subcommand.

mod demo;
mod doctor;
pub mod house;
mod log;
mod serve;
mod token;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let CommandLine { given, command } = CommandLine::parse();
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
