//! The stories: whole-server tests on a real server with a real store, one module each.

mod store;
mod support;
