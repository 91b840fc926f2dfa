//! Edges.

use async_graphql::ComplexObject;

use crate::model::session::WorkspaceSession;

#[ComplexObject]
impl WorkspaceSession {}
