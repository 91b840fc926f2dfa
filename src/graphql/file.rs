//! Edges.

use async_graphql::ComplexObject;

use crate::model::file::File;

#[ComplexObject]
impl File {}
