//! The stories: whole-server tests on a real server with a real store, one module each.

mod architecture;
mod audit;
mod first_run;
mod licences;
mod parity;
mod relay;
mod schema;
mod statements;
mod store;
mod support;
mod tenancy;
mod world;
