//! The house of Workroom.

pub mod agent;
pub mod clock;
pub mod error;
pub mod graphql;
pub mod http;
pub mod model;
pub mod store;
