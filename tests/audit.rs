//! The transport, probed from outside: the npm audits over a small schema, and stories that they do not tell.
//!
//! The schema and its gate stand behind the same [`workroom::http::graphql`] that serves the product. The runners need
//! Node.js and their packages: `npm ci` in `tests/audit`.

mod events;
mod http;
pub mod runners;
mod schema;
mod server;
mod sockets;
mod uploads;
