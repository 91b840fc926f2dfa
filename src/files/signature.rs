//! Signed download addresses: bound to a content and to the token of who asked, and short-lived.
//!
//! The address alone opens the file, so that a link or an `<img>` works; what it opens ends with its time, or with the token.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    error::{Error, Kind, Result},
    model::id::{TokenId, UserId, VersionId},
};

/// Signs and checks addresses, with the server's secret.
#[derive(Clone)]
pub struct Signer(Hmac<Sha256>);

/// What an address grants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To whom.
    pub user_id: UserId,
    /// By which token; none for the local user of development mode.
    pub token_id: Option<TokenId>,
    /// Which content.
    pub version_id: VersionId,
    /// The file's name for the one who saves it.
    pub name: String,
    /// Until when, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

impl Signer {
    /// A signer with this secret.
    pub fn new(secret: &[u8]) -> Result<Self> {
        Hmac::new_from_slice(secret).map(Self).map_err(Error::internal)
    }

    fn mac(&self, grant: &Grant) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let token = grant.token_id.map_or_else(String::new, |id| id.to_string());
        let expires = grant.expires_at.timestamp().to_string();
        for part in [&grant.user_id.to_string(), &token, &grant.version_id.to_string(), &grant.name, &expires] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    /// The path and query of the address that grants this.
    pub fn address(&self, grant: &Grant) -> String {
        let signature = hex::encode(self.mac(grant).finalize().into_bytes());
        let token = grant.token_id.map_or_else(String::new, |id| format!("&token={id}"));
        format!(
            "/files/{}/{}?user={}{token}&expires={}&signature={signature}",
            grant.version_id,
            encoded(&grant.name),
            grant.user_id,
            grant.expires_at.timestamp(),
        )
    }

    /// Checks that this server made the address of `grant` and that its time is not up. The caller checks the token.
    pub fn check(&self, grant: &Grant, signature: &str, now: DateTime<Utc>) -> Result<()> {
        let refused = || Error::not_found("file");
        let signature = hex::decode(signature).map_err(|_| refused())?;
        self.mac(grant).verify_slice(&signature).map_err(|_| refused())?;
        if grant.expires_at <= now {
            return Err(Error::new(Kind::Expired, "This address has expired. Ask for a new `downloadUrl`."));
        }
        Ok(())
    }
}

/// Percent-encodes what may not stand in a path.
fn encoded(name: &str) -> String {
    let mut path = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~') {
            path.push(char::from(byte));
        } else {
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn an_address_opens_only_what_it_was_made_for() {
        let signer = Signer::new(b"secret").unwrap();
        let now = DateTime::from_timestamp(clock::now().timestamp(), 0).unwrap();
        let grant = Grant {
            user_id: UserId::new(),
            token_id: Some(TokenId::new()),
            version_id: VersionId::new(),
            name: "a b.md".into(),
            expires_at: now + chrono::Duration::seconds(60),
        };
        let address = signer.address(&grant);
        assert!(address.contains("/a%20b.md?"));
        let signature = address.rsplit_once('=').unwrap().1;
        assert!(signer.check(&grant, signature, now).is_ok());
        for changed in [
            Grant { user_id: UserId::new(), ..grant.clone() },
            Grant { token_id: None, ..grant.clone() },
            Grant { version_id: VersionId::new(), ..grant.clone() },
            Grant { name: "b.html".into(), ..grant.clone() },
            Grant { expires_at: now + chrono::Duration::days(1), ..grant.clone() },
        ] {
            assert_eq!(signer.check(&changed, signature, now).unwrap_err().kind(), Kind::NotFound);
        }
        assert!(Signer::new(b"other").unwrap().check(&grant, signature, now).is_err());
        assert_eq!(signer.check(&grant, signature, grant.expires_at).unwrap_err().kind(), Kind::Expired);
    }
}
