//! `workroom doctor`: whether a server could work with these settings.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
};

use super::house::{open_store, writable};
use crate::{
    config::Settings,
    error::Result,
    files::Files,
    http::{health::serves_at, server::bind},
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
    report("data folder", writable(&settings.data).map(|()| settings.data.display().to_string()));
    report("database", database(settings).await);
    report("files", files(settings).await);
    report("address", address(settings.listen).await);
    let mode = if settings.dev { "development: everybody on this machine is let in" } else { "tokens are needed" };
    report("access", Ok(mode.into()));
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether a server could listen there. Beside a server that already does, that is as it should be.
async fn address(listen: SocketAddr) -> Result<String> {
    let Err(error) = bind(listen) else { return Ok(format!("{listen} is free")) };
    // A server that listens everywhere is asked by way of this machine.
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    if serves_at(SocketAddr::new(ip, listen.port())).await {
        Ok(format!("{listen} is taken, and a Workroom is serving there"))
    } else {
        Err(error)
    }
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
