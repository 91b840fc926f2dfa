//! Relay connections over our container.
//!
//! A [`Connection`] is one page of a list, already read. Its types in the schema are named after the node: `Project` gives
//! `ProjectConnection` and `ProjectEdge`. Counting the whole list costs a query of its own, so it is a closure that runs only
//! where `totalCount` is selected.

use std::borrow::Cow;

use async_graphql::{
    Context, ContextSelectionSet, Object, OutputType, Positioned, Result, ServerResult, SimpleObject, TypeName, Value,
    parser::types::Field, registry::Registry,
};
use futures_util::future::BoxFuture;

use super::{
    container::{FailedRow, ResolveObject, resolve_rows},
    object::Obj,
};
use crate::model::uint53::UInt53;

/// Where a page lies in its list.
#[derive(Clone, Debug, Default, PartialEq, Eq, SimpleObject)]
pub struct PageInfo {
    /// Whether there is more after this page.
    pub has_next_page: bool,
    /// Whether there is more before this page.
    pub has_previous_page: bool,
    /// The cursor of the first item of this page. Null when the page is empty.
    pub start_cursor: Option<String>,
    /// The cursor to go on from: that of the last item of this page. Null when the page is empty.
    pub end_cursor: Option<String>,
}

impl PageInfo {
    /// A page that begins and ends with the cursors of its own edges.
    pub fn of<N>(edges: &[(String, N)], has_previous_page: bool, has_next_page: bool) -> Self {
        Self {
            has_next_page,
            has_previous_page,
            start_cursor: edges.first().map(|(cursor, _)| cursor.clone()),
            end_cursor: edges.last().map(|(cursor, _)| cursor.clone()),
        }
    }
}

/// Counts the items of a whole list.
type Count = dyn for<'a> Fn(&'a Context<'_>) -> BoxFuture<'a, Result<u64>> + Send + Sync;

/// One page of a list of `N`, which is an object, an interface or a union. A resolver returns it as it is.
pub struct Connection<N>(Obj<Page<N>>);

/// The object behind a connection.
struct Page<N> {
    edges: Vec<Edge<N>>,
    info: PageInfo,
    total: Box<Count>,
}

/// An item of a list, with its place in it.
struct Edge<N> {
    cursor: String,
    node: Obj<N>,
}

impl<N> Connection<N> {
    /// A page of `edges`, each a cursor and its node. `total` counts the whole list under the same filter, when it is asked for.
    pub fn new(
        edges: Vec<(String, N)>,
        page_info: PageInfo,
        total: impl for<'a> Fn(&'a Context<'_>) -> BoxFuture<'a, Result<u64>> + Send + Sync + 'static,
    ) -> Self {
        let edges = edges.into_iter().map(|(cursor, node)| Edge { cursor, node: Obj(node) }).collect();
        Self(Obj(Page { edges, info: page_info, total: Box::new(total) }))
    }
}

impl<N: ResolveObject> OutputType for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        <Page<N> as TypeName>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Page<N> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        self.0.resolve(ctx, field).await
    }
}

impl<N: OutputType> TypeName for Page<N> {
    fn type_name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Connection", N::type_name()))
    }
}

impl<N: OutputType> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        Cow::Owned(format!("{}Edge", N::type_name()))
    }
}

/// One page of a list.
#[Object(name_type)]
impl<N: ResolveObject> Page<N> {
    /// The items of this page, each with its cursor.
    async fn edges(&self) -> Edges<'_, N> {
        Edges(&self.edges)
    }

    /// The items of this page.
    async fn nodes(&self) -> Nodes<'_, N> {
        Nodes(&self.edges)
    }

    /// Where this page lies in the list.
    async fn page_info(&self) -> Obj<&PageInfo> {
        Obj(&self.info)
    }

    /// How many items the whole list has under the same filter. Counted only when it is selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<UInt53> {
        (self.total)(ctx).await.map(UInt53::from)
    }
}

/// An item of a list, with its place in it.
#[Object(name_type)]
impl<N: ResolveObject> Edge<N> {
    /// The item's place: pass it as `after` or `before` to go on from here.
    async fn cursor(&self) -> &str {
        &self.cursor
    }

    /// The item.
    async fn node(&self) -> &Obj<N> {
        &self.node
    }
}

/// The edges of a connection, borrowed.
struct Edges<'c, N>(&'c [Edge<N>]);

impl<N: ResolveObject> OutputType for Edges<'_, N> {
    fn type_name() -> Cow<'static, str> {
        <Vec<Edge<N>> as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<Edge<N>> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_rows(ctx, self.0.iter().map(Some), FailedRow::FailsTheList).await
    }
}

/// The nodes of a connection, borrowed from its edges.
struct Nodes<'c, N>(&'c [Edge<N>]);

impl<N: ResolveObject> OutputType for Nodes<'_, N> {
    fn type_name() -> Cow<'static, str> {
        <Vec<N> as OutputType>::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<N> as OutputType>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_rows(ctx, self.0.iter().map(|edge| Some(&edge.node.0)), FailedRow::FailsTheList).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use async_graphql::{EmptyMutation, EmptySubscription, Schema};
    use futures_util::FutureExt as _;

    use super::*;

    #[derive(SimpleObject)]
    struct Project {
        name: String,
    }

    struct Query(Arc<AtomicU32>);

    #[Object]
    impl Query {
        async fn projects(&self) -> Connection<Project> {
            let edges = vec![("1".to_owned(), Project { name: "one".to_owned() })];
            let page_info = PageInfo::of(&edges, false, true);
            let counts = Arc::clone(&self.0);
            Connection::new(edges, page_info, move |_| {
                counts.fetch_add(1, Ordering::Relaxed);
                async { Ok(7) }.boxed()
            })
        }
    }

    async fn ask(query: &str) -> (String, u32) {
        let counts = Arc::new(AtomicU32::new(0));
        let schema = Schema::new(Query(Arc::clone(&counts)), EmptyMutation, EmptySubscription);
        let response = schema.execute(query).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        (response.data.to_string(), counts.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_total_that_is_not_selected_is_not_counted() {
        let (data, counts) =
            ask("{ projects { edges { cursor node { name } } nodes { name } pageInfo { endCursor } } }").await;
        let expected = r#"{projects: {edges: [{cursor: "1", node: {name: "one"}}], nodes: [{name: "one"}], pageInfo: {endCursor: "1"}}}"#;
        assert_eq!((data.as_str(), counts), (expected, 0));
    }

    #[tokio::test]
    async fn a_total_that_is_selected_is_counted_once() {
        let (data, counts) =
            ask("{ projects { totalCount ...F } } fragment F on ProjectConnection { totalCount }").await;
        assert_eq!((data.as_str(), counts), ("{projects: {totalCount: 7}}", 1));
    }

    #[test]
    fn types_are_named_after_the_node_and_described() {
        let sdl = Schema::new(Query(Arc::default()), EmptyMutation, EmptySubscription).sdl();
        for line in [
            "type ProjectConnection {",
            "edges: [ProjectEdge!]!",
            "nodes: [Project!]!",
            "pageInfo: PageInfo!",
            "totalCount: UInt53!",
            "type ProjectEdge {",
            "cursor: String!",
            "node: Project!",
            "projects: ProjectConnection!",
        ] {
            assert!(sdl.contains(line), "{line} is missing in\n{sdl}");
        }
        let (_, connection) = sdl.split_once("type ProjectConnection {").unwrap_or_default();
        let (fields, _) = connection.split_once('}').unwrap_or_default();
        assert_eq!(fields.matches("\"\"\"").count(), 8, "a description for each of the four fields:{fields}");
    }
}
