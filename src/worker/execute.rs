//! Executing one run.

use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use super::{Held, Shop};
use crate::{
    agent::{Agent, End},
    app::work::Desk,
    error::{Kind, Result},
    model::{event::RunFailed, run::RunFailure, scope::RunLease},
};

/// Executes the lease's run in a task of its own, in a place that is free again when it is over.
pub(super) fn execute(shop: &Shop, lease: RunLease, place: OwnedSemaphorePermit) {
    let shop = shop.clone();
    let (cancelled, stopped) = (CancellationToken::new(), CancellationToken::new());
    let held = Held { lease, cancelled: cancelled.clone(), stopped: stopped.clone() };
    shop.held().insert(lease.run_id(), held);
    shop.runs.clone().spawn(async move {
        let _guard = Done { shop: &shop, lease };
        let desk = Desk::new(shop.app.clone(), lease);
        match work(&shop, &desk, cancelled, stopped).await {
            Ok(End::Finished) => {}
            Ok(End::Stopped) => hand_back(&desk).await,
            Err(error) if error.kind() == Kind::Expired => {
                tracing::info!(run = %lease.run_id(), "another worker has this run now");
            }
            Err(error) => {
                // Not handed back: what is away comes back in its own time, and tries in a hurry would soon be too many.
                tracing::warn!(run = %lease.run_id(), ?error, "a run could not go on and is left until its lease runs out");
            }
        }
        drop(place);
    });
}

async fn work(shop: &Shop, desk: &Desk, cancelled: CancellationToken, stopped: CancellationToken) -> Result<End> {
    let Some(run) = desk.run().await? else { return Err(crate::timeline::append::lost()) };
    if desk.gave_up(i64::MAX).await? {
        return Ok(End::Finished);
    }
    let Some(model) = shop.setup.crew.models.iter().find(|model| model.name() == run.model) else {
        let message = format!("The model `{}` is not available here.", run.model);
        let failure = RunFailure { code: "MODEL_UNAVAILABLE".into(), message, retryable: true };
        return desk.finish(RunFailed { failure }.into()).await.map(|()| End::Finished);
    };
    let tools = &shop.setup.crew.tools;
    let agent = Agent { desk, model: model.as_ref(), tools, limits: shop.setup.limits, cancelled, stopped };
    agent.work().await
}

/// Hands a run back; if even that fails, its lease runs out.
async fn hand_back(desk: &Desk) {
    if let Err(error) = desk.hand_back().await {
        tracing::warn!(run = %desk.lease().run_id(), ?error, "a run could not be handed back");
    }
}

/// Forgets the lease when the task is over, however it ends, so that it is not renewed for nobody.
struct Done<'a> {
    shop: &'a Shop,
    lease: RunLease,
}

impl Drop for Done<'_> {
    fn drop(&mut self) {
        let mut held = self.shop.held();
        if held.get(&self.lease.run_id()).is_some_and(|held| held.lease == self.lease) {
            held.remove(&self.lease.run_id());
        }
    }
}
