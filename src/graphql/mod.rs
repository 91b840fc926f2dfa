//! The schema.

pub mod artifact;
pub mod file;
pub mod project;
pub mod run;
pub mod session;
pub mod user;
