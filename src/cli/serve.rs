//! `workroom serve`.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use super::house::House;
use crate::{
    config::Settings,
    error::{Error, Result},
    worker::Crew,
};

pub(super) async fn run(settings: Settings) -> Result<ExitCode> {
    // Asked for first, so that a signal that comes early is not the end without a word.
    let stop = stop_signal()?;
    let house = House::start(&settings, Crew::default()).await?;
    let (address, engine) = (house.address(), house.app().store.engine());
    tracing::info!(%address, engine, dev = settings.dev, "Workroom serves http://{address}/graphql");
    if settings.no_worker {
        tracing::info!("runs wait, and nothing is swept up, unless a worker is at work on this database");
    }
    stop.await;
    tracing::info!("stopping");
    house.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Waits for SIGTERM or Ctrl-C, which are heard from this call on.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::internal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
