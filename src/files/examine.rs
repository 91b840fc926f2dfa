//! Looking at an object as it lies there, to compare it with what its row says.

use futures_util::StreamExt;
use object_store::ObjectStoreExt;
use sha2::{Digest, Sha256};

use super::{Files, Location};
use crate::error::{Error, Result};

/// How an object differs from what its row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// It is not there.
    Missing,
    /// It has so many bytes.
    Size(u64),
    /// Its bytes have this SHA-256.
    Hash(String),
}

impl Files {
    /// Reads an object from its first byte to its last, a piece at a time, and compares it with its row.
    pub async fn examine(&self, location: &Location<'_>) -> Result<Option<Difference>> {
        let found = match self.objects.get(&location.key()).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(Some(Difference::Missing)),
            Err(error) => return Err(Error::unavailable(error)),
        };
        // Whatever lies there now may be of any size.
        if found.meta.size != location.version.size.as_u64() {
            return Ok(Some(Difference::Size(found.meta.size)));
        }
        let mut digest = Sha256::new();
        let mut bytes = found.into_stream();
        while let Some(piece) = bytes.next().await {
            digest.update(piece.map_err(Error::unavailable)?);
        }
        let hash = hex::encode(digest.finalize());
        Ok((hash != location.version.sha256).then_some(Difference::Hash(hash)))
    }
}
