//! Edges.

use async_graphql::ComplexObject;

use crate::model::run::{ModelUsage, Run, TokenUsage};

#[ComplexObject]
impl Run {}
#[ComplexObject]
impl ModelUsage {}
#[ComplexObject]
impl TokenUsage {}
