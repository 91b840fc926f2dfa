//! History: what runs are found by, and what those that have ended add up to.
//!
//! There are no counters. A sum reads one narrow row for each run that passes the filter, and so is right for every filter,
//! time zone and group; 200,000 rows take a fraction of a second. The durations of a group come as one text, and the ranks
//! among them are found here: exact, and both engines answer alike.

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::QueryBuilder;

use super::{Conn, Tx, dialect::END_OF_9999, list::OWNERS, project::stands, sql};
use crate::{
    clock,
    error::Result,
    model::{
        history::{Audit, Day, DurationStats, Past},
        id::{ProjectId, RunId},
        scope::Viewer,
        text,
        uint53::UInt53,
    },
};

/// Runs from before there was a record that are recorded in one unit.
const BATCH: i64 = 200;

/// Keeps the text that a run is found by.
pub(super) async fn make_findable(tx: &mut Tx, run: RunId, prompt: &str, answer: Option<&str>) -> Result<()> {
    let mut key = text::fold(prompt);
    if let Some(answer) = answer {
        key.push('\n');
        key.push_str(&text::fold(answer));
    }
    sql!(tx, c => sqlx::query(
        "insert into run_search (run_id, search_key) values ($1, $2)
        on conflict (run_id) do update set search_key = excluded.search_key")
        .bind(run).bind(key).execute(c).await.map(|_| ()))?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Facts {
    prompt: String,
    answer: Option<String>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

/// Writes down what a run is found by and, if it has ended, what is counted and summed of it.
pub(super) async fn record(tx: &mut Tx, run: RunId) -> Result<()> {
    let facts: Option<Facts> = sql!(tx, c => sqlx::query_as(
        "select prompt, answer, started_at, completed_at from run where id = $1").bind(run).fetch_optional(c).await)?;
    let Some(Facts { prompt, answer, started_at, completed_at }) = facts else { return Ok(()) };
    make_findable(tx, run, &prompt, answer.as_deref()).await?;
    let Some(end) = completed_at else { return Ok(()) };
    let duration = started_at.map(|start| UInt53::from(clock::millis_between(start, end)));
    sql!(tx, c => sqlx::query(
        "insert into ended_run (id, project_id, user_id, created_at, status, agent, model, rerun_of, duration_ms,
        input_tokens, output_tokens, artifact_count)
        select id, project_id, user_id, created_at, status, agent, model, rerun_of, cast($2 as bigint), input_tokens,
        output_tokens, (select count(*) from artifact where run_id = run.id) from run where id = $1
        on conflict do nothing")
        .bind(run).bind(duration).execute(c).await.map(|_| ()))?;
    Ok(())
}

/// Records some of the runs from before there was a record; says whether there may be more.
pub(super) async fn catch_up(tx: &mut Tx) -> Result<bool> {
    let runs: Vec<RunId> = sql!(tx, c => sqlx::query_scalar("select id from unrecorded_run order by id limit $1")
        .bind(BATCH).fetch_all(c).await)?;
    for run in &runs {
        record(tx, *run).await?;
        sql!(tx, c => sqlx::query("delete from unrecorded_run where id = $1").bind(*run).execute(c).await.map(|_| ()))?;
    }
    Ok(!runs.is_empty())
}

/// The time as columns hold it: in microseconds, and of a year that sorts as text.
pub(super) fn bounded(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6).clamp(DateTime::UNIX_EPOCH, END_OF_9999)
}

/// No text that is kept holds a NUL, and each engine stumbles at one in its own way.
pub(super) fn is_sayable(text: Option<&String>) -> bool {
    text.is_none_or(|text| !text.contains('\0'))
}

/// Adds the conditions of a filter, for `run` and for `ended_run`, by the name of `listed`. A macro because the builder's type
/// is each engine's own.
macro_rules! push_conditions {
    ($query:ident, $filter:expr) => {
        if let Some(status) = &$filter.status {
            $query.push(" and ");
            $crate::store::list::push_in(&mut $query, "status", $crate::store::list::each_once(status));
        }
        if let Some(from) = $filter.created_from {
            $query.push(" and created_at >= ").push_bind($crate::store::history::bounded(from));
        }
        if let Some(before) = $filter.created_before {
            $query.push(" and created_at < ").push_bind($crate::store::history::bounded(before));
        }
        if let Some(original) = $filter.rerun_of {
            $query.push(" and rerun_of = ").push_bind(original);
        }
        let texts = [&$filter.model, &$filter.agent, &$filter.text];
        if texts.into_iter().all(|text| $crate::store::history::is_sayable(text.as_ref())) {
            if let Some(model) = &$filter.model {
                $query.push(" and model = ").push_bind(model.clone());
            }
            if let Some(agent) = &$filter.agent {
                $query.push(" and agent = ").push_bind(agent.clone());
            }
            if let Some(text) = $filter.text.as_ref().filter(|text| !text.is_empty()) {
                $query.push(" and exists (select 1 from run_search where run_id = listed.id and search_key like ");
                $query.push_bind($crate::model::text::like_pattern(text)).push(" escape '\\')");
            }
        } else {
            $query.push(" and false");
        }
    };
}
pub(super) use push_conditions;

/// Adds the conditions of whose ended runs, in which project, and which.
macro_rules! push_past {
    ($query:ident, $viewer:ident, $past:ident) => {
        $query.push("user_id = ").push_bind($viewer.user_id());
        if let Some(project) = $past.project_id {
            $query.push(concat!(" and ", stands!("project_id"), " and project_id = ")).push_bind(project);
        } else {
            $query.push(" and project_id in (select id from project where deleting_at is null and user_id = ");
            $query.push_bind($viewer.user_id()).push(")");
        }
        push_conditions!($query, $past.filter);
    };
}

/// The sums of a group.
macro_rules! sums {
    () => {
        "count(listed.id) as run_count, count(case status when 'COMPLETED' then 1 end) as completed, \
        count(case status when 'FAILED' then 1 end) as failed, \
        count(case status when 'CANCELLED' then 1 end) as cancelled, \
        cast(coalesce(sum(input_tokens), 0) as bigint) as input_tokens, \
        cast(coalesce(sum(output_tokens), 0) as bigint) as output_tokens, \
        cast(coalesce(sum(artifact_count), 0) as bigint) as artifact_count, \
        string_agg(cast(duration_ms as text), ' ') as durations"
    };
}

#[derive(sqlx::FromRow)]
struct Sums {
    run_count: UInt53,
    completed: UInt53,
    failed: UInt53,
    cancelled: UInt53,
    input_tokens: UInt53,
    output_tokens: UInt53,
    artifact_count: UInt53,
    durations: Option<String>,
}

impl From<Sums> for Audit {
    fn from(sums: Sums) -> Self {
        let durations = sums.durations.unwrap_or_default();
        Self {
            run_count: sums.run_count,
            completed: sums.completed,
            failed: sums.failed,
            cancelled: sums.cancelled,
            input_tokens: sums.input_tokens,
            output_tokens: sums.output_tokens,
            artifact_count: sums.artifact_count,
            duration: DurationStats::of(durations.split(' ').filter_map(|duration| duration.parse().ok()).collect()),
        }
    }
}

#[derive(sqlx::FromRow)]
struct Group<K> {
    key: K,
    #[sqlx(flatten)]
    sums: Sums,
}

impl<K> Group<K> {
    fn pair(self) -> (K, Audit) {
        (self.key, self.sums.into())
    }
}

/// What the ended runs add up to.
pub async fn audit(conn: &mut Conn, viewer: &Viewer, past: &Past) -> Result<Audit> {
    let sums: Sums = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", sums!(), " from ended_run as listed where "));
        push_past!(query, viewer, past);
        query.build_query_as().fetch_one(c).await
    })?;
    Ok(sums.into())
}

/// What ended runs have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Common {
    /// The model that the agent was given.
    Model,
    /// How they ended.
    Status,
}

/// What the ended runs add up to, for each model or status that there is, in the order of their names.
pub async fn audit_by(conn: &mut Conn, viewer: &Viewer, past: &Past, common: Common) -> Result<Vec<(String, Audit)>> {
    let column = match common {
        Common::Model => "model",
        Common::Status => "status",
    };
    let groups: Vec<Group<String>> = sql!(conn, c => {
        let mut query = QueryBuilder::new("select ");
        query.push(column).push(concat!(" as key, ", sums!(), " from ended_run as listed where "));
        push_past!(query, viewer, past);
        query.push(" group by ").push(column).push(" order by ").push(column);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(groups.into_iter().map(Group::pair).collect())
}

/// What the ended runs add up to, for each of the days, whether there are any or not. A day is read through the index from
/// its first moment to its last; a join with the days would leave that to the planner's guess.
pub async fn audit_by_day(conn: &mut Conn, viewer: &Viewer, past: &Past, days: &[Day]) -> Result<Vec<Audit>> {
    let mut audits = Vec::with_capacity(days.len());
    for days in days.chunks(OWNERS) {
        let groups: Vec<Group<i32>> = sql!(conn, c => {
            let mut query = QueryBuilder::new("select * from (");
            for (place, day) in days.iter().enumerate() {
                query.push(if place == 0 { "select " } else { " union all select " }).push(place);
                query.push(concat!(" as key, ", sums!(), " from ended_run as listed where "));
                push_past!(query, viewer, past);
                query.push(" and created_at >= ").push_bind(bounded(day.since));
                query.push(" and created_at < ").push_bind(bounded(day.until));
            }
            query.push(") as groups order by key");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        audits.extend(groups.into_iter().map(|group| Audit::from(group.sums)));
    }
    Ok(audits)
}

/// When the first and the last of the ended runs were asked for.
pub async fn span(conn: &mut Conn, viewer: &Viewer, past: &Past) -> Result<Option<(DateTime<Utc>, DateTime<Utc>)>> {
    let mut ends = [None; 2];
    for (end, direction) in ends.iter_mut().zip(["asc", "desc"]) {
        *end = sql!(conn, c => {
            let mut query = QueryBuilder::new("select created_at from ended_run as listed where ");
            push_past!(query, viewer, past);
            query.push(" order by created_at ").push(direction).push(" limit 1");
            query.build_query_scalar::<DateTime<Utc>>().fetch_optional(c).await
        })?;
    }
    let [first, last] = ends;
    Ok(first.zip(last))
}

/// What the ended runs add up to in each project, for those projects that consumed the most tokens.
pub async fn audit_by_project(
    conn: &mut Conn,
    viewer: &Viewer,
    past: &Past,
    most: i64,
) -> Result<Vec<(ProjectId, Audit)>> {
    let groups: Vec<Group<ProjectId>> = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select project_id as key, ", sums!(), " from ended_run as listed where "));
        push_past!(query, viewer, past);
        query.push(" group by project_id order by sum(input_tokens + output_tokens) desc, project_id limit ");
        query.push_bind(most);
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(groups.into_iter().map(Group::pair).collect())
}

/// The bytes of all contents that are kept for the viewer's projects.
pub async fn stored_bytes(conn: &mut Conn, viewer: &Viewer) -> Result<u64> {
    let bytes: i64 = sql!(conn, c => sqlx::query_scalar(
        "select cast(coalesce(sum(size), 0) as bigint) from file_version
        where project_id in (select id from project where user_id = $1 and deleting_at is null)")
        .bind(viewer.user_id()).fetch_one(c).await)?;
    Ok(bytes.unsigned_abs())
}
