//! The front door: routes, who is asking, GraphQL and its page, downloads and exports, health.

mod address;
mod condition;
mod download;
mod export;
mod gate;
pub mod graphiql;
pub mod graphql;
pub mod health;
mod request_id;
pub mod server;
