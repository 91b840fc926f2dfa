//! The schema.

pub mod connection;
pub mod container;
pub mod interface;
pub mod object;
mod repeats;
pub mod root;
pub mod scalar;
