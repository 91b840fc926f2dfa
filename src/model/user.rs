//! Who is asking, and the tokens by which they prove it.

use async_graphql::{Enum, SimpleObject};
use chrono::{DateTime, Utc};

use super::id::{TokenId, UserId};

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Enum, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserRole {
    /// May also act for the whole platform, through operations whose names begin with `admin`; each is recorded.
    Admin,
    /// Works in projects of their own.
    User,
}

/// What a token opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Enum, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TokenScope {
    /// Everything that its user may do, except what workers do.
    #[default]
    User,
    /// Claims and executes runs of its user's, and reads what its user reads. It changes nothing else.
    Worker,
}

/// A person, or a program that acts as one. Owns projects; nothing is shared between users.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow, SimpleObject)]
#[graphql(complex)]
pub struct User {
    /// Opaque and stable.
    pub id: UserId,
    /// The name by which tokens are made for the user; unique on this server.
    pub name: String,
    /// Where to write to, when it is known.
    pub email: Option<String>,
    /// The organisation the user belongs to: a label, never a boundary of sharing.
    pub organisation: Option<String>,
    /// What the user may do.
    pub role: UserRole,
}

/// An access token as it is kept: the secret itself is shown once and only its SHA-256 is stored.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Token {
    /// Which token; for `revoke` and the log.
    pub id: TokenId,
    /// Whose it is.
    pub user_id: UserId,
    /// The owner's name.
    pub user_name: String,
    /// What it opens.
    pub scope: TokenScope,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working by itself; never, when absent.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}
