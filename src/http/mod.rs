//! The front door: routes, who is asking, GraphQL, downloads, health.

mod condition;
mod download;
mod gate;
pub mod graphql;
mod health;
mod request_id;
pub mod server;
