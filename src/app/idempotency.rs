//! Idempotency keys as clients give them.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    error::{Error, Result},
    model::scope::Viewer,
    store::idempotency::Keyed,
};

/// The longest key, in characters.
const MAX_KEY: usize = 200;

/// Checks a key and takes the fingerprint of what it was given for.
pub(super) fn keyed(
    viewer: &Viewer,
    operation: &'static str,
    key: Option<String>,
    input: &impl Serialize,
) -> Result<Option<Keyed>> {
    let Some(key) = key else { return Ok(None) };
    if !(1..=MAX_KEY).contains(&key.len()) || !key.chars().all(|letter| letter.is_ascii_graphic()) {
        return Err(Error::invalid("An idempotency key is 1 to 200 visible ASCII characters, such as a UUID.")
            .at(["input", "idempotencyKey"]));
    }
    let input = serde_json::to_vec(input).map_err(Error::internal)?;
    Ok(Some(Keyed { user_id: viewer.user_id(), operation, key, fingerprint: Sha256::digest(input).to_vec() }))
}
