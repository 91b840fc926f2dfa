//! `workroom worker`.

use std::process::ExitCode;

use super::{house::Workshop, serve::stop_signal};
use crate::{config::Settings, error::Result, worker::Crew};

pub(super) async fn run(settings: Settings) -> Result<ExitCode> {
    let stop = stop_signal()?;
    let workshop = Workshop::start(&settings, Crew::default()).await?;
    tracing::info!(worker = workshop.name(), runs = settings.max_runs, "Workroom works");
    stop.await;
    tracing::info!("stopping");
    workshop.stop().await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}
