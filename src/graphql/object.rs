//! The types that resolvers return: one object, or a list of them.
//!
//! They carry values to our [`container`](super::container). Each may be wrapped in `Option` and in `Result`. Each works for objects
//! and, by way of [`concrete_types!`](crate::concrete_types), for interfaces and unions.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, Error, OutputType, Positioned, ServerResult, Value, parser::types::Field, registry::Registry,
};

use super::{
    container::{FailedRow, ResolveObject, resolve_rows},
    plan::Plan,
};

/// One object: `T!`, or `T` as `Option<Obj<T>>`.
#[derive(Clone, Debug)]
pub struct Obj<T>(pub T);

impl<T> From<T> for Obj<T> {
    fn from(object: T) -> Self {
        Self(object)
    }
}

impl<T: ResolveObject> OutputType for Obj<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        let mut plan = Plan::new(ctx, &self.0.introspection_type_name());
        let answer = plan.take_answer();
        self.0.resolve_object(ctx, &plan, answer).await
    }
}

/// A list of objects: `[T!]!`, or `[T!]` as `Option<Rows<T>>`. A row that fails, fails the list.
#[derive(Clone, Debug)]
pub struct Rows<T>(pub Vec<T>);

impl<T> From<Vec<T>> for Rows<T> {
    fn from(rows: Vec<T>) -> Self {
        Self(rows)
    }
}

impl<T> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

impl<T: ResolveObject> OutputType for Rows<T> {
    fn type_name() -> Cow<'static, str> {
        Cow::Owned(format!("[{}]", T::qualified_type_name()))
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry);
        Self::qualified_type_name()
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
        resolve_rows(ctx, self.0.iter().map(Some), FailedRow::FailsTheList).await
    }
}

/// A list with gaps: `[T]!`, or `[T]` as `Option<SparseRows<T>>`. A row is an object, absent, or could not be had; the latter is null
/// with an error of its own, and so is an object that fails.
#[derive(Clone, Debug)]
pub struct SparseRows<T>(pub Vec<Result<Option<T>, Error>>);

impl<T> From<Vec<Option<T>>> for SparseRows<T> {
    fn from(rows: Vec<Option<T>>) -> Self {
        Self(rows.into_iter().map(Ok).collect())
    }
}

impl<T: ResolveObject> OutputType for SparseRows<T> {
    fn type_name() -> Cow<'static, str> {
        Cow::Owned(format!("[{}]", T::type_name()))
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry);
        Self::qualified_type_name()
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        for (index, row) in self.0.iter().enumerate() {
            if let Err(error) = row {
                let error = error.clone().into_server_error(field.pos);
                ctx.add_error(ctx.with_index(index).set_error_path(error));
            }
        }
        let rows = self.0.iter().map(|row| row.as_ref().ok().and_then(Option::as_ref));
        resolve_rows(ctx, rows, FailedRow::IsNull).await
    }
}
