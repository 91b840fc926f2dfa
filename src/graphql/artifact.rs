//! Edges.

use async_graphql::ComplexObject;

use crate::model::artifact::Artifact;

#[ComplexObject]
impl Artifact {}
