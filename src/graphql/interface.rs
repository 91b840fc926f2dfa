//! Interfaces and unions in our container.
//!
//! The engine's derive makes the schema of an interface or union from an enum. What a value answers is asked of its concrete
//! object: `__typename`, the interface's fields, and fragments on the interface and on the object alike.

/// Lets an enum that derives `Interface` or `Union` be answered as its concrete objects: in
/// [`Obj`](crate::graphql::object::Obj), [`Rows`](crate::graphql::object::Rows) and connections.
///
/// Names every variant; the compiler notices one that is missing.
///
/// ```
/// use async_graphql::{Interface, SimpleObject};
///
/// #[derive(SimpleObject)]
/// struct Circle {
///     area: f64,
///     radius: f64,
/// }
///
/// #[derive(SimpleObject)]
/// struct Square {
///     area: f64,
///     side: f64,
/// }
///
/// #[derive(Interface)]
/// #[graphql(field(name = "area", ty = "&f64"))]
/// enum Shape {
///     Circle(Circle),
///     Square(Square),
/// }
///
/// workroom::concrete_types!(Shape: Circle, Square);
/// ```
#[macro_export]
macro_rules! concrete_types {
    ($enum:ty: $($variant:ident),+ $(,)?) => {
        impl $crate::graphql::container::ResolveObject for $enum {
            fn resolve_object<'r>(
                &'r self,
                ctx: &'r ::async_graphql::ContextSelectionSet<'r>,
                plan: &'r $crate::graphql::plan::Plan<'r>,
                answer: $crate::graphql::plan::Answer,
            ) -> ::futures_util::future::BoxFuture<'r, ::async_graphql::ServerResult<::async_graphql::Value>> {
                match self {
                    $(Self::$variant(object) => {
                        $crate::graphql::container::ResolveObject::resolve_object(object, ctx, plan, answer)
                    })+
                }
            }
        }
    };
}
