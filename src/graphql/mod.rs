//! The schema.

pub mod limits;
pub mod upload;
