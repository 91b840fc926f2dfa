//! Idempotency keys: which request made what.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{Conn, Tx, sql};
use crate::{
    error::{Detail, Error, Result},
    model::id::UserId,
};

/// A key as a client gave it, with what it was given for.
#[derive(Clone, Debug)]
pub struct Keyed {
    /// Whose key.
    pub user_id: UserId,
    /// The operation's name; the same key may be used for another.
    pub operation: &'static str,
    /// The client's words.
    pub key: String,
    /// SHA-256 of the input.
    pub fingerprint: Vec<u8>,
}

/// Claims a key for `subject_id`. `None`: the key was free, and the caller goes on to make the thing. `Some`: the thing that
/// the same request made before. An error of kind `Conflict` if the key was used with other input. The key of a thing that went
/// with its project is free, but not that of a file which was deleted before.
pub async fn claim(tx: &mut Tx, keyed: &Keyed, subject_id: Uuid, now: DateTime<Utc>) -> Result<Option<Uuid>> {
    let fresh = sql!(tx, c => sqlx::query(
        "insert into idempotency_key (user_id, operation, key, fingerprint, subject_id, created_at)
        values ($1, $2, $3, $4, $5, $6) on conflict do nothing")
        .bind(keyed.user_id).bind(keyed.operation).bind(&keyed.key).bind(&keyed.fingerprint).bind(subject_id).bind(now)
        .execute(c).await.map(|done| done.rows_affected() > 0))?;
    if fresh || take_back(tx, keyed, subject_id, now).await? {
        return Ok(None);
    }
    let (fingerprint, subject_id, created_at): (Vec<u8>, Uuid, DateTime<Utc>) = sql!(tx, c => sqlx::query_as(
        "select fingerprint, subject_id, created_at from idempotency_key
        where user_id = $1 and operation = $2 and key = $3")
        .bind(keyed.user_id).bind(keyed.operation).bind(&keyed.key).fetch_one(c).await)?;
    if fingerprint == keyed.fingerprint {
        Ok(Some(subject_id))
    } else {
        Err(Error::conflict("This idempotency key was used before with other input. Take a new key for a new request.")
            .with(Detail::IdempotencyKey { first_request_at: created_at })
            .at(["input", "idempotencyKey"]))
    }
}

/// What the same request made before, for those who do something costly before they claim. Nothing if it made nothing yet, or if
/// the key was used with other input: the claim says which.
pub async fn made(conn: &mut Conn, keyed: &Keyed) -> Result<Option<Uuid>> {
    Ok(sql!(conn, c => sqlx::query_scalar(
        "select subject_id from idempotency_key where user_id = $1 and operation = $2 and key = $3 and fingerprint = $4")
        .bind(keyed.user_id).bind(keyed.operation).bind(&keyed.key).bind(&keyed.fingerprint).fetch_optional(c).await)?)
}

/// Gives the key to another thing if the one that it made went with its project; says whether it did.
async fn take_back(tx: &mut Tx, keyed: &Keyed, subject_id: Uuid, now: DateTime<Utc>) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update idempotency_key set fingerprint = $4, subject_id = $5, created_at = $6
        where user_id = $1 and operation = $2 and key = $3 and exists (
            select 1 from project where deleting_at is not null
            and id in (subject_id, (select project_id from run where run.id = subject_id),
                (select project_id from file where file.id = subject_id)))")
        .bind(keyed.user_id).bind(keyed.operation).bind(&keyed.key).bind(&keyed.fingerprint).bind(subject_id).bind(now)
        .execute(c).await.map(|done| done.rows_affected() > 0))?)
}
