//! Access tokens, by the hash of their secret.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{Conn, Tx, list::push_in, sql};
use crate::{
    error::Result,
    model::{
        id::{TokenId, UserId},
        user::{Token, TokenScope, UserRole},
    },
};

/// What a presented token stands for.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Presented {
    /// Which token.
    pub id: TokenId,
    /// Whose.
    pub user_id: UserId,
    /// What its owner may do.
    pub role: UserRole,
    /// What it opens.
    pub scope: TokenScope,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// Keeps a new token.
pub async fn insert(tx: &mut Tx, token: &Token, hash: &[u8]) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "insert into token (id, user_id, hash, scope, created_at, expires_at) values ($1, $2, $3, $4, $5, $6)")
        .bind(token.id).bind(token.user_id).bind(hash).bind(token.scope).bind(token.created_at).bind(token.expires_at)
        .execute(c).await.map(|_| ()))?;
    Ok(())
}

/// The token with this hash, whatever its state.
pub async fn by_hash(conn: &mut Conn, hash: &[u8]) -> Result<Option<Presented>> {
    Ok(sql!(conn, c => sqlx::query_as(
        r#"select token.id, user_id, role, scope, expires_at, revoked_at from token join "user" on "user".id = user_id
        where hash = $1"#).bind(hash).fetch_optional(c).await)?)
}

/// All tokens, oldest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<Token>> {
    Ok(sql!(conn, c => sqlx::query_as(
        r#"select token.id, user_id, name as user_name, scope, token.created_at, expires_at, revoked_at
        from token join "user" on "user".id = user_id order by token.id"#).fetch_all(c).await)?)
}

/// Revokes a token; says whether there was one to revoke.
pub async fn revoke(tx: &mut Tx, id: TokenId, now: DateTime<Utc>) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query("update token set revoked_at = $2 where id = $1 and revoked_at is null")
        .bind(id).bind(now).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Of these tokens the ones that are revoked or expired.
pub async fn ended_among(conn: &mut Conn, ids: &[TokenId], now: DateTime<Utc>) -> Result<Vec<TokenId>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new("select id from token where (revoked_at is not null or expires_at <= ");
        query.push_bind(now).push(") and ");
        push_in(&mut query, "id", ids.iter().copied());
        query.build_query_scalar().fetch_all(c).await
    })?)
}
