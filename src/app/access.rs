//! Who is asking: tokens, the addresses that were signed by way of them, and the one local user of development mode.
//!
//! A token is 32 random bytes, shown once; only its SHA-256 is kept. That is enough for a secret nobody chose, and it lets a
//! look-up go by the hash.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use super::App;
use crate::{
    clock,
    error::{Error, Kind, Result},
    files::signature::Grant,
    model::{
        id::TokenId,
        scope::{OutsideWorker, Viewer},
        text,
        user::{Token, TokenScope, UserRole},
    },
    store::{Conn, Store, token, user},
};

/// What tokens start with, so that a person or a scanner for leaked secrets knows one.
const PREFIX: &str = "wr_";
/// The user that everything belongs to in development mode.
const LOCAL_USER: &str = "local";

/// Who presents this token.
pub async fn authenticate(app: &App, presented: &str) -> Result<Viewer> {
    let unknown = || Error::new(Kind::Unauthenticated, "This token is not known here.");
    if !presented.starts_with(PREFIX) || presented.len() > 100 {
        return Err(unknown());
    }
    let mut conn = app.store.read().await?;
    let found = token::by_hash(&mut conn, &hash(presented)).await?.ok_or_else(unknown)?;
    if found.revoked_at.is_some() {
        return Err(Error::new(Kind::Unauthenticated, "This token was revoked."));
    }
    if found.expires_at.is_some_and(|at| at <= clock::now()) {
        return Err(Error::new(Kind::Unauthenticated, "This token has expired."));
    }
    Ok(Viewer::authenticated(found.user_id, found.role, Some(found.id)).within(found.scope))
}

/// The viewer, if what they present lets them change things: a worker's token does not.
pub fn actor(viewer: Viewer) -> Result<Viewer> {
    match viewer.scope() {
        TokenScope::User => Ok(viewer),
        TokenScope::Worker => Err(Error::new(
            Kind::Denied,
            "This is a worker's token: it reads and executes runs, and changes nothing else. Ask by a token of the user's.",
        )),
    }
}

/// The viewer as a worker, if they present a worker's token.
pub fn worker(viewer: &Viewer) -> Result<OutsideWorker> {
    OutsideWorker::of(viewer).ok_or_else(|| {
        Error::new(Kind::Denied, "Only a worker may do this. `workroom token create --worker` makes a token for one.")
    })
}

/// Who holds a signed address that was found to be good: it ends with the token that asked for it.
pub(super) async fn holder(conn: &mut Conn, grant: &Grant) -> Result<Viewer> {
    if let Some(token) = grant.token_id {
        let ended = token::ended_among(conn, &[token], clock::now()).await?;
        if !ended.is_empty() {
            return Err(Error::new(Kind::Expired, "The token that asked for this address has ended."));
        }
    }
    Ok(Viewer::authenticated(grant.user_id, UserRole::User, grant.token_id))
}

/// The local user of development mode, made at the first call.
pub async fn local_user(store: &Store) -> Result<Viewer> {
    let user = store.write(|tx| user::ensure(tx, LOCAL_USER, UserRole::User, clock::now()).boxed()).await?;
    Ok(Viewer::authenticated(user.id, user.role, None))
}

/// Which of these tokens have been revoked or have expired: for those who hold a connection open.
pub async fn ended_among(app: &App, tokens: &[TokenId]) -> Result<Vec<TokenId>> {
    let mut conn = app.store.read().await?;
    token::ended_among(&mut conn, tokens, clock::now()).await
}

/// A new token.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// For the user of this name, who is made if need be.
    pub user_name: String,
    /// Makes the user an admin.
    pub admin: bool,
    /// What the token opens.
    pub scope: TokenScope,
    /// Stops working after this time.
    pub expires_in: Option<Duration>,
}

impl NewToken {
    /// One of a user's, without an end.
    pub fn of(user_name: impl Into<String>) -> Self {
        Self { user_name: user_name.into(), admin: false, scope: TokenScope::User, expires_in: None }
    }
}

/// Makes a token; the answer holds the secret, which is not kept and cannot be shown again.
pub async fn create_token(store: &Store, new: NewToken) -> Result<(Token, String)> {
    let name = text::name("user", &new.user_name, 100)?;
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| Error::internal(error.to_string()))?;
    let secret = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let hash = hash(&secret);
    let role = if new.admin { UserRole::Admin } else { UserRole::User };
    let token = store
        .write(move |tx| {
            async move {
                let now = clock::now();
                let user = user::ensure(tx, &name, role, now).await?;
                let token = Token {
                    id: TokenId::new(),
                    user_id: user.id,
                    user_name: user.name,
                    scope: new.scope,
                    created_at: now,
                    expires_at: new.expires_in.map(|life| clock::after(now, life)),
                    revoked_at: None,
                };
                token::insert(tx, &token, &hash).await?;
                Ok(token)
            }
            .boxed()
        })
        .await?;
    Ok((token, secret))
}

/// All tokens, oldest first.
pub async fn list_tokens(store: &Store) -> Result<Vec<Token>> {
    token::list(&mut store.read().await?).await
}

/// Revokes a token; connections that it opened are closed within a second, by whichever process holds them.
pub async fn revoke_token(store: &Store, id: TokenId) -> Result<()> {
    let revoked = store.write(move |tx| token::revoke(tx, id, clock::now()).boxed()).await?;
    if revoked { Ok(()) } else { Err(Error::not_found("token that could be revoked")) }
}

fn hash(token: &str) -> Vec<u8> {
    Sha256::digest(token).to_vec()
}
