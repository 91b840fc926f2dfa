//! From a page that was read to a connection, and what a connection costs.

use async_graphql::{Context, Result};
use futures_util::future::BoxFuture;

use super::connection::{Connection, PageInfo};
use crate::model::page::{DEFAULT_SIZE, Page};

/// A connection of a page; `cursor` names each item's place, `total` counts the whole list when that is asked for.
pub(super) fn connection<T, N: From<T>>(
    page: Page<T>,
    cursor: impl Fn(&T) -> String,
    total: impl for<'a> Fn(&'a Context<'_>) -> BoxFuture<'a, Result<u64>> + Send + Sync + 'static,
) -> Connection<N> {
    let edges: Vec<_> = page.items.into_iter().map(|item| (cursor(&item), N::from(item))).collect();
    let info = PageInfo::of(&edges, page.has_previous_page, page.has_next_page);
    Connection::new(edges, info, total)
}

/// What a text costs: one for each KiB, so that no answer holds much more than ten MiB of them.
pub(super) fn weight(max_bytes: i32) -> usize {
    1 + usize::try_from(max_bytes).unwrap_or_default() / 1024
}

/// What a batch of events costs, whose size nobody knows beforehand: as much as a page of a hundred.
pub(super) fn batch(child: usize) -> usize {
    cost(Some(100), None, child)
}

/// What a connection costs: its page size times what each item costs. A size outside the bounds is refused later, and counts
/// here as what it says, so that the refusal comes before any work.
pub(super) fn cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).unwrap_or(DEFAULT_SIZE).max(1);
    usize::try_from(size).unwrap_or(usize::MAX).saturating_mul(child.saturating_add(1))
}
