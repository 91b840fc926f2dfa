//! The product's gate: tokens, and where uploads are kept.
//!
//! Whoever holds a connection open is told within a second when its token has ended, in whichever process it was revoked: one
//! look at the database for all open connections, five times a second.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::graphql::gate::{Admission, Ended, Gate, UploadPart};
use crate::{
    app::{App, access},
    error::{Detail, Error, Kind, Result},
    files::{format::TAKEN, stage::Staged},
    graphql,
    model::{id::TokenId, scope::Viewer},
};

/// How often tokens with open connections are looked at.
const LOOK: Duration = Duration::from_millis(200);
const _: () = assert!(
    LOOK.as_millis() + super::server::LINGER.as_millis() <= 900,
    "a client that answers the closing is rid of the connection within a second of its token's end; a tenth is for the look itself"
);

type Open = HashMap<TokenId, watch::Sender<Option<Ended>>>;

/// Lets users of the product in. Cheap to clone.
#[derive(Clone)]
pub(super) struct ProductGate {
    app: App,
    /// Who everybody is in development mode.
    local: Option<Viewer>,
    open: Arc<Mutex<Open>>,
}

impl ProductGate {
    pub(super) fn new(app: App, local: Option<Viewer>) -> Self {
        Self { app, local, open: Arc::default() }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hears the end of this token.
    fn hear(&self, token: Option<TokenId>) -> watch::Receiver<Option<Ended>> {
        match token {
            Some(token) => self.open().entry(token).or_default().subscribe(),
            // The local user of development mode has no token that could end.
            None => watch::channel(None).1,
        }
    }

    /// Tells open connections when their tokens end, until the server stops.
    pub(super) async fn watch_tokens(self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let tokens: Vec<TokenId> = {
                let mut open = self.open();
                open.retain(|_, ended| ended.receiver_count() > 0);
                open.keys().copied().collect()
            };
            if tokens.is_empty() {
                continue;
            }
            match access::ended_among(&self.app, &tokens).await {
                Ok(ended) => {
                    let open = self.open();
                    for token in ended.iter().filter_map(|token| open.get(token)) {
                        token.send_replace(Some(Ended { reason: "The token was revoked or has expired.".into() }));
                    }
                }
                Err(error) => tracing::warn!(?error, "tokens cannot be looked at just now"),
            }
        }
    }
}

impl Gate for ProductGate {
    type Staged = Staged;

    async fn admit(&self, token: Option<&str>) -> Result<Admission> {
        let viewer = match (token, self.local) {
            (Some(token), None) => access::authenticate(&self.app, token).await?,
            (_, Some(local)) => local,
            (None, None) => {
                return Err(Error::new(
                    Kind::Unauthenticated,
                    "A token is needed: send `Authorization: Bearer …`. `workroom token create` makes one.",
                ));
            }
        };
        let app = self.app.clone();
        Ok(Admission {
            prepare: Arc::new(move |request| graphql::prepare(&app, viewer, request)),
            ended: self.hear(viewer.token_id()),
        })
    }

    async fn stage(&self, mut part: UploadPart<'_>) -> Result<Staged> {
        let mut staging = self.app.files.stage(&part.file_name().unwrap_or_default())?;
        // What is wrong with the bytes is wrong with this file; the others go on.
        let refused = |error: Error| match error.kind() {
            Kind::Invalid => error.with(Detail::File { expected: TAKEN, detected: None }),
            _ => error,
        };
        while let Some(bytes) = part.chunk().await.map_err(refused)? {
            staging.write(&bytes).await?;
        }
        staging.finish().await
    }
}
