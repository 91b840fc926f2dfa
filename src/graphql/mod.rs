//! The schema.

pub mod artifact;
pub mod connection;
pub mod container;
pub mod file;
pub mod interface;
pub mod limits;
pub mod object;
pub mod plan;
pub mod project;
mod repeats;
pub mod root;
pub mod run;
pub mod session;
pub mod upload;
pub mod user;
