//! Keyset paging, once for every list.

use sqlx::{Database, Encode, QueryBuilder, Type};
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

/// Sorts the rows of many owners' pages, read in one union, into a page for each owner. A union promises no order, so they
/// are sorted by id first, in the order in which they were to be read.
pub(super) fn split<K, T, Id: Ord>(
    request: &PageRequest<K>,
    direction: OrderDirection,
    mut rows: Vec<T>,
    id: impl Fn(&T) -> Id,
    owners: &[impl Fn(&T) -> bool],
) -> Vec<Page<T>> {
    rows.sort_unstable_by_key(id);
    if (request.take == Take::First) != (direction == OrderDirection::Asc) {
        rows.reverse();
    }
    let mut pages: Vec<Vec<T>> = owners.iter().map(|_| Vec::new()).collect();
    for row in rows {
        if let Some(index) = owners.iter().position(|owns| owns(&row)) {
            pages[index].push(row);
        }
    }
    pages.into_iter().map(|rows| request.page(rows)).collect()
}

/// Adds `in ($1, $2, …)`. An empty list is `in (null)`, which nothing is.
pub(super) fn push_in<DB, T>(query: &mut QueryBuilder<DB>, column: &str, values: impl IntoIterator<Item = T>)
where
    DB: Database,
    T: for<'q> Encode<'q, DB> + Type<DB> + 'static,
{
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
