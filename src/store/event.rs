//! The event table: the only truth about a timeline.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, QueryBuilder};

use super::{
    Conn, Tx, lease,
    list::push_in,
    project::stands,
    sql,
    turn::{self, Turn},
};
use crate::{
    error::{Error, Result},
    model::{
        event::{Event, EventBody, RunEventType},
        id::RunId,
        page::{Page, PageRequest, Take},
        run::TokenUsage,
        scope::{RunLease, Viewer},
    },
};

/// What a lease's holder adds to its run, all of it or nothing.
#[derive(Clone, Debug)]
pub struct Append {
    /// The lease, which is the fence.
    pub lease: RunLease,
    /// The sequence after which it is to come, if the holder says so: nothing is written when the run's last is another.
    pub after: Option<i64>,
    /// When.
    pub at: DateTime<Utc>,
    /// What the timeline tells.
    pub bodies: Vec<EventBody>,
    /// What another worker needs to go on from here.
    pub turn: Option<Turn>,
}

impl Append {
    /// How many events.
    pub(super) fn count(&self) -> Result<i64> {
        i64::try_from(self.bodies.len()).map_err(Error::internal)
    }

    /// What models consumed: their names, and the tokens. The totals of a run are the sums of what its timeline tells.
    pub(super) fn usage(&self) -> impl Iterator<Item = (&str, &TokenUsage)> {
        self.bodies.iter().filter_map(|body| match body {
            EventBody::UsageRecorded(body) => Some((body.model.as_str(), &body.usage)),
            _ => None,
        })
    }
}

/// Appends; answers with the last sequence, or with `None` if the lease is lost or the append comes after another sequence than
/// it says, and then nothing was written.
pub async fn append(tx: &mut Tx, append: &Append) -> Result<Option<i64>> {
    let Append { lease, after, at, bodies, turn } = append;
    let count = append.count()?;
    let Some(last) = lease::advance(tx, lease, *after, count).await? else { return Ok(None) };
    insert(tx, lease.run_id(), last - count + 1, *at, bodies).await?;
    if let Some(turn) = turn {
        turn::insert(tx, lease, turn).await?;
    }
    for (model, usage) in append.usage() {
        lease::add_usage(tx, lease, model, usage).await?;
    }
    Ok(Some(last))
}

/// Rows of one insert. A few fixed sizes keep the statement cache warm.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// Keeps events of a run, numbered from `first`.
pub async fn insert(tx: &mut Tx, run: RunId, first: i64, at: DateTime<Utc>, bodies: &[EventBody]) -> Result<()> {
    let mut rest = bodies;
    let mut sequence = first;
    while !rest.is_empty() {
        let size = SIZES.into_iter().find(|size| *size <= rest.len()).unwrap_or(1);
        let (rows, later) = rest.split_at(size);
        let statement = AssertSqlSafe(insert_statement(size));
        let encoded = rows.iter().map(EventBody::encode).collect::<Result<Vec<_>>>()?;
        sql!(tx, c => {
            let mut query = sqlx::query(statement);
            for (body, encoded) in rows.iter().zip(encoded) {
                query = query.bind(run).bind(sequence).bind(at.timestamp_micros()).bind(body.kind().name()).bind(encoded);
                sequence += 1;
            }
            query.execute(c).await.map(|_| ())
        })?;
        rest = later;
    }
    Ok(())
}

fn insert_statement(rows: usize) -> String {
    let mut statement = String::from("insert into run_event (run_id, sequence, at, kind, body) values ");
    for row in 0..rows {
        let first = row * 5 + 1;
        let comma = if row == 0 { "" } else { ", " };
        let _ =
            write!(statement, "{comma}(${}, ${}, ${}, ${}, ${})", first, first + 1, first + 2, first + 3, first + 4);
    }
    statement
}

#[derive(sqlx::FromRow)]
struct Row {
    run_id: RunId,
    sequence: i64,
    at: i64,
    kind: String,
    body: String,
}

impl TryFrom<Row> for Event {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            run_id: row.run_id,
            sequence: row.sequence.unsigned_abs().into(),
            at: DateTime::from_timestamp_micros(row.at)
                .ok_or_else(|| Error::internal("an event's time is out of range"))?,
            body: EventBody::decode(&row.kind, &row.body)?,
            size: row.body.len(),
        })
    }
}

/// A page of a run's events. `types` hides the others, but never the event that ends the run.
pub async fn page(
    conn: &mut Conn,
    viewer: &Viewer,
    run: RunId,
    types: Option<&[RunEventType]>,
    request: &PageRequest<i64>,
) -> Result<Page<Event>> {
    let rows: Vec<Row> = sql!(conn, c => {
        let mut query = QueryBuilder::new("select run_id, sequence, at, kind, body from run_event where run_id = ");
        query.push_bind(run).push(" and exists (select 1 from run where id = ").push_bind(run);
        query.push(" and user_id = ").push_bind(viewer.user_id()).push(concat!(" and ", stands!("project_id"), ")"));
        if let Some(types) = types {
            query.push(" and ");
            push_in(&mut query, "kind", shown(types));
        }
        if let Some(after) = request.after {
            query.push(" and sequence > ").push_bind(after);
        }
        if let Some(before) = request.before {
            query.push(" and sequence < ").push_bind(before);
        }
        query.push(" order by sequence ").push(if request.take == Take::First { "asc" } else { "desc" });
        query.push(" limit ").push_bind(request.size + 1);
        query.build_query_as().fetch_all(c).await
    })?;
    let page = request.page(rows);
    Ok(Page {
        items: page.items.into_iter().map(Event::try_from).collect::<Result<_>>()?,
        has_next_page: page.has_next_page,
        has_previous_page: page.has_previous_page,
    })
}

/// How much is read at once: so many rows, and no further than the row at which the bodies reach so many characters.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Rows at the most.
    pub rows: usize,
    /// Characters of JSON; the first row is read however large it is.
    pub bytes: usize,
}

/// The events after a sequence, oldest first, as many as the span allows.
pub async fn after(conn: &mut Conn, viewer: &Viewer, run: RunId, after: i64, span: Span) -> Result<Vec<Event>> {
    let rows = i64::try_from(span.rows).map_err(Error::internal)?;
    let bytes = i64::try_from(span.bytes).map_err(Error::internal)?;
    let rows: Vec<Row> = sql!(conn, c => sqlx::query_as(concat!(
        "select run_id, sequence, at, kind, body from (
            select run_id, sequence, at, kind, body, length(body) as size, sum(length(body)) over (order by sequence) as total
            from (
                select run_id, sequence, at, kind, body from run_event
                where run_id = $1 and sequence > $2 and exists (
                    select 1 from run where id = $1 and user_id = $3 and ", stands!("project_id"), ")
                order by sequence limit $4
            ) as next
        ) as measured
        where total - size < $5 order by sequence"))
        .bind(run).bind(after).bind(viewer.user_id()).bind(rows).bind(bytes).fetch_all(c).await)?;
    rows.into_iter().map(Event::try_from).collect()
}

/// How many events a run has of these types.
pub async fn count(conn: &mut Conn, viewer: &Viewer, run: RunId, types: Option<&[RunEventType]>) -> Result<u64> {
    let count: i64 = sql!(conn, c => {
        let mut query = QueryBuilder::new("select count(*) from run_event where run_id = ");
        query.push_bind(run).push(" and exists (select 1 from run where id = ").push_bind(run);
        query.push(" and user_id = ").push_bind(viewer.user_id()).push(concat!(" and ", stands!("project_id"), ")"));
        if let Some(types) = types {
            query.push(" and ");
            push_in(&mut query, "kind", shown(types));
        }
        query.build_query_scalar().fetch_one(c).await
    })?;
    Ok(count.unsigned_abs())
}

/// The names of the kinds to show.
fn shown(types: &[RunEventType]) -> impl Iterator<Item = &'static str> {
    RunEventType::ALL.iter().filter(|kind| kind.is_terminal() || types.contains(kind)).map(|kind| kind.name())
}
