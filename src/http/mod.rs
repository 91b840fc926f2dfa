//! The front door: routes, who is asking, GraphQL and its page, downloads, health.

mod condition;
mod download;
mod gate;
pub mod graphiql;
pub mod graphql;
pub mod health;
mod request_id;
pub mod server;
