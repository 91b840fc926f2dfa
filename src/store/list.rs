//! Keyset paging, once for every list.

use sqlx::{Database, Encode, FromRow, QueryBuilder, Type};
use uuid::Uuid;

use crate::model::{
    page::{Page, PageRequest, Take},
    project::OrderDirection,
};

/// A sorted list as SQL sees it: by one column and then by id, or by id alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sorting {
    /// The column, when it is not the id.
    pub(super) column: Option<&'static str>,
    /// Which way.
    pub(super) direction: OrderDirection,
}

impl Sorting {
    pub(super) fn by_id(direction: OrderDirection) -> Self {
        Self { column: None, direction }
    }
}

/// Adds the conditions of a page's cursors, its order and its limit (one more than asked for, which tells whether there is
/// more). `key` turns a cursor's key into what the columns hold.
pub(super) fn push_page<DB, K, V>(
    query: &mut QueryBuilder<DB>,
    sorting: Sorting,
    request: &PageRequest<K>,
    key: impl Fn(&K) -> (V, Uuid),
) where
    DB: Database,
    V: for<'q> Encode<'q, DB> + Type<DB> + 'static,
    Uuid: for<'q> Encode<'q, DB> + Type<DB>,
    i64: for<'q> Encode<'q, DB> + Type<DB>,
{
    let ascending = sorting.direction == OrderDirection::Asc;
    let bounds = [(&request.after, ascending), (&request.before, !ascending)];
    for (cursor, beyond) in bounds.into_iter().filter_map(|(cursor, beyond)| cursor.as_ref().map(|key| (key, beyond))) {
        let (value, id) = key(cursor);
        let comparison = if beyond { " > " } else { " < " };
        if let Some(column) = sorting.column {
            query.push(" and (").push(column).push(", id)").push(comparison).push("(").push_bind(value);
            query.push(", ").push_bind(id).push(")");
        } else {
            query.push(" and id").push(comparison).push_bind(id);
        }
    }
    let forward = (request.take == Take::First) == ascending;
    let direction = if forward { " asc" } else { " desc" };
    query.push(" order by ");
    if let Some(column) = sorting.column {
        query.push(column).push(direction).push(", ");
    }
    query.push("id").push(direction).push(" limit ").push_bind(request.size + 1);
}

/// The most owners whose pages are read in one union. SQLite refuses a union of more than 500 selects.
pub(super) const OWNERS: usize = 100;

/// A page of the same list for each of several owners, by id, a hundred of them in one statement. Each page is read through an
/// index from its own place, so the cost is that of the rows shown.
///
/// The block adds ` from … where …` of one owner, where the row's id is `id`: which rows, through an index. Then `$shown`,
/// which ends in front of ` in`, says what is read of them. A macro because each engine has a builder of its own.
macro_rules! pages {
    ($row:ty, $conn:ident, $owners:ident, $shown:expr, $request:expr, $direction:expr, |$query:ident, $owner:ident| $rows:block) => {{
        use $crate::store::list::{OWNERS, Placed, Sorting, push_page, split};
        let mut pages = Vec::with_capacity($owners.len());
        for owners in $owners.chunks(OWNERS) {
            let rows: Vec<Placed<$row>> = $crate::store::sql!($conn, c => {
                let mut $query = sqlx::QueryBuilder::new("");
                for (place, $owner) in owners.iter().enumerate() {
                    $query.push(if place == 0 { "select * from (select " } else { " union all select * from (select " });
                    $query.push(place).push(" as place, ").push($shown).push(" in (select id");
                    $rows
                    push_page(&mut $query, Sorting::by_id($direction), $request, |key| (String::new(), key.id));
                    $query.push(")) as page");
                }
                $query.build_query_as().fetch_all(c).await
            })?;
            pages.extend(split($request, $direction, rows, |row: &$row| row.id, owners.len()));
        }
        pages
    }};
}
pub(super) use pages;

/// How many rows the list of each owner has. The block is that of [`pages!`].
macro_rules! counts {
    ($conn:ident, $owners:ident, |$query:ident, $owner:ident| $rows:block) => {{
        let mut counts: Vec<i64> = Vec::with_capacity($owners.len());
        for owners in $owners.chunks($crate::store::list::OWNERS) {
            counts.extend($crate::store::sql!($conn, c => {
                let mut $query = sqlx::QueryBuilder::new("select count from (");
                for (place, $owner) in owners.iter().enumerate() {
                    $query.push(if place == 0 { "select " } else { " union all select " });
                    $query.push(place).push(" as place, count(*) as count");
                    $rows
                }
                $query.push(") as counts order by place");
                $query.build_query_scalar::<i64>().fetch_all(c).await
            })?);
        }
        counts.into_iter().map(i64::unsigned_abs).collect()
    }};
}
pub(super) use counts;

/// A row of a union of many owners' pages, with the owner's place among them. The place is in the row because two owners
/// may be of different kinds and have the same row on both their pages.
#[derive(FromRow)]
pub(super) struct Placed<T> {
    place: i32,
    #[sqlx(flatten)]
    row: T,
}

/// Sorts the rows of a union into a page for each of its `owners`. A union promises no order, so each page is sorted by id
/// again, in the order in which it was to be read.
pub(super) fn split<K, T, Id: Ord>(
    request: &PageRequest<K>,
    direction: OrderDirection,
    rows: Vec<Placed<T>>,
    id: impl Fn(&T) -> Id,
    owners: usize,
) -> Vec<Page<T>> {
    let mut pages: Vec<Vec<T>> = (0..owners).map(|_| Vec::new()).collect();
    for Placed { place, row } in rows {
        if let Some(page) = usize::try_from(place).ok().and_then(|place| pages.get_mut(place)) {
            page.push(row);
        }
    }
    let descending = (request.take == Take::First) != (direction == OrderDirection::Asc);
    let sorted = |mut rows: Vec<T>| {
        rows.sort_unstable_by_key(&id);
        if descending {
            rows.reverse();
        }
        request.page(rows)
    };
    pages.into_iter().map(sorted).collect()
}

/// The most values up to which a list is filled up.
const FILLED: usize = 128;

/// The values, each once.
pub(super) fn each_once<T: Copy + PartialEq>(values: &[T]) -> Vec<T> {
    let mut once = Vec::new();
    for value in values {
        if !once.contains(value) {
            once.push(*value);
        }
    }
    once
}

/// Adds `in ($1, $2, …)`. An empty list is `in (null)`, which nothing is.
///
/// Short lists are filled up to a power of two with their last value, so that a few statements serve lists of all lengths
/// and the connection's cache keeps them. An engine takes no more than 32,766 (SQLite) or 65,535 values in a statement.
pub(super) fn push_in<DB, T>(query: &mut QueryBuilder<DB>, column: &str, values: impl IntoIterator<Item = T>)
where
    DB: Database,
    T: for<'q> Encode<'q, DB> + Type<DB> + Clone + 'static,
{
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned().filter(|_| values.len() <= FILLED) {
        values.resize(values.len().next_power_of_two(), last);
    }
    query.push(column).push(" in (");
    let mut list = query.separated(", ");
    let mut some = false;
    for value in values {
        list.push_bind(value);
        some = true;
    }
    if !some {
        list.push("null");
    }
    query.push(")");
}
