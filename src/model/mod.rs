//! What exists: plain data and pure rules.
//!
//! An entity is one struct, read from a row and shown by the API as it is; its field docs are the schema's descriptions,
//! so they are written for the API's reader. What needs the store to be answered (an edge) lives in `graphql/<noun>.rs`.

pub mod activity;
pub mod admin;
pub mod artifact;
pub mod chain;
pub mod event;
pub mod export;
pub mod file;
pub mod history;
pub mod id;
pub mod integrity;
pub mod page;
pub mod project;
pub mod run;
pub mod scope;
pub mod session;
pub mod text;
pub mod uint53;
pub mod user;
