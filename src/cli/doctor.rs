//! `workroom doctor`: whether a server could work with these settings.

use std::process::ExitCode;

use super::house::open_store;
use crate::{
    config::Settings,
    error::{Error, Result},
    files::Files,
    http::server::bind,
};

pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let mut well = true;
    let mut report = |what: &str, outcome: Result<String>| match outcome {
        Ok(said) => println!("ok    {what}: {said}"),
        Err(error) => {
            well = false;
            println!("FAIL  {what}: {}", super::told(&error));
        }
    };
    report("data folder", writable(settings));
    report("database", database(settings).await);
    report("files", files(settings).await);
    report("address", bind(settings.listen).map(|_| format!("{} is free", settings.listen)));
    let mode = if settings.dev { "development: everybody on this machine is let in" } else { "tokens are needed" };
    report("access", Ok(mode.into()));
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn writable(settings: &Settings) -> Result<String> {
    std::fs::create_dir_all(&settings.data).map_err(Error::unavailable)?;
    tempfile::tempfile_in(&settings.data).map_err(Error::unavailable)?;
    Ok(settings.data.display().to_string())
}

async fn database(settings: &Settings) -> Result<String> {
    let store = open_store(settings).await?;
    store.ping().await?;
    let engine = store.engine();
    store.close().await;
    Ok(format!("{engine}, up to date"))
}

async fn files(settings: &Settings) -> Result<String> {
    let files = Files::open(&settings.files_url, &settings.data.join("staging"))?;
    files.ping().await?;
    Ok(settings.files_url.clone())
}
