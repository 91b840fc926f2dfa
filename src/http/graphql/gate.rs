//! What the transport asks of whoever stands behind it.
//!
//! The transport knows the protocols and nothing of users or files. Two gates exist: the product's, and that of the
//! small schema which the audits probe.

use std::{borrow::Cow, future::Future, sync::Arc};

use async_graphql::Request;
use bytes::Bytes;
use tokio::sync::watch;

use super::multipart::Field;
use crate::error::{Error, Result};

/// Who may enter, and who keeps the bytes of uploads.
pub trait Gate: Clone + Send + Sync + 'static {
    /// What is kept of an uploaded file. Dropping it gives the bytes up.
    type Staged: Send + Sync + 'static;

    /// Who presents this bearer token (`None`: none was presented). An error refuses.
    fn admit(&self, token: Option<&str>) -> impl Future<Output = Result<Admission>> + Send;

    /// Takes the bytes of one uploaded file and keeps them until the returned handle drops.
    ///
    /// An error concerns this file alone: the mutation that was sent with it is told, and the other files go on.
    fn stage(&self, part: UploadPart<'_>) -> impl Future<Output = Result<Self::Staged>> + Send;
}

/// Puts the viewer and fresh loaders into a request's data.
pub type Prepare = Arc<dyn Fn(Request) -> Request + Send + Sync>;

/// Somebody was let in.
#[derive(Clone)]
pub struct Admission {
    /// Applied to every request of theirs before it is executed.
    pub prepare: Prepare,
    /// Becomes `Some` once the token is revoked or has expired. Open streams close then, with the reason.
    pub ended: watch::Receiver<Option<Ended>>,
}

impl Admission {
    /// Waits until the token has ended; for ever, if nobody is left who could end it.
    pub(super) async fn ended(&mut self) -> Ended {
        loop {
            if let Ok(now) = self.ended.wait_for(Option::is_some).await
                && let Some(ended) = now.clone()
            {
                return ended;
            }
            std::future::pending::<()>().await;
        }
    }
}

/// The token that opened a connection is no longer good.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Why, for the client: it is the reason of the close frame and the message of a stream's last error.
    pub reason: String,
}

/// One file of a multipart request, on its way in.
pub struct UploadPart<'a> {
    field: &'a mut Field,
    left: u64,
    limit: u64,
}

impl<'a> UploadPart<'a> {
    /// The file in this part, of which at most `limit` bytes are given.
    pub(super) fn new(field: &'a mut Field, limit: u64) -> Self {
        Self { field, left: limit, limit }
    }

    /// The name that the client gave the file, as sent: nothing about it is to be trusted.
    pub fn file_name(&self) -> Option<Cow<'_, str>> {
        self.field.file_name()
    }

    /// The media type that the client declared, as sent.
    pub fn media_type(&self) -> Option<&str> {
        self.field.part.content_type().map(AsRef::as_ref)
    }

    /// The next bytes, `None` at the end of the file.
    ///
    /// `Invalid` once the file is larger than the limit on one file, or when the body breaks off.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let Some(bytes) = self.field.chunk().await? else { return Ok(None) };
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let Some(left) = self.left.checked_sub(length) else {
            self.left = 0;
            let limit = self.limit;
            return Err(Error::invalid(format!(
                "The file is larger than {limit} bytes, the most that is taken this way."
            )));
        };
        self.left = left;
        Ok(Some(bytes))
    }
}
