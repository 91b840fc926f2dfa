//! Edges.

use async_graphql::ComplexObject;

use crate::model::user::User;

#[ComplexObject]
impl User {}
