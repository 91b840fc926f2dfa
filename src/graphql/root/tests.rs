//! The root of answers, where `tests/parity.rs` does not look: subscriptions, arguments that do not parse, merged documents that
//! must still be refused.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_graphql::{
    Context, Executor as _, InputValueError, InputValueResult, Object, Request, Response, Result, Scalar, ScalarType,
    Schema, SimpleObject, Subscription, Value, Variables,
};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::json;

use super::Engine;
use crate::graphql::object::Obj;

/// A scalar that parses nothing.
struct Never;

#[Scalar]
impl ScalarType for Never {
    fn parse(_: Value) -> InputValueResult<Self> {
        Err(InputValueError::custom("never"))
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

#[derive(SimpleObject)]
struct Item {
    number: u32,
    name: String,
}

#[derive(Default)]
struct Calls(Arc<AtomicU32>);

fn item(ctx: &Context<'_>) -> Result<Obj<Item>> {
    let number = ctx.data::<Calls>()?.0.fetch_add(1, Ordering::Relaxed) + 1;
    Ok(Obj(Item { number, name: "name".to_owned() }))
}

struct Query;

#[Object]
impl Query {
    async fn item(&self, ctx: &Context<'_>, #[graphql(default)] id: u32) -> Result<Option<Obj<Item>>> {
        let _ = id;
        item(ctx).map(Some)
    }
    async fn never(&self, it: Never) -> Option<bool> {
        let _ = it;
        None
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn create(&self, ctx: &Context<'_>) -> Result<Obj<Item>> {
        item(ctx)
    }
}

struct Subscriptions;

#[Subscription(name = "Subscription")]
impl Subscriptions {
    async fn items(&self) -> impl Stream<Item = Obj<Item>> {
        stream::iter([1, 2]).map(|number| Obj(Item { number, name: "name".to_owned() }))
    }
    async fn failing(&self) -> impl Stream<Item = Result<Obj<Item>>> {
        stream::iter([Err("lost".into())])
    }
    async fn failing_maybe(&self) -> impl Stream<Item = Result<Option<Obj<Item>>>> {
        stream::iter([Err("lost".into()), Ok(None)])
    }
}

fn engine() -> Engine<Schema<Query, Mutation, Subscriptions>> {
    Engine::new(Schema::new(Query, Mutation, Subscriptions))
}

fn render(response: &Response) -> String {
    let messages: Vec<_> = response.errors.iter().map(|error| format!(" {:?} {}", error.path, error.message)).collect();
    format!("{}{}", response.data, messages.concat())
}

async fn ask(request: impl Into<Request>) -> String {
    render(&engine().execute(request.into().data(Calls::default())).await)
}

async fn listen(query: &str) -> Vec<String> {
    engine().execute_stream(Request::new(query), None).map(|response| render(&response)).collect().await
}

#[tokio::test]
async fn every_answer_of_a_subscription_is_mended() {
    assert_eq!(listen("subscription { items { number } }").await, ["{items: {number: 1}}", "{items: {number: 2}}"]);
    assert_eq!(listen("subscription { a: failing { number } }").await, [r#"null [Field("a")] lost"#]);
    let maybe = listen("subscription { failingMaybe { number } }").await;
    assert_eq!(maybe, [r#"{failingMaybe: null} [Field("failingMaybe")] lost"#, "{failingMaybe: null}"]);
}

#[tokio::test]
async fn a_subscription_has_one_field_at_its_root() {
    for document in [
        "subscription { items { number } other: items { number } }",
        "subscription { items { number } __typename }",
        "subscription { items { number } ...F } fragment F on Subscription { failing { number } }",
    ] {
        let answers = listen(document).await;
        assert_eq!(answers, ["null [] A subscription must select only one top level field."], "{document}");
    }
}

#[tokio::test]
async fn a_subscription_may_have_fragments_at_its_root() {
    let documents = [
        "subscription { ...F } fragment F on Subscription { items { number } }",
        "subscription { ... { items { number } } }",
        "subscription { items { number } ...F } fragment F on Subscription { items { number } }",
    ];
    for document in documents {
        assert_eq!(listen(document).await.len(), 2, "{document}");
    }
}

#[tokio::test]
async fn a_mutation_selected_twice_runs_once() {
    let twice = "mutation { create { number } ...F } fragment F on Mutation { create { name } }";
    assert_eq!(ask(twice).await, r#"{create: {number: 1, name: "name"}}"#);
}

#[tokio::test]
async fn an_argument_that_does_not_parse_is_an_error_of_its_field() {
    let partly = ask("{ item { number } never(it: 1) }").await;
    assert!(partly.starts_with(r#"{item: {number: 1}, never: null} [Field("never")]"#), "{partly}");
}

#[tokio::test]
async fn a_refused_request_has_no_paths() {
    for document in ["{", "{ nothing }", "query A { item { number } } query B { item { number } }", "{ ...F }"] {
        let response = engine().execute(Request::new(document)).await;
        assert_eq!(response.data, Value::Null, "{document}");
        assert!(!response.errors.is_empty(), "{document}");
        assert!(response.errors.iter().all(|error| error.path.is_empty()), "{document}");
    }
}

#[tokio::test]
async fn merging_hides_no_mistake() {
    let documents = [
        "{ item { number } item(id: 2) { number } }",
        "{ item { number } item { name nothing } }",
        "{ item { number } ...F } fragment F on Query { item { name } ...F }",
        "{ item { number } item { name } } fragment F on Query { item { name } }",
        "{ item { number } item { name } ... on Mutation { create { number } } }",
        "query ($no: Boolean!) { item { number } item { name } }",
    ];
    for document in documents {
        let variables = Variables::from_json(json!({ "no": false }));
        let answer = ask(Request::new(document).variables(variables)).await;
        assert!(answer.starts_with("null "), "{document}: {answer}");
    }
}

#[tokio::test]
async fn merging_keeps_variables_in_use() {
    let document = "query ($yes: Boolean!, $no: Boolean!) { item { number } ...F @include(if: $yes) item @skip(if: $no) { name } \
        ...F @skip(if: $no) ... on Query @include(if: $no) { x: item { number } } } fragment F on Query { i: item { number } }";
    let variables = Variables::from_json(json!({ "yes": true, "no": false }));
    let answer = ask(Request::new(document).variables(variables)).await;
    assert!(
        answer == r#"{item: {number: 1, name: "name"}, i: {number: 2}}"#
            || answer == r#"{item: {number: 2, name: "name"}, i: {number: 1}}"#,
        "{answer}"
    );
}
