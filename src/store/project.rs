//! Projects.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    dialect::END_OF_9999,
    list::{Sorting, push_in, push_page},
    sql,
};
use crate::{
    error::{Error, Result},
    model::{
        id::ProjectId,
        page::{Key, ListId, Page, PageRequest},
        project::{MAX_LABELS, Project, ProjectFilter, ProjectOrder, ProjectOrderField},
        scope::{ProjectScope, Viewer},
        text,
    },
};

// `json()` is there on both engines: SQLite reads the text, PostgreSQL tells the driver that the text is JSON.
macro_rules! columns {
    () => {
        "id, user_id, name, description, json(labels) as labels, created_at, updated_at, version"
    };
}

/// The condition that a row's project is not being deleted. What belongs to one that is does not exist any more, although its
/// rows may still be there. The index behind it is nearly always empty.
macro_rules! stands {
    ($project:literal) => {
        concat!($project, " not in (select id from project where deleting_at is not null)")
    };
}
pub(super) use stands;

/// Restricts rows that are looked up by their ids to those of the user that is bound next. Not by an equation: at one, SQLite
/// reads all that is the user's in place of a handful of ids.
macro_rules! owned {
    ($user:literal) => {
        concat!("not ", $user, " <> ")
    };
}
pub(super) use owned;

/// Keeps a new project.
pub async fn insert(tx: &mut Tx, project: &Project) -> Result<()> {
    sql!(tx, c => sqlx::query(
        "insert into project (id, user_id, name, name_key, search_key, description, labels, version, last_run_number,
        created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10)")
        .bind(project.id).bind(project.user_id).bind(&project.name).bind(text::fold(&project.name))
        .bind(search_key(project)).bind(&project.description).bind(labels_json(project)?).bind(project.version)
        .bind(project.created_at).bind(project.updated_at)
        .execute(c).await.map(|_| ()))?;
    insert_labels(tx, project).await
}

/// Keeps what changed of a project, if it still stands at `expected` version; says whether it did.
pub async fn update(tx: &mut Tx, scope: &ProjectScope, project: &Project, expected: i64) -> Result<bool> {
    let done = sql!(tx, c => sqlx::query(
        "update project set name = $3, name_key = $4, search_key = $5, description = $6, labels = $7, version = $8,
        updated_at = $9 where id = $1 and user_id = $2 and version = $10 and deleting_at is null")
        .bind(scope.project_id()).bind(scope.user_id()).bind(&project.name).bind(text::fold(&project.name))
        .bind(search_key(project)).bind(&project.description).bind(labels_json(project)?).bind(project.version)
        .bind(project.updated_at).bind(expected)
        .execute(c).await.map(|done| done.rows_affected() > 0))?;
    if done {
        sql!(tx, c => sqlx::query("delete from project_label where project_id = $1")
            .bind(scope.project_id()).execute(c).await.map(|_| ()))?;
        insert_labels(tx, project).await?;
    }
    Ok(done)
}

async fn insert_labels(tx: &mut Tx, project: &Project) -> Result<()> {
    for label in &project.labels {
        sql!(tx, c => sqlx::query(
            // Two labels that differ only in case are two to the reader and one to the filter.
            "insert into project_label (project_id, user_id, label) values ($1, $2, $3) on conflict do nothing")
            .bind(project.id).bind(project.user_id).bind(text::fold(label)).execute(c).await.map(|_| ()))?;
    }
    Ok(())
}

fn search_key(project: &Project) -> String {
    text::fold(&format!("{}\n{}", project.name, project.description))
}

fn labels_json(project: &Project) -> Result<String> {
    serde_json::to_string(&project.labels).map_err(Error::internal)
}

/// A project of the viewer's.
pub async fn get(conn: &mut Conn, viewer: &Viewer, id: ProjectId) -> Result<Option<Project>> {
    Ok(sql!(conn, c => sqlx::query_as(concat!("select ", columns!(),
        " from project where id = $1 and user_id = $2 and deleting_at is null"))
        .bind(id).bind(viewer.user_id()).fetch_optional(c).await)?)
}

/// Of these projects the viewer's own.
pub async fn by_ids(conn: &mut Conn, viewer: &Viewer, ids: &[ProjectId]) -> Result<Vec<Project>> {
    Ok(sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!(), " from project where deleting_at is null and ", owned!("user_id")));
        query.push_bind(viewer.user_id()).push(" and ");
        push_in(&mut query, "id", ids.iter().copied());
        query.build_query_as().fetch_all(c).await
    })?)
}

/// The list that a page of projects is of.
pub fn list_id(viewer: &Viewer, filter: &ProjectFilter, order: ProjectOrder) -> ListId {
    ListId::new("projects", &(viewer.user_id(), filter, order))
}

/// A project's place in the sorted list.
pub fn key(project: &Project, order: ProjectOrder) -> Key {
    let sort = match order.field {
        ProjectOrderField::CreatedAt => String::new(),
        ProjectOrderField::Name => text::fold(&project.name),
        ProjectOrderField::UpdatedAt => project.updated_at.timestamp_micros().to_string(),
    };
    Key { sort, id: project.id.0 }
}

/// The longest pattern that SQLite takes, in bytes.
const LONGEST_PATTERN: usize = 50_000;

/// A filter in the form in which both engines take it.
struct Conditions {
    pattern: Option<String>,
    labels: BTreeSet<String>,
}

impl Conditions {
    /// `None` when no project can pass: the text holds a NUL, which no project's does and at which each engine stumbles in
    /// its own way, or is longer than any project's, or there are more labels than a project can have.
    fn of(filter: &ProjectFilter) -> Option<Self> {
        let text = filter.text.as_deref().filter(|text| !text.is_empty());
        let labels: BTreeSet<String> = filter.labels.iter().flatten().map(|label| text::fold(label)).collect();
        let nul = text.is_some_and(|text| text.contains('\0')) || labels.iter().any(|label| label.contains('\0'));
        let pattern = text.map(text::like_pattern);
        let overlong = pattern.as_ref().is_some_and(|pattern| pattern.len() > LONGEST_PATTERN);
        (!nul && !overlong && labels.len() <= MAX_LABELS).then_some(Self { pattern, labels })
    }
}

/// Adds the conditions of a filter. A macro because the builder's type is each engine's own.
macro_rules! push_filter {
    ($query:ident, $viewer:ident, $conditions:ident) => {
        $query.push(" from project where deleting_at is null and user_id = ").push_bind($viewer.user_id());
        if let Some(pattern) = &$conditions.pattern {
            $query.push(" and search_key like ").push_bind(pattern.clone()).push(" escape '\\'");
        }
        for label in &$conditions.labels {
            $query.push(" and id in (select project_id from project_label where user_id = ");
            $query.push_bind($viewer.user_id()).push(" and label = ").push_bind(label.clone()).push(")");
        }
    };
}

/// A page of the viewer's projects.
pub async fn page(
    conn: &mut Conn,
    viewer: &Viewer,
    filter: &ProjectFilter,
    order: ProjectOrder,
    request: &PageRequest<Key>,
) -> Result<Page<Project>> {
    let column = match order.field {
        ProjectOrderField::CreatedAt => None,
        ProjectOrderField::Name => Some("name_key"),
        ProjectOrderField::UpdatedAt => Some("updated_at"),
    };
    let sorting = Sorting { column, direction: order.direction };
    let Some(conditions) = Conditions::of(filter) else {
        return Ok(request.page(Vec::new()));
    };
    let rows = sql!(conn, c => {
        let mut query = QueryBuilder::new(concat!("select ", columns!()));
        push_filter!(query, viewer, conditions);
        if order.field == ProjectOrderField::UpdatedAt {
            push_page(&mut query, sorting, request, |key| (time(&key.sort), key.id));
        } else {
            push_page(&mut query, sorting, request, |key| (key.sort.clone(), key.id));
        }
        query.build_query_as().fetch_all(c).await
    })?;
    Ok(request.page(rows))
}

/// How many projects of the viewer's pass the filter.
pub async fn count(conn: &mut Conn, viewer: &Viewer, filter: &ProjectFilter) -> Result<u64> {
    let Some(conditions) = Conditions::of(filter) else {
        return Ok(0);
    };
    let count: i64 = sql!(conn, c => {
        let mut query = QueryBuilder::new("select count(*)");
        push_filter!(query, viewer, conditions);
        query.build_query_scalar().fetch_one(c).await
    })?;
    Ok(count.unsigned_abs())
}

/// The time in a cursor. A forged one may name a year that a database cannot hold or does not sort; it is as good as none.
fn time(micros: &str) -> DateTime<Utc> {
    let time = micros.parse().ok().and_then(DateTime::from_timestamp_micros);
    time.filter(|time| (DateTime::UNIX_EPOCH..=END_OF_9999).contains(time)).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Holds the project's row until the unit ends, so that units that start its runs come one after the other; says whether the
/// project is there.
pub async fn hold(tx: &mut Tx, scope: &ProjectScope) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update project set last_run_number = last_run_number where id = $1 and user_id = $2 and deleting_at is null")
        .bind(scope.project_id()).bind(scope.user_id()).execute(c).await.map(|done| done.rows_affected() > 0))?)
}

/// Takes the project's next run number. Whoever has called this holds the project's row until the unit ends, so that what
/// is then read of its runs and sessions stays true.
pub async fn next_run_number(tx: &mut Tx, scope: &ProjectScope) -> Result<Option<i64>> {
    Ok(sql!(tx, c => sqlx::query_scalar(
        "update project set last_run_number = last_run_number + 1
        where id = $1 and user_id = $2 and deleting_at is null returning last_run_number")
        .bind(scope.project_id()).bind(scope.user_id()).fetch_optional(c).await)?)
}

/// Marks the project as being deleted: from the commit on it does not exist for anybody. Says whether it was there.
pub async fn mark_deleting(tx: &mut Tx, scope: &ProjectScope, now: DateTime<Utc>) -> Result<bool> {
    Ok(sql!(tx, c => sqlx::query(
        "update project set deleting_at = $3 where id = $1 and user_id = $2 and deleting_at is null")
        .bind(scope.project_id()).bind(scope.user_id()).bind(now).execute(c).await.map(|done| done.rows_affected() > 0))?)
}
