//! Sweeping up after projects that are being deleted: their rows, some hundred at a time, each before those that it names.
//!
//! A table whose rows belong to a project has a line here; the story of a deletion walks the catalogue and finds one that has
//! not. The project's own row goes last: until then whoever looks finds out what is left to do.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;
use uuid::Uuid;

use super::{Conn, Tx, list::push_in, sql};
use crate::{
    error::Result,
    model::{id::ProjectId, scope::Sweep},
};

/// Rows that hang on something: their table, its key, and the column that names what they hang on.
struct Hanging {
    table: &'static str,
    key: &'static str,
    on: &'static str,
}

const fn hanging(table: &'static str, key: &'static str, on: &'static str) -> Hanging {
    Hanging { table, key, on }
}

const RUN: Hanging = hanging("run", "id", "id");
const FILE: Hanging = hanging("file", "id", "id");
const KEY: Hanging = hanging("idempotency_key", "user_id, operation, key", "subject_id");

/// What hangs on a run.
const ON_RUNS: &[Hanging] = &[
    hanging("run_event", "run_id, sequence", "run_id"),
    hanging("run_turn", "run_id, turn", "run_id"),
    hanging("run_model", "run_id, model", "run_id"),
    hanging("run_input", "run_id, position", "run_id"),
    hanging("artifact", "id", "run_id"),
    KEY,
];

/// What hangs on a file.
const ON_FILES: &[Hanging] = &[KEY];

/// What hangs on a project once its runs and files are gone, in the order in which it can go.
const ON_PROJECTS: &[Hanging] = &[
    hanging("file_version", "version_id", "project_id"),
    hanging("session", "id", "project_id"),
    hanging("project_label", "project_id, label", "project_id"),
    KEY,
];

/// What goes only with the project's own row: it tells watchers, in all processes, that the project is deleted.
const LAST: Hanging = hanging("activity", "tx, id", "project_id");

/// Runs or files whose rows are looked for at once.
const AT_ONCE: i64 = 50;

/// A project that is being deleted.
#[derive(Clone, Copy, Debug, PartialEq, sqlx::FromRow)]
pub struct Deleting {
    /// Which.
    pub id: ProjectId,
    /// Since when.
    pub deleting_at: DateTime<Utc>,
}

impl Deleting {
    /// None of them: a place before all.
    pub const BEFORE_ALL: Self = Self { id: ProjectId(Uuid::nil()), deleting_at: DateTime::UNIX_EPOCH };
}

/// Projects that are being deleted, at most so many, in the order of their deletion, those that come after `after`.
pub async fn due(conn: &mut Conn, _: &Sweep, after: Deleting, most: i64) -> Result<Vec<Deleting>> {
    Ok(sql!(conn, c => sqlx::query_as(
        "select id, deleting_at from project where deleting_at is not null and (deleting_at, id) > ($1, $2)
         order by deleting_at, id limit $3")
        .bind(after.deleting_at).bind(after.id).bind(most).fetch_all(c).await)?)
}

/// Deletes rows of a project that is being deleted, at most so many; answers with how many. None means that only the last are
/// left.
pub async fn rows(tx: &mut Tx, _: &Sweep, project: ProjectId, most: i64) -> Result<i64> {
    if !hold(tx, project).await? {
        return Ok(0);
    }
    let mut left = most;
    while left > 0 {
        let runs = newest_runs(tx, project, left.min(AT_ONCE)).await?;
        let files = if runs.is_empty() { some_files(tx, project, left.min(AT_ONCE)).await? } else { Vec::new() };
        let (kinds, on, own) = match (&runs[..], &files[..]) {
            ([], []) => (ON_PROJECTS, &[project.0][..], None),
            ([], files) => (ON_FILES, files, Some(&FILE)),
            (runs, _) => (ON_RUNS, runs, Some(&RUN)),
        };
        for rows in kinds {
            left -= delete(tx, rows, on, left).await?;
            if left == 0 {
                return Ok(most);
            }
        }
        let Some(own) = own else { break };
        left -= delete(tx, own, on, left).await?;
    }
    Ok(most - left)
}

/// Deletes the last rows, at most so many; the project's own is the very last. Says whether that is gone.
pub async fn last_rows(tx: &mut Tx, _: &Sweep, project: ProjectId, most: i64) -> Result<bool> {
    if hold(tx, project).await? {
        if delete(tx, &LAST, &[project.0], most).await? == most {
            return Ok(false);
        }
        sql!(tx, c => sqlx::query("delete from project where id = $1").bind(project).execute(c).await.map(|_| ()))?;
    }
    Ok(true)
}

/// Holds the project's row until the unit ends, so that two who sweep it do so one after the other; says whether it is there.
async fn hold(tx: &mut Tx, project: ProjectId) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update project set last_run_number = last_run_number where id = $1 and deleting_at is not null")
        .bind(project).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// The newest first: a run that repeats another one goes before that.
async fn newest_runs(tx: &mut Tx, project: ProjectId, most: i64) -> Result<Vec<Uuid>> {
    Ok(sql!(tx, c => sqlx::query_scalar("select id from run where project_id = $1 order by number desc limit $2")
        .bind(project).bind(most).fetch_all(c).await)?)
}

async fn some_files(tx: &mut Tx, project: ProjectId, most: i64) -> Result<Vec<Uuid>> {
    Ok(sql!(tx, c => sqlx::query_scalar("select id from file where project_id = $1 limit $2")
        .bind(project).bind(most).fetch_all(c).await)?)
}

/// Deletes at most so many rows that hang on these; answers with how many.
async fn delete(tx: &mut Tx, rows: &Hanging, on: &[Uuid], most: i64) -> Result<i64> {
    let Hanging { table, key, on: column } = rows;
    let gone = sql!(tx, c => {
        let mut query = QueryBuilder::new("");
        query.push(format_args!("delete from {table} where ({key}) in (select {key} from {table} where "));
        push_in(&mut query, column, on.iter().copied());
        query.push(" limit ").push_bind(most).push(")");
        query.build().execute(c).await.map(|done| done.rows_affected())
    })?;
    Ok(i64::try_from(gone).unwrap_or(most))
}
