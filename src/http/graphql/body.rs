//! Reading bodies, with a bound on their size and on the client's pauses.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use actix_web::{http::StatusCode, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::{sync::mpsc, time::timeout};

use super::answer::Refusal;
use crate::error::{Error, Kind};

/// Why a body ended before its end.
#[derive(Clone, Copy)]
pub(super) enum Cut {
    /// It is larger than is taken.
    TooLarge,
    /// The client paused for too long.
    Paused,
    /// The connection broke.
    Broken,
}

impl From<Cut> for Refusal {
    fn from(cut: Cut) -> Self {
        match cut {
            Cut::TooLarge => Self::bad(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large."),
            Cut::Paused => {
                Self::new(StatusCode::REQUEST_TIMEOUT, Error::new(Kind::Timeout, "The body did not arrive in time."))
            }
            Cut::Broken => Self::bad(StatusCode::BAD_REQUEST, "The body broke off."),
        }
    }
}

/// The whole body, at most `limit` bytes long, arriving within `wait`.
pub(super) async fn whole(mut payload: web::Payload, limit: usize, wait: Duration) -> Result<Bytes, Cut> {
    let read = async {
        let mut body = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Cut::Broken)?;
            if body.len() + chunk.len() > limit {
                return Err(Cut::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    };
    timeout(wait, read).await.unwrap_or(Err(Cut::Paused))
}

/// A body as a stream that may cross threads, as those who stage files want it; actix's own may not.
pub(super) struct Piped {
    /// The bytes as they come. Ends early when the body was cut.
    pub(super) chunks: mpsc::Receiver<Bytes>,
    /// Why the bytes ended early, once they did.
    pub(super) cut: Arc<OnceLock<Cut>>,
}

/// Pipes the body, at most `limit` bytes of it, with pauses of at most `pause`. Holds two chunks at most.
pub(super) fn pipe(mut payload: web::Payload, limit: u64, pause: Duration) -> Piped {
    let (sender, chunks) = mpsc::channel(1);
    let cut = Arc::new(OnceLock::new());
    let piped = Piped { chunks, cut: Arc::clone(&cut) };
    actix_web::rt::spawn(async move {
        let mut left = limit;
        let why = loop {
            let chunk = match timeout(pause, payload.next()).await {
                Err(_) => break Some(Cut::Paused),
                Ok(None) => break None,
                Ok(Some(Err(_))) => break Some(Cut::Broken),
                Ok(Some(Ok(chunk))) => chunk,
            };
            let Some(rest) = left.checked_sub(u64::try_from(chunk.len()).unwrap_or(u64::MAX)) else {
                break Some(Cut::TooLarge);
            };
            left = rest;
            if sender.send(chunk).await.is_err() {
                break None;
            }
        };
        if let Some(why) = why {
            cut.get_or_init(|| why);
        }
    });
    piped
}
