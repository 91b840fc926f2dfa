//! The front door: routes, who is asking, GraphQL, downloads, health.

mod download;
mod gate;
pub mod graphql;
pub mod health;
mod request_id;
pub mod server;
