//! The stories: whole-server tests on a real server with a real store, one module each.

mod activity;
mod architecture;
mod audit;
mod bad_input;
mod command_line;
mod crash;
mod deletion;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod faults;
mod files;
mod first_run;
mod graphiql;
mod guides;
mod history;
mod integrity;
mod licences;
mod lint;
mod parity;
mod processes;
mod product_audit;
mod projects;
mod relay;
mod runs;
mod schema;
mod sessions;
mod statements;
mod store;
mod support;
mod tenancy;
mod timeline;
mod worker;
mod world;
