//! The schema. A resolver is a call and a return; a noun's edges are in the file of its name.
//!
//! [`schema`] makes the types, without data; [`engine`] puts the house behind them. What is asked for many times in one request
//! goes through `loader`; what many subscribers ask for in the same words is answered once, in [`audience`]. Objects and lists
//! are answered by our own container (`object`, `connection`), the root is mended by [`root::Engine`].

mod access;
pub mod activity;
pub mod admin;
pub mod artifact;
pub mod audience;
pub mod connection;
pub mod container;
mod content;
pub mod event;
pub mod file;
pub mod history;
pub mod input;
pub mod interface;
pub mod limits;
pub mod loader;
pub mod mutation;
pub mod node;
pub mod object;
pub mod paging;
pub mod plan;
pub mod project;
pub mod query;
mod repeats;
pub mod root;
pub mod run;
pub mod session;
pub mod subscription;
pub mod upload;
pub mod user;
pub mod user_error;

use async_graphql::{Request, SDLExportOptions, Schema, SchemaBuilder};
use chrono::{DateTime, Utc};

use self::{
    audience::{Audiences, Terms},
    mutation::Mutation,
    query::Query,
    root::Engine,
    subscription::Subscription,
};
use crate::{app::App, model::scope::Viewer};

/// The deepest nesting of fields. Introspection needs fifteen.
const DEPTH: usize = 16;
/// The most that a document may ask for: each field counts one, and a connection counts its page size times what it holds.
pub const COMPLEXITY: usize = 10_000;

/// What executes the product's operations.
pub type Executor = Engine<Schema<Query, Mutation, Subscription>>;

/// The schema's types and limits, without data.
pub fn schema() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query, Mutation, Subscription)
        .limit_depth(DEPTH)
        .limit_complexity(COMPLEXITY)
        // A hint at names that were not asked for tells strangers what there is.
        .disable_suggestions()
        .override_output_type_description::<DateTime<Utc>>("A time in RFC 3339, in UTC, to the microsecond.")
}

/// The schema in the schema definition language, as it stands in `schema.graphql`.
pub fn sdl() -> String {
    let mut sdl = schema().finish().sdl_with_options(SDLExportOptions::new().include_specified_by());
    sdl.truncate(sdl.trim_end().len());
    sdl.push('\n');
    sdl
}

/// The schema with the house behind it; subscribers who ask the same share answers on these terms.
pub fn engine(app: App, sharing: Terms) -> Executor {
    Engine::new(schema().data(app).data(Audiences::on(sharing)).finish())
}

/// Puts into a request who asks, and loaders that serve nobody else.
pub fn prepare(app: &App, viewer: Viewer, request: Request) -> Request {
    request.data(viewer).data(loader::loader(app, viewer))
}
