//! What changed lately, over all projects. The rows are written by triggers; here they are read in the order of their commits.

use sqlx::AssertSqlSafe;

use super::{Conn, Tx, dialect, sql};
use crate::{
    error::{Error, Result},
    model::{
        activity::{Change, Changed},
        file::FileArea,
        id::{ProjectId, RunId, SessionId, UserId},
        scope::Sweep,
    },
};

/// Up to where somebody has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, sqlx::FromRow)]
pub struct Place {
    tx: i64,
    id: i64,
}

#[derive(sqlx::FromRow)]
struct Row {
    #[sqlx(flatten)]
    place: Place,
    user_id: UserId,
    project_id: ProjectId,
    kind: String,
    subject_id: Option<uuid::Uuid>,
    area: Option<FileArea>,
}

impl TryFrom<Row> for (Place, Change) {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let what = match (row.kind.as_str(), row.subject_id, row.area) {
            ("PROJECT", None, None) => Changed::Project,
            ("SESSION", Some(id), None) => Changed::Session(SessionId(id)),
            ("RUN", Some(id), None) => Changed::Run(RunId(id)),
            ("FILES", None, Some(area)) => Changed::Files(area),
            (kind, ..) => return Err(Error::internal(format!("a change of the unknown kind {kind}"))),
        };
        Ok((row.place, Change { user_id: row.user_id, project_id: row.project_id, what }))
    }
}

/// Where the changes that are settled end now.
pub async fn newest(conn: &mut Conn, _: &Sweep) -> Result<Place> {
    let statement = AssertSqlSafe(format!(
        "select tx, id from activity where true{} order by tx desc, id desc limit 1",
        dialect::settled(conn)
    ));
    let place: Option<Place> = sql!(conn, c => sqlx::query_as(statement).fetch_optional(c).await)?;
    Ok(place.unwrap_or_default())
}

/// The changes after a place, in the order of their commits, at most `most`.
pub async fn after(conn: &mut Conn, _: &Sweep, place: Place, most: i64) -> Result<Vec<(Place, Change)>> {
    let statement = AssertSqlSafe(format!(
        "select tx, id, user_id, project_id, kind, subject_id, area from activity
        where (tx, id) > ($1, $2){} order by tx, id limit $3",
        dialect::settled(conn)
    ));
    let rows: Vec<Row> = sql!(conn, c => sqlx::query_as(statement)
        .bind(place.tx).bind(place.id).bind(most).fetch_all(c).await)?;
    rows.into_iter().map(TryFrom::try_from).collect()
}

/// Forgets all but about the `kept` newest changes.
pub async fn trim(tx: &mut Tx, _: &Sweep, kept: i64) -> Result<u64> {
    Ok(sql!(tx, c => sqlx::query("delete from activity where id <= (select max(id) from activity) - $1")
        .bind(kept).execute(c).await.map(|done| done.rows_affected()))?)
}
