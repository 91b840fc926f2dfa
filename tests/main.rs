//! The stories: whole-server tests on a real server with a real store, one module each.

mod audit;
mod bad_input;
mod command_line;
mod files;
mod first_run;
mod parity;
mod product_audit;
mod projects;
mod store;
mod support;
mod world;
