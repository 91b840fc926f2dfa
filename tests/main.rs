//! The stories: whole-server tests on a real server with a real store, one module each.

mod audit;
mod first_run;
mod licences;
mod parity;
mod relay;
mod schema;
mod store;
mod support;
mod world;
