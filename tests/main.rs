//! The stories: whole-server tests on a real server with a real store, one module each.

mod audit;
mod first_run;
mod parity;
mod runs;
mod sessions;
mod store;
mod support;
mod timeline;
mod worker;
mod world;
