//! The house of Workroom.

pub mod agent;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod files;
pub mod graphql;
pub mod hint;
pub mod http;
pub mod model;
pub mod store;
pub mod timeline;
pub mod worker;
