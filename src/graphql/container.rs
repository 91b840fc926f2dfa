//! How objects and lists of objects are answered.
//!
//! The engine's own container answers keys in the order in which fields finish, leaves out the key of a field that failed, and
//! never lets a failure reach the parent. This one follows the GraphQL specification over the same derived `resolve_field`:
//!
//! - keys come in the order of the query; a key selected twice is resolved once, with both sub-selections merged;
//! - a nullable field that fails is null, and its error is in the answer; the failure of a non-null field fails its object, and
//!   so on up to the first nullable place. Errors below a place that became null are dropped, all but the one that explains it;
//! - fields and rows wait at the same time, so loads of siblings reach a `DataLoader` as one batch.
//!
//! It works in two steps. A [`Plan`] says what a selection asks of one concrete type: fragments expanded, repeats merged, an
//! answer prepared with its keys in place. All rows of a list share the plan of their type. Then each object runs its plan.
//!
//! A resolver that answers with objects returns a type of [`object`](super::object) or a connection, within `Option` and `Result` as
//! it needs. Bare objects and `Vec`s of them would go through the engine's container. Two hooks of the engine are not called
//! here, because the project uses neither: custom directives on fields, and `Extension::resolve`.

use std::{borrow::Cow, ops::ControlFlow, pin::Pin, task::Poll};

use async_graphql::{ContainerType, ContextSelectionSet, ObjectType, OutputType, ServerError, ServerResult, Value};
use futures_util::future::BoxFuture;

use super::plan::{Answer, Plan, PlannedField};

/// A type whose values are answered by this module's container.
///
/// Every object type is. An interface or a union gets it from [`concrete_types!`](crate::concrete_types), which hands the value
/// on to its concrete object.
pub trait ResolveObject: OutputType {
    /// Answers one value.
    ///
    /// `plan` was made for the value's concrete type; `answer` is the plan's answer, to be filled in. Fails where a non-null
    /// field failed; the error then carries that field's path. Boxed, because types refer to each other in circles.
    fn resolve_object<'r>(
        &'r self,
        ctx: &'r ContextSelectionSet<'r>,
        plan: &'r Plan<'r>,
        answer: Answer,
    ) -> BoxFuture<'r, ServerResult<Value>>;
}

impl<T: ObjectType> ResolveObject for T {
    fn resolve_object<'r>(
        &'r self,
        ctx: &'r ContextSelectionSet<'r>,
        plan: &'r Plan<'r>,
        answer: Answer,
    ) -> BoxFuture<'r, ServerResult<Value>> {
        Box::pin(resolve_fields(self, ctx, plan, answer))
    }
}

async fn resolve_fields<'r, T: ObjectType>(
    object: &'r T,
    ctx: &'r ContextSelectionSet<'r>,
    plan: &'r Plan<'r>,
    mut answer: Answer,
) -> ServerResult<Value> {
    let mut failure = None;
    let fields = plan.fields.iter().map(|planned| async move {
        let ctx = ctx.with_field(&planned.field);
        let value = object.resolve_field(&ctx).await;
        // The engine gives no path to an argument that does not parse.
        value.map_err(|error| if error.path.is_empty() { ctx.set_error_path(error) } else { error })
    });
    join(fields, |at, resolved| {
        let PlannedField { place, field } = &plan.fields[at];
        match resolved {
            Ok(value) => answer[*place] = value.unwrap_or_default(),
            Err(error) if is_non_null::<T>(ctx, &field.node.name.node) => {
                failure = Some(error);
                return ControlFlow::Break(());
            }
            Err(error) => ctx.add_error(error),
        }
        ControlFlow::Continue(())
    })
    .await;
    match failure {
        Some(error) => Err(explain(ctx, error)),
        None => Ok(Value::Object(answer)),
    }
}

fn is_non_null<T: ContainerType>(ctx: &ContextSelectionSet<'_>, field: &str) -> bool {
    let types = &ctx.schema_env.registry.types;
    types
        .get(&*T::type_name())
        .and_then(|parent| parent.field_by_name(field))
        .is_some_and(|field| field.ty.ends_with('!'))
}

/// Makes `error` the only one that speaks of the place at `ctx` and below: the place is about to become null.
fn explain(ctx: &ContextSelectionSet<'_>, error: ServerError) -> ServerError {
    let place = ctx.set_error_path(ServerError::new("", None)).path;
    if let Ok(mut errors) = ctx.query_env.errors.lock() {
        errors.retain(|other| !other.path.starts_with(&place));
    }
    error
}

/// What becomes of a list when one of its rows fails.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum FailedRow {
    /// The list fails: `[T!]`.
    FailsTheList,
    /// The row is null, and the error is in the answer: `[T]`.
    IsNull,
}

/// Answers a list of objects, all at the same time. A row that is `None` is null.
pub(super) async fn resolve_rows<'r, T: ResolveObject + 'r>(
    ctx: &ContextSelectionSet<'_>,
    rows: impl Iterator<Item = Option<&'r T>> + Send,
    failed_row: FailedRow,
) -> ServerResult<Value> {
    let mut plans: Vec<(Cow<'static, str>, Plan<'_>)> = Vec::new();
    let mut present: Vec<(usize, &'r T, usize)> = Vec::with_capacity(rows.size_hint().0);
    let mut length = 0;
    for row in rows {
        if let Some(row) = row {
            let type_name = row.introspection_type_name();
            let plan = plans.iter().position(|(planned, _)| *planned == type_name).unwrap_or_else(|| {
                let plan = Plan::new(ctx, &type_name);
                plans.push((type_name, plan));
                plans.len() - 1
            });
            present.push((length, row, plan));
        }
        length += 1;
    }
    let mut values = vec![Value::Null; length];
    let mut failure = None;
    let objects = present.iter().map(|(index, row, plan)| {
        let plan = &plans[*plan].1;
        async move { row.resolve_object(&ctx.with_index(*index), plan, plan.answer.clone()).await }
    });
    join(objects, |at, object| {
        match object {
            Ok(object) => values[present[at].0] = object,
            Err(error) if failed_row == FailedRow::IsNull => ctx.add_error(error),
            Err(error) => {
                failure = Some(error);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    })
    .await;
    match failure {
        Some(error) => Err(explain(ctx, error)),
        None => Ok(Value::List(values)),
    }
}

/// Runs `futures` at the same time and calls `finish` with the place of each and its output, as they end.
///
/// When `finish` breaks, those after that place are dropped, and those before it are still awaited. So the break that comes last
/// is that of the first place in order, whatever the timing.
///
/// A future that does not wait costs no allocation of its own: it reuses that of the one before.
async fn join<F: Future>(
    futures: impl Iterator<Item = F>,
    mut finish: impl FnMut(usize, F::Output) -> ControlFlow<()>,
) {
    let mut unstarted = Some(futures);
    let mut waiting: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    std::future::poll_fn(|cx| {
        if let Some(futures) = unstarted.take() {
            let mut spare: Option<Pin<Box<F>>> = None;
            for (at, future) in futures.enumerate() {
                let mut future = match spare.take() {
                    Some(mut spare) => {
                        spare.set(future);
                        spare
                    }
                    None => Box::pin(future),
                };
                match future.as_mut().poll(cx) {
                    Poll::Pending => waiting.push((at, future)),
                    Poll::Ready(output) => {
                        if finish(at, output).is_break() {
                            break;
                        }
                        spare = Some(future);
                    }
                }
            }
        } else {
            let mut broken = false;
            waiting.retain_mut(|(at, future)| {
                if broken {
                    return false;
                }
                match future.as_mut().poll(cx) {
                    Poll::Pending => true,
                    Poll::Ready(output) => {
                        broken = finish(*at, output).is_break();
                        false
                    }
                }
            });
        }
        if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        sync::{Arc, Mutex},
        time::Duration,
    };

    use async_graphql::{
        ComplexObject, Context, EmptyMutation, EmptySubscription, Error, Interface, Object, Result, Schema,
        SimpleObject, Union,
        dataloader::{DataLoader, Loader},
    };

    use crate::graphql::object::{Obj, Rows};

    /// Remembers every batch that it was asked for.
    struct Names(Arc<Mutex<Vec<usize>>>);

    impl Loader<u32> for Names {
        type Value = String;
        type Error = Error;

        async fn load(&self, keys: &[u32]) -> Result<HashMap<u32, String>> {
            if let Ok(mut batches) = self.0.lock() {
                batches.push(keys.len());
            }
            Ok(keys.iter().map(|key| (*key, format!("name {key}"))).collect())
        }
    }

    #[derive(SimpleObject)]
    #[graphql(complex)]
    struct Item {
        number: u32,
    }

    #[ComplexObject]
    impl Item {
        async fn name(&self, ctx: &Context<'_>) -> Result<Option<String>> {
            ctx.data::<DataLoader<Names>>()?.load_one(self.number).await
        }
        async fn next(&self) -> Obj<Item> {
            Obj(Item { number: self.number + 100 })
        }
        async fn slow(&self) -> u32 {
            tokio::time::sleep(Duration::from_millis(u64::from(9 - self.number))).await;
            self.number
        }
    }

    #[derive(SimpleObject)]
    struct Other {
        text: String,
    }

    #[derive(Union)]
    enum Thing {
        Item(Item),
        Other(Other),
    }

    crate::concrete_types!(Thing: Item, Other);

    #[derive(SimpleObject)]
    #[graphql(complex)]
    struct Link {
        text: String,
    }

    #[ComplexObject]
    impl Link {
        async fn next(&self) -> Result<Obj<Item>> {
            Ok(Obj(Item { number: 7 }))
        }
    }

    #[derive(Interface)]
    #[graphql(field(name = "next", ty = "Obj<Item>"))]
    enum Linked {
        Item(Item),
        Link(Link),
    }

    crate::concrete_types!(Linked: Item, Link);

    struct Query;

    #[Object]
    impl Query {
        async fn linked(&self) -> Rows<Linked> {
            vec![Linked::Link(Link { text: "text".into() }), Linked::Item(Item { number: 1 })].into()
        }
        async fn items(&self) -> Rows<Item> {
            (0..5).map(|number| Item { number }).collect()
        }
        async fn things(&self) -> Rows<Thing> {
            vec![Thing::Item(Item { number: 1 }), Thing::Other(Other { text: "text".into() })].into()
        }
    }

    async fn ask(query: &str) -> (String, Vec<usize>) {
        let batches = Arc::default();
        let names = DataLoader::new(Names(Arc::clone(&batches)), tokio::spawn).delay(Duration::ZERO);
        let schema = Schema::build(Query, EmptyMutation, EmptySubscription).data(names).finish();
        let response = schema.execute(query).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        let batches = batches.lock().map(|batches| batches.clone()).unwrap_or_default();
        (response.data.to_string(), batches)
    }

    #[tokio::test]
    async fn loads_of_siblings_are_one_batch() {
        let (data, batches) = ask("{ items { name } }").await;
        assert!(data.contains(r#"{name: "name 4"}"#), "{data}");
        assert_eq!(batches, [5]);
    }

    #[tokio::test]
    async fn loads_of_one_level_are_one_batch() {
        let (_, batches) = ask("{ items { name next { name next { name } } } }").await;
        assert_eq!(batches, [15]);
    }

    #[tokio::test]
    async fn rows_keep_their_order_however_long_they_take() {
        let (data, _) = ask("{ items { slow } }").await;
        assert_eq!(data, "{items: [{slow: 0}, {slow: 1}, {slow: 2}, {slow: 3}, {slow: 4}]}");
    }

    #[tokio::test]
    async fn an_interface_may_have_objects_as_fields() {
        let (data, _) = ask("{ linked { next { number } ... on Link { text } } }").await;
        assert_eq!(data, r#"{linked: [{next: {number: 7}, text: "text"}, {next: {number: 101}}]}"#);
    }

    #[tokio::test]
    async fn each_row_of_a_union_has_the_plan_of_its_type() {
        let (data, _) = ask("{ things { ... on Other { text } ... on Item { number } __typename } }").await;
        assert_eq!(data, r#"{things: [{number: 1, __typename: "Item"}, {text: "text", __typename: "Other"}]}"#);
    }
}
