//! Servers and workers in processes of their own, on one PostgreSQL and one folder of files.

mod alone;
mod bridge;
mod deaths;
mod site;
mod together;
