//! The schema that both servers serve. Its fields are named after what they do; `reference.mjs` has the same resolvers.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use async_graphql::{Context, EmptySubscription, Error, ID, Interface, Object, Result, Schema, Union};
use futures_util::FutureExt as _;
use workroom::graphql::{
    connection::{Connection, PageInfo},
    object::{Obj, Rows, SparseRows},
};

/// How many mutation fields have run in this request.
#[derive(Default)]
pub struct Steps(AtomicU32);

pub type Parity = Schema<Query, Mutation, EmptySubscription>;

pub fn schema() -> Parity {
    Schema::new(Query, Mutation, EmptySubscription)
}

async fn wait(ms: u64) {
    if ms > 0 {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }
}

async fn fail<T>(ms: u64, what: &str, id: &str) -> Result<T> {
    wait(ms).await;
    Err(Error::new(format!("{what} {id}")))
}

#[derive(Clone)]
pub struct Thing {
    id: String,
}

impl Thing {
    fn new(id: &str) -> Self {
        Self { id: id.to_owned() }
    }

    fn under(&self, name: &str) -> Self {
        Self { id: format!("{}.{name}", self.id) }
    }

    fn three(&self) -> Vec<Self> {
        ["1", "2", "3"].map(|name| self.under(name)).into()
    }

    fn gaps(&self) -> SparseRows<Self> {
        let lost = Err(Error::new(format!("lost {}.3", self.id)));
        SparseRows(vec![Ok(Some(self.under("1"))), Ok(None), lost, Ok(Some(self.under("4")))])
    }

    fn two_shapes(&self) -> Vec<Shape> {
        vec![Shape::Circle(Circle(self.under("circle"))), Shape::Square(Square(self.under("square")))]
    }
}

#[Object]
impl Thing {
    async fn id(&self) -> ID {
        ID(self.id.clone())
    }
    async fn name(&self) -> String {
        format!("name {}", self.id)
    }
    async fn slow(&self, #[graphql(default = 5)] ms: u64) -> String {
        wait(ms).await;
        format!("slow {}", self.id)
    }
    async fn fails(&self, #[graphql(default)] ms: u64) -> Result<Option<String>> {
        fail(ms, "fails", &self.id).await
    }
    async fn fails_hard(&self, #[graphql(default)] ms: u64) -> Result<String> {
        fail(ms, "fails hard", &self.id).await
    }
    async fn fails_for(&self, id: ID) -> Result<Option<String>> {
        if *id == self.id { fail(0, "fails for", &self.id).await } else { Ok(Some("fine".to_owned())) }
    }
    async fn fails_hard_for(&self, id: ID, #[graphql(default)] ms: u64) -> Result<String> {
        if *id == self.id { fail(ms, "fails hard for", &self.id).await } else { Ok("fine".to_owned()) }
    }
    async fn child(&self, #[graphql(default)] ms: u64) -> Option<Obj<Thing>> {
        wait(ms).await;
        Some(Obj(self.under("c")))
    }
    async fn child_hard(&self, #[graphql(default)] ms: u64) -> Obj<Thing> {
        wait(ms).await;
        Obj(self.under("h"))
    }
    async fn no_child(&self) -> Option<Obj<Thing>> {
        None
    }
    async fn broken_child(&self) -> Result<Option<Obj<Thing>>> {
        fail(0, "broken", &self.id).await
    }
    async fn broken_child_hard(&self) -> Result<Obj<Thing>> {
        fail(0, "broken hard", &self.id).await
    }
    async fn rows(&self, #[graphql(default)] ms: u64) -> Rows<Thing> {
        wait(ms).await;
        Rows(self.three())
    }
    async fn rows_maybe(&self) -> Option<Rows<Thing>> {
        Some(Rows(self.three()))
    }
    async fn no_rows(&self) -> Rows<Thing> {
        Rows(Vec::new())
    }
    async fn broken_rows(&self) -> Result<Rows<Thing>> {
        fail(0, "broken rows", &self.id).await
    }
    async fn sparse(&self) -> SparseRows<Thing> {
        self.gaps()
    }
    async fn sparse_maybe(&self) -> Result<Option<SparseRows<Thing>>> {
        Ok(Some(self.gaps()))
    }
    async fn labels(&self) -> Vec<String> {
        vec![format!("label {}", self.id), "red".to_owned()]
    }
    async fn shape(&self) -> Option<Obj<Shape>> {
        Some(Obj(Shape::Circle(Circle(self.under("circle")))))
    }
    async fn shapes(&self) -> Rows<Shape> {
        Rows(self.two_shapes())
    }
    async fn shapes_sparse(&self) -> SparseRows<Shape> {
        self.two_shapes().into_iter().map(Some).collect::<Vec<_>>().into()
    }
    async fn nodes(&self) -> Rows<Node> {
        Rows(vec![Node::Thing(self.under("1")), Node::Circle(Circle(self.under("2"))), Node::Thing(self.under("3"))])
    }
    async fn page(&self) -> Connection<Thing> {
        page(self.three(), |thing| thing.id.clone(), 3)
    }
    async fn node_page(&self) -> Option<Connection<Node>> {
        let nodes = vec![Node::Circle(Circle(self.under("1"))), Node::Thing(self.under("2"))];
        Some(page(nodes, |_| "cursor".to_owned(), 2))
    }
    async fn uncounted_page(&self) -> Option<Connection<Thing>> {
        Some(Connection::new(Vec::new(), PageInfo::default(), |_| async { Err(Error::new("cannot count")) }.boxed()))
    }
}

fn page<N>(nodes: Vec<N>, cursor: impl Fn(&N) -> String, total: u64) -> Connection<N> {
    let edges: Vec<_> = nodes.into_iter().map(|node| (cursor(&node), node)).collect();
    let page_info = PageInfo::of(&edges, false, true);
    Connection::new(edges, page_info, move |_| async move { Ok(total) }.boxed())
}

pub struct Circle(Thing);

#[Object]
impl Circle {
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }
    async fn name(&self) -> String {
        format!("circle {}", self.0.id)
    }
    async fn fails(&self, #[graphql(default)] ms: u64) -> Result<Option<String>> {
        fail(ms, "circle fails", &self.0.id).await
    }
    async fn fails_hard(&self) -> Result<String> {
        fail(0, "circle fails hard", &self.0.id).await
    }
    async fn radius(&self) -> i32 {
        2
    }
    async fn center(&self) -> Obj<Thing> {
        Obj(self.0.under("center"))
    }
}

pub struct Square(Thing);

#[Object]
impl Square {
    async fn id(&self) -> ID {
        ID(self.0.id.clone())
    }
    async fn side(&self, #[graphql(default)] ms: u64) -> i32 {
        wait(ms).await;
        3
    }
    async fn fails_hard(&self) -> Result<String> {
        fail(0, "square fails hard", &self.0.id).await
    }
}

#[derive(Union)]
pub enum Shape {
    Circle(Circle),
    Square(Square),
}

workroom::concrete_types!(Shape: Circle, Square);

#[derive(Interface)]
#[graphql(
    field(name = "id", ty = "ID"),
    field(name = "name", ty = "String"),
    field(name = "fails", ty = "Option<String>", arg(name = "ms", ty = "u64", default = 0))
)]
pub enum Node {
    Thing(Thing),
    Circle(Circle),
}

workroom::concrete_types!(Node: Thing, Circle);

pub struct Query;

#[Object]
impl Query {
    async fn hello(&self) -> &'static str {
        "world"
    }
    async fn slow(&self, #[graphql(default = 5)] ms: u64) -> String {
        wait(ms).await;
        format!("slow {ms}")
    }
    async fn fails(&self, #[graphql(default)] ms: u64) -> Result<Option<String>> {
        fail(ms, "fails", "root").await
    }
    async fn fails_hard(&self, #[graphql(default)] ms: u64) -> Result<String> {
        fail(ms, "fails hard", "root").await
    }
    async fn thing(&self, #[graphql(default = "a")] id: String, #[graphql(default)] ms: u64) -> Option<Obj<Thing>> {
        wait(ms).await;
        Some(Obj(Thing::new(&id)))
    }
    async fn thing_hard(&self, #[graphql(default = "b")] id: String) -> Obj<Thing> {
        Obj(Thing::new(&id))
    }
    async fn no_thing(&self) -> Option<Obj<Thing>> {
        None
    }
    async fn broken_thing(&self) -> Result<Option<Obj<Thing>>> {
        fail(0, "broken", "root").await
    }
    async fn things(&self) -> Rows<Thing> {
        Rows(Thing::new("t").three())
    }
    async fn things_sparse(&self) -> SparseRows<Thing> {
        Thing::new("s").gaps()
    }
    async fn node(&self) -> Option<Obj<Node>> {
        Some(Obj(Node::Circle(Circle(Thing::new("n")))))
    }
    async fn shapes(&self) -> Rows<Shape> {
        Rows(Thing::new("root").two_shapes())
    }
}

pub struct Step {
    name: String,
    order: u32,
}

#[Object]
impl Step {
    async fn name(&self) -> &str {
        &self.name
    }
    async fn order(&self) -> u32 {
        self.order
    }
    async fn thing(&self) -> Obj<Thing> {
        Obj(Thing::new(&self.name))
    }
}

pub struct Mutation;

#[Object]
impl Mutation {
    async fn step(&self, ctx: &Context<'_>, name: String, #[graphql(default)] ms: u64) -> Result<Obj<Step>> {
        wait(ms).await;
        let order = ctx.data::<Steps>()?.0.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(Obj(Step { name, order }))
    }
    async fn step_maybe(&self, ctx: &Context<'_>, name: String) -> Result<Option<Obj<Step>>> {
        self.step(ctx, name, 0).await.map(Some)
    }
    async fn step_fails(&self, #[graphql(default)] ms: u64) -> Result<Option<Obj<Step>>> {
        fail(ms, "step", "fails").await
    }
    async fn step_fails_hard(&self) -> Result<Obj<Step>> {
        fail(0, "step", "fails hard").await
    }
}
