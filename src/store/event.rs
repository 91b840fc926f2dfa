//! The event table: the only truth about a timeline.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;

use super::{
    Conn, Tx,
    chain::{self, Entry, Linked},
    lease,
    list::push_in,
    project::stands,
    run, sql,
    turn::{self, Turn},
};
use crate::{
    error::{Error, Result},
    model::{
        chain::Chain,
        event::{Event, EventBody, RunEventType},
        id::RunId,
        page::{Page, PageRequest, Take},
        run::{Run, TokenUsage},
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
    /// What models consumed: their names, and the tokens. The totals of a run are the sums of what its timeline tells.
    pub(super) fn usage(&self) -> impl Iterator<Item = (&str, &TokenUsage)> {
        self.bodies.iter().filter_map(|body| match body {
            EventBody::UsageRecorded(body) => Some((body.model.as_str(), &body.usage)),
            _ => None,
        })
    }
}

/// Keeps a new run with its first event.
pub async fn open(tx: &mut Tx, run: &Run, first: EventBody) -> Result<()> {
    let entries = chain::prepare(&[first])?;
    let mut opened = Chain::start(run.id, 1);
    let hashes = chain::link(&mut opened, run.created_at, &entries);
    run::insert_at(tx, run, &opened).await?;
    let linked = Linked { run: run.id, first: 1, at: run.created_at, entries: &entries, hashes: &hashes };
    chain::insert(tx, &linked).await
}

/// Appends; answers with the last sequence, or with `None` if the lease is lost or the append comes after another sequence than
/// it says, and then nothing was written.
pub async fn append(tx: &mut Tx, append: &Append) -> Result<Option<i64>> {
    write(tx, append, &chain::prepare(&append.bodies)?).await
}

/// An append whose events are encoded and salted: by its caller, not while a transaction is open.
pub(super) struct Prepared {
    pub(super) append: Append,
    pub(super) entries: Vec<Entry>,
}

impl Prepared {
    pub(super) fn new(append: Append) -> Result<Self> {
        Ok(Self { entries: chain::prepare(&append.bodies)?, append })
    }

    /// The run that it is of.
    pub(super) fn run(&self) -> RunId {
        self.append.lease.run_id()
    }

    /// How much it adds to a transaction.
    pub(super) fn bytes(&self) -> usize {
        let turn = self.append.turn.as_ref().map_or(0, |turn| turn.record.len());
        self.entries.iter().map(|entry| entry.body.len()).sum::<usize>() + turn
    }
}

/// Appends what has been prepared.
pub(super) async fn write(tx: &mut Tx, append: &Append, entries: &[Entry]) -> Result<Option<i64>> {
    let Append { lease, after, at, turn, .. } = append;
    let Some(last) = lease::advance(tx, lease, *after, *at, entries).await? else { return Ok(None) };
    if let Some(turn) = turn {
        turn::insert(tx, lease, turn).await?;
    }
    for (model, usage) in append.usage() {
        lease::add_usage(tx, lease, model, usage).await?;
    }
    Ok(Some(last))
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

impl Span {
    /// The bounds, as [`spanned!`] binds them.
    pub(super) fn bounds(self) -> Result<(i64, i64)> {
        Ok((i64::try_from(self.rows).map_err(Error::internal)?, i64::try_from(self.bytes).map_err(Error::internal)?))
    }
}

/// A select of the first events that pass a condition, within the bounds of a [`Span`], which are `$4` and `$5`.
macro_rules! spanned {
    ($columns:literal, $condition:expr) => {
        concat!(
            "select ",
            $columns,
            " from (
                select ",
            $columns,
            ", length(body) as size, sum(length(body)) over (order by sequence) as total
                from (select ",
            $columns,
            " from run_event where ",
            $condition,
            " order by sequence limit $4) as next
            ) as measured
            where total - size < $5 order by sequence"
        )
    };
}
pub(super) use spanned;

/// The events after a sequence, oldest first, as many as the span allows.
pub async fn after(conn: &mut Conn, viewer: &Viewer, run: RunId, after: i64, span: Span) -> Result<Vec<Event>> {
    let (rows, bytes) = span.bounds()?;
    let rows: Vec<Row> = sql!(conn, c => sqlx::query_as(spanned!("run_id, sequence, at, kind, body", concat!(
            "run_id = $1 and sequence > $2 and exists (select 1 from run where id = $1 and user_id = $3 and ",
            stands!("project_id"), ")")))
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
