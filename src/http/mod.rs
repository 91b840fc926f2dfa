//! The front door.

pub mod graphql;
