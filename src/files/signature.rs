//! Signed download addresses: bound to a content or a history and to the token of who asked, and short-lived.
//!
//! The address alone opens the file, so that a link or an `<img>` works; what it opens ends with its time, or with the token.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    error::{Error, Kind, Result},
    model::{
        export::ExportFormat,
        id::{ProjectId, TokenId, UserId, VersionId},
    },
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
    /// What.
    pub opens: Opens,
    /// Until when, in whole seconds.
    pub expires_at: DateTime<Utc>,
}

/// What an address opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opens {
    /// A content.
    Content {
        /// Which.
        version_id: VersionId,
        /// The file's name for the one who saves it.
        name: String,
    },
    /// A project's history, as a file.
    History {
        /// Of which project.
        project_id: ProjectId,
        /// How it is written.
        format: ExportFormat,
        /// Which runs, in letters that may stand in an address.
        filter: String,
    },
}

impl Opens {
    /// What it is called when it is not there.
    pub fn noun(&self) -> &'static str {
        match self {
            Self::Content { .. } => "file",
            Self::History { .. } => "history",
        }
    }

    /// What has to be as it was. No two things that could be opened have the same parts.
    fn parts(&self) -> Vec<String> {
        match self {
            Self::Content { version_id, name } => vec![version_id.to_string(), name.clone()],
            Self::History { project_id, format, filter } => {
                vec![project_id.to_string(), format.ending().to_owned(), filter.clone()]
            }
        }
    }

    /// The path of its address, and what stands first in the query.
    fn place(&self) -> (String, String) {
        match self {
            Self::Content { version_id, name } => (format!("/files/{version_id}/{}", encoded(name)), String::new()),
            Self::History { project_id, format, filter } => {
                (format!("/exports/{project_id}/history.{}", format.ending()), format!("filter={filter}&"))
            }
        }
    }

    /// The field that makes such addresses.
    fn field(&self) -> &'static str {
        match self {
            Self::Content { .. } => "downloadUrl",
            Self::History { .. } => "exportUrl",
        }
    }
}

impl Signer {
    /// A signer with this secret.
    pub fn new(secret: &[u8]) -> Result<Self> {
        Hmac::new_from_slice(secret).map(Self).map_err(Error::internal)
    }

    fn mac(&self, grant: &Grant) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        let token = grant.token_id.map_or_else(String::new, |id| id.to_string());
        let who = vec![grant.user_id.to_string(), token];
        let until = vec![grant.expires_at.timestamp().to_string()];
        for part in [who, grant.opens.parts(), until].concat() {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac
    }

    /// The path and query of the address that grants this.
    pub fn address(&self, grant: &Grant) -> String {
        let signature = hex::encode(self.mac(grant).finalize().into_bytes());
        let token = grant.token_id.map_or_else(String::new, |id| format!("&token={id}"));
        let (path, query) = grant.opens.place();
        let (user, expires) = (grant.user_id, grant.expires_at.timestamp());
        format!("{path}?{query}user={user}{token}&expires={expires}&signature={signature}")
    }

    /// Checks that this server made the address of `grant` and that its time is not up. The caller checks the token.
    pub fn check(&self, grant: &Grant, signature: &str, now: DateTime<Utc>) -> Result<()> {
        let refused = || Error::not_found(grant.opens.noun());
        let signature = hex::decode(signature).map_err(|_| refused())?;
        self.mac(grant).verify_slice(&signature).map_err(|_| refused())?;
        if grant.expires_at <= now {
            let message = format!("This address has expired. Ask for a new `{}`.", grant.opens.field());
            return Err(Error::new(Kind::Expired, message));
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

    fn grant(opens: Opens) -> Grant {
        let expires_at = DateTime::from_timestamp(clock::now().timestamp() + 60, 0).unwrap();
        Grant { user_id: UserId::new(), token_id: Some(TokenId::new()), opens, expires_at }
    }

    fn file(name: &str) -> Opens {
        Opens::Content { version_id: VersionId::new(), name: name.into() }
    }

    fn history(format: ExportFormat, filter: &str) -> Opens {
        Opens::History { project_id: ProjectId::new(), format, filter: filter.into() }
    }

    /// The address of `grant` opens none of the others.
    fn opens_only(grant: &Grant, others: Vec<Opens>) {
        let signer = Signer::new(b"secret").unwrap();
        let now = clock::now();
        let address = signer.address(grant);
        let signature = address.rsplit_once('=').unwrap().1;
        assert!(signer.check(grant, signature, now).is_ok());
        let others = others.into_iter().map(|opens| Grant { opens, ..grant.clone() });
        for changed in others.chain([
            Grant { user_id: UserId::new(), ..grant.clone() },
            Grant { token_id: None, ..grant.clone() },
            Grant { expires_at: grant.expires_at + chrono::Duration::days(1), ..grant.clone() },
        ]) {
            assert_eq!(signer.check(&changed, signature, now).unwrap_err().kind(), Kind::NotFound, "{changed:?}");
        }
        assert!(Signer::new(b"other").unwrap().check(grant, signature, now).is_err());
        assert_eq!(signer.check(grant, signature, grant.expires_at).unwrap_err().kind(), Kind::Expired);
    }

    #[test]
    fn an_address_opens_only_what_it_was_made_for() {
        let file_of = grant(file("a b.md"));
        assert!(Signer::new(b"secret").unwrap().address(&file_of).contains("/a%20b.md?"));
        let Opens::Content { version_id, .. } = file_of.opens else { panic!("a content") };
        let all = history(ExportFormat::Csv, "e30");
        opens_only(&file_of, vec![file("a b.md"), Opens::Content { version_id, name: "b.html".into() }, all.clone()]);

        let Opens::History { project_id, .. } = all else { panic!("a history") };
        let other = |format, filter: &str| Opens::History { project_id, format, filter: filter.into() };
        let others = vec![
            history(ExportFormat::Csv, "e30"),
            other(ExportFormat::Jsonl, "e30"),
            other(ExportFormat::Csv, "e31"),
            other(ExportFormat::Csv, ""),
            file("csv"),
        ];
        opens_only(&grant(all), others);
    }
}
