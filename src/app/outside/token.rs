//! Lease tokens: what a worker that lives elsewhere shows to prove that a run was given to it.
//!
//! A token names the lease and is sealed with the server's secret, so that nothing has to be kept of it. It opens nothing alone:
//! whoever shows it must also be a worker of the run's owner, and the lease must still be held.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    model::{
        id::{ProjectId, RunId, UserId},
        scope::{OutsideWorker, RunLease},
    },
};

/// What tokens start with, so that nobody takes one for an access token.
const PREFIX: &str = "lease_";
/// Three ids and the generation.
const NAMED: usize = 3 * 16 + 8;
/// What tells these seals from others that are made with the same secret.
const PURPOSE: &[u8] = b"workroom lease token v1";

/// Seals leases and opens seals. Cheap to clone.
#[derive(Clone)]
pub struct LeaseTokens(Hmac<Sha256>);

impl LeaseTokens {
    /// With the server's secret.
    pub fn new(secret: &[u8]) -> Result<Self> {
        let mut seal = Hmac::new_from_slice(secret).map_err(Error::internal)?;
        seal.update(PURPOSE);
        Ok(Self(seal))
    }

    /// The token of a lease.
    pub fn issue(&self, lease: &RunLease) -> String {
        let scope = lease.scope();
        let ids = [scope.user_id().0, scope.project_id().0, lease.run_id().0];
        let mut bytes = ids.map(Uuid::into_bytes).concat();
        bytes.extend(lease.generation().to_be_bytes());
        let seal = self.0.clone().chain_update(&bytes).finalize().into_bytes();
        bytes.extend(seal);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The lease of a token that this worker may show. Somebody else's is answered like an invented one.
    pub fn read(&self, worker: &OutsideWorker, token: &str) -> Result<RunLease> {
        let lease = self.open(token).filter(|lease| worker.may_hold(lease));
        lease.ok_or_else(|| Error::not_found("lease").at(["input", "leaseToken"]))
    }

    fn open(&self, token: &str) -> Option<RunLease> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (named, seal) = bytes.split_at_checked(NAMED)?;
        self.0.clone().chain_update(named).verify_slice(seal).ok()?;
        let id = |at: usize| Uuid::from_slice(&named[at * 16..(at + 1) * 16]).ok();
        let generation = i64::from_be_bytes(named[3 * 16..].try_into().ok()?);
        Some(RunLease::granted(UserId(id(0)?), ProjectId(id(1)?), RunId(id(2)?), generation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        id::TokenId,
        scope::Viewer,
        user::{TokenScope, UserRole},
    };

    fn worker(user_id: UserId) -> OutsideWorker {
        let viewer = Viewer::authenticated(user_id, UserRole::User, Some(TokenId::new())).within(TokenScope::Worker);
        OutsideWorker::of(&viewer).unwrap()
    }

    #[test]
    fn a_token_opens_the_lease_that_it_was_made_of_and_no_other() {
        let tokens = LeaseTokens::new(b"secret").unwrap();
        let user = UserId::new();
        let lease = RunLease::granted(user, ProjectId::new(), RunId::new(), 7);
        let token = tokens.issue(&lease);
        assert_eq!(tokens.read(&worker(user), &token).unwrap(), lease);

        let refused = tokens.read(&worker(UserId::new()), &token).unwrap_err();
        assert_eq!(format!("{refused:?}"), "NotFound: There is no such lease.");
        for at in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let opened = tokens.read(&worker(user), &changed);
            assert_eq!(opened.unwrap_err().message(), refused.message(), "{changed}");
        }
        for invented in ["", "lease_", "lease_AAAA", "wr_AAAA", "lease_ä", &token[..token.len() - 4]] {
            assert!(tokens.read(&worker(user), invented).is_err(), "{invented}");
        }
        assert!(LeaseTokens::new(b"other").unwrap().read(&worker(user), &token).is_err());
    }
}
