//! The root of an answer.
//!
//! Below the root our own container answers; the root object itself stays the engine's, whose container orders keys by the time
//! at which fields finish and leaves out the key of one that failed. [`Engine`] wraps an executor and mends that:
//!
//! - before execution it reads the document's root keys (the request keeps the parsed document, so nothing is parsed twice), lets
//!   `repeats` merge a root field that is selected twice, which the engine would run twice, and fills in the
//!   defaults of variables, which the engine forgets when it decides `@skip` and `@include`;
//! - after execution it puts the keys in the order of the query, null where a nullable root field failed, null for the whole data
//!   where a non-null one did, and the errors in the order of the places that they speak of.
//!
//! An answer with `data: null` and only errors without a path is that of a request that was refused before execution.

use std::{collections::HashSet, sync::Arc};

use async_graphql::{
    Data, Executor, Name, ObjectType, PathSegment, Pos, Request, Response, Schema, ServerError, SubscriptionType,
    Value, Variables,
    indexmap::IndexMap,
    parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType},
    registry::{MetaType, Registry},
};
use futures_util::{
    StreamExt as _,
    future::ready,
    stream::{self, BoxStream},
};

use super::{plan::Answer, repeats::RootFields};

/// An executor whose answers have their root as the specification wants it. Cheap to clone.
#[derive(Clone)]
pub struct Engine<E> {
    inner: E,
    roots: Arc<Roots>,
}

/// The root types of a schema.
struct Roots {
    query: RootType,
    mutation: RootType,
    subscription: RootType,
}

/// A root type, as far as its answers depend on it.
struct RootType {
    name: String,
    non_null: HashSet<String>,
}

impl RootType {
    fn read(root: &MetaType) -> Self {
        let fields = root.fields().into_iter().flatten();
        let non_null = fields.filter(|(_, field)| field.ty.ends_with('!')).map(|(name, _)| name.clone()).collect();
        Self { name: root.name().to_owned(), non_null }
    }

    fn is_non_null(&self, field: &str) -> bool {
        matches!(field, "__typename" | "__schema") || self.non_null.contains(field)
    }
}

impl<Q, M, S> Engine<Schema<Q, M, S>>
where
    Q: ObjectType + 'static,
    M: ObjectType + 'static,
    S: SubscriptionType + 'static,
{
    /// Wraps a schema. Reads from its types which root fields are nullable.
    pub fn new(schema: Schema<Q, M, S>) -> Self {
        let mut registry = Registry::default();
        let roots = Roots {
            query: RootType::read(&registry.create_fake_output_type::<Q>()),
            mutation: RootType::read(&registry.create_fake_output_type::<M>()),
            subscription: RootType::read(&registry.create_fake_subscription_type::<S>()),
        };
        Self { inner: schema, roots: Arc::new(roots) }
    }
}

impl<E: Executor> Executor for Engine<E> {
    async fn execute(&self, mut request: Request) -> Response {
        let expected = self.expect(&mut request);
        let mut response = self.inner.execute(request).await;
        if let Some(expected) = expected {
            expected.mend(&mut response);
        }
        response
    }

    fn execute_stream(&self, mut request: Request, session_data: Option<Arc<Data>>) -> BoxStream<'static, Response> {
        let expected = self.expect(&mut request);
        if let Some(second) = expected.as_ref().and_then(Expected::second_source) {
            return stream::once(ready(Response::from_errors(vec![second]))).boxed();
        }
        let responses = self.inner.execute_stream(request, session_data);
        let Some(expected) = expected else {
            return responses;
        };
        responses
            .map(move |mut response| {
                expected.mend(&mut response);
                response
            })
            .boxed()
    }
}

impl<E> Engine<E> {
    /// Prepares `request` and says what the root of its answer has to look like. Nothing where the document cannot be read or has
    /// no such operation: the engine then refuses it.
    fn expect(&self, request: &mut Request) -> Option<Expected> {
        let mut variables = std::mem::take(&mut request.variables);
        let operation_name = request.operation_name.take();
        let expected = request.parsed_query().ok().and_then(|document| {
            let operation = select(document, operation_name.as_deref())?;
            fill_defaults(operation, &mut variables);
            let root = match operation.ty {
                OperationType::Query => &self.roots.query,
                OperationType::Mutation => &self.roots.mutation,
                OperationType::Subscription => &self.roots.subscription,
            };
            let found = RootFields::read(document, operation, &root.name, &variables);
            let keys = found.fields.iter().map(|(key, field)| {
                let non_null = root.is_non_null(&field.node.name.node);
                ((*key).clone(), RootKey { pos: field.pos, non_null })
            });
            let is_subscription = operation.ty == OperationType::Subscription;
            let expected = Expected { keys: keys.collect(), is_subscription };
            let merged = if found.needs_merge { found.merged(document, operation) } else { None };
            Some((expected, merged))
        });
        request.variables = variables;
        request.operation_name = operation_name;
        let (expected, merged) = expected?;
        if let Some(document) = merged {
            request.set_parsed_query(document);
        }
        Some(expected)
    }
}

/// The operation that the engine will run.
fn select<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Some(&operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => Some(&operations.get(name)?.node),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            operations.values().next().map(|operation| &operation.node)
        }
        _ => None,
    }
}

/// Gives variables that were not sent their defaults.
fn fill_defaults(operation: &OperationDefinition, variables: &mut Variables) {
    for definition in &operation.variable_definitions {
        let name = &definition.node.name.node;
        if let Some(default) = &definition.node.default_value
            && !variables.contains_key(name)
        {
            variables.insert(name.clone(), default.node.clone());
        }
    }
}

/// What the root of an answer has to look like.
struct Expected {
    /// In the order of the query.
    keys: IndexMap<Name, RootKey>,
    /// Each answer of a subscription has one of the keys.
    is_subscription: bool,
}

struct RootKey {
    pos: Pos,
    non_null: bool,
}

impl Expected {
    /// The error of a subscription with a second field at its root. The specification allows one, for each answer is that of one
    /// source; the engine would mix two streams.
    fn second_source(&self) -> Option<ServerError> {
        let (_, second) = self.keys.get_index(1)?;
        let message = "A subscription must select only one top level field.";
        self.is_subscription.then(|| ServerError::new(message, Some(second.pos)))
    }

    fn mend(&self, response: &mut Response) {
        if response.errors.is_empty() {
            if !self.is_subscription {
                self.mend_order(&mut response.data);
            }
            return;
        }
        // Refused before execution.
        if response.data == Value::Null && response.errors.iter().all(|error| error.path.is_empty()) {
            return;
        }
        let data = match std::mem::take(&mut response.data) {
            Value::Object(data) => data,
            _ => Answer::new(),
        };
        self.place_errors(&data, &mut response.errors);
        response.data = self.fill(data, &mut response.errors);
        if response.errors.len() > 1 {
            let data = &response.data;
            response.errors.sort_by_cached_key(|error| (place_of(error, data), error.locations.first().copied()));
        }
    }

    /// Puts the keys of an answer without errors in order.
    fn mend_order(&self, data: &mut Value) {
        match data {
            // Everything was skipped.
            Value::Null if self.keys.is_empty() => *data = Value::Object(Answer::new()),
            Value::Object(data) if !data.keys().eq(self.keys.keys()) => {
                *data = self.keys.keys().filter_map(|key| Some((key.clone(), data.swap_remove(key)?))).collect();
            }
            _ => {}
        }
    }

    /// Gives a path to errors without one. The engine leaves it out where an argument of a root field does not parse; the error's
    /// location is then within that field.
    fn place_errors(&self, data: &Answer, errors: &mut [ServerError]) {
        for at in 0..errors.len() {
            if !errors[at].path.is_empty() {
                continue;
            }
            let pos = errors[at].locations.first().copied().unwrap_or_default();
            let failed = self
                .keys
                .iter()
                .filter(|(key, _)| !data.contains_key(*key) && !errors.iter().any(|error| starts_at(error, key)));
            let field = failed.filter(|(_, key)| key.pos <= pos).max_by_key(|(_, key)| key.pos);
            if let Some((key, _)) = field {
                errors[at].path = vec![PathSegment::Field(key.to_string())];
            }
        }
    }

    /// Puts the keys in order, with null for those that failed. Null for all of it where a non-null field failed; then only the
    /// error that explains it stays.
    fn fill(&self, mut data: Answer, errors: &mut Vec<ServerError>) -> Value {
        let mut answer = Answer::with_capacity(self.keys.len());
        for (key, root) in &self.keys {
            if let Some(value) = data.swap_remove(key) {
                answer.insert(key.clone(), value);
                continue;
            }
            let error = errors.iter().position(|error| starts_at(error, key));
            if self.is_subscription && error.is_none() {
                continue;
            }
            if root.non_null {
                if let Some(error) = error {
                    errors.swap(0, error);
                    errors.truncate(1);
                }
                return Value::Null;
            }
            answer.insert(key.clone(), Value::Null);
        }
        Value::Object(answer)
    }
}

fn starts_at(error: &ServerError, key: &str) -> bool {
    matches!(error.path.first(), Some(PathSegment::Field(name)) if name == key)
}

/// The place that an error speaks of, as the place of each key and row on the way to it: an order that does not depend on when
/// things failed.
fn place_of(error: &ServerError, data: &Value) -> Vec<usize> {
    let mut place = Vec::with_capacity(error.path.len());
    let mut value = data;
    for segment in &error.path {
        let next = match (segment, value) {
            (PathSegment::Field(name), Value::Object(object)) => {
                object.get_full(name.as_str()).map(|(at, _, value)| (at, value))
            }
            (PathSegment::Index(index), Value::List(list)) => list.get(*index).map(|value| (*index, value)),
            _ => None,
        };
        let Some((at, next)) = next else { break };
        place.push(at);
        value = next;
    }
    place
}

#[cfg(test)]
mod tests;
