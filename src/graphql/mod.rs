//! The schema.

pub mod connection;
pub mod container;
pub mod interface;
pub mod object;
pub mod plan;
mod repeats;
pub mod root;
pub mod scalar;
