//! Edges.

use async_graphql::ComplexObject;

use crate::model::project::Project;

#[ComplexObject]
impl Project {}
