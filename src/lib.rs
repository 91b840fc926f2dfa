//! Workroom: the open, self-hosted backend of an agent project workspace.
//!
//! One binary serves a GraphQL API over projects, workspace sessions, runs, files and artifacts, executes the runs with an agent,
//! streams every run live, and keeps it. This page is the map of the house: what the rooms are, which doors stand between them,
//! and how a request walks through.
//!
//! # The rooms
//!
//! A room may import those in its last column and no others. The architecture test reads this table and the code, and compares
//! them; it also knows who may make each of the capabilities of [`model::scope`]. Change the table in the commit that needs it,
//! and say why.
//!
//! | room | what is in it | may import |
//! |---|---|---|
//! | [`error`] | What can go wrong, in the words of the house. Knows no transport. | |
//! | [`clock`] | The time in microseconds, and new ids. Nobody else asks the system for either. | |
//! | [`config`] | Settings from flags, environment and file. The only reader of the environment. | `error` |
//! | [`model`] | What exists: plain data and pure rules. | `error` `clock` |
//! | [`hint`] | Doorbells: something changed, look again. A hint carries no data. The bridge to other processes. | `store` `model` `error` `clock` |
//! | [`store`] | SQL, and nobody else has any. Each query once, on SQLite and on PostgreSQL. | `model` `error` `clock` |
//! | [`files`] | Bytes: what an object store holds, uploads on their way in, signed addresses. | `model` `error` `clock` |
//! | [`timeline`] | A run's log: append to it, read its tail, follow it. | `store` `hint` `model` `error` |
//! | [`app`] | The use cases: authorise, one unit of change, append events, ring the bell. | `timeline` `store` `files` `hint` `model` `error` `clock` |
//! | [`agent`] | The loop: a turn of the model, its tool calls, until done, cancelled or out of budget. | `app` `timeline` `model` `error` `config` |
//! | [`worker`] | Claims queued runs and has the agent execute them; keeps leases, takes over, reaps. | `agent` `app` `timeline` `store` `hint` `model` `error` `clock` `config` |
//! | [`graphql`] | The schema. A resolver is a call and a return. | `app` `timeline` `store` `files` `model` `error` |
//! | [`http`] | Routes, who is asking, GraphQL over HTTP, WebSocket and server-sent events, downloads, health. | `graphql` `app` `files` `model` `error` `clock` |
//! | [`cli`] | The command line, a file for each subcommand; it wires the parts. | everything |
//!
//! Some doors need a word.
//!
//! - `store` and `files` do not know each other. Rows name objects; `app` makes the bytes durable first and the row after.
//! - `graphql` reads lists straight from `store`, through loaders that hold the viewer. A use case between them would only hand
//!   the page on. It changes nothing there: changes are `app`'s.
//! - `hint` asks `store` for the two connections over which processes notify each other, for they speak SQL. `store` knows nothing
//!   of bells: who commits rings, after the commit.
//! - `worker` asks `store` for what is due across all projects, with the reapers' capability. What it then does is `app`'s again.
//! - `worker` takes runs up through `timeline`, and `agent` knows from it what a lost lease is. What a run's holder appends goes
//!   through the desk of [`app::work`].
//! - `http` asks `files` to stage an upload and to send a download.
//! - [`graphql`] and [`http`] are one front door, [`agent`] and [`worker`] the other. They never call each other. The API asks by
//!   writing a row, a worker does what the row says, both meet in the database and are woken by hints. So each may be in a
//!   process of its own, or in several.
//!
//! # Four walks
//!
//! *Start a run.* `http` finds out who asks. The mutation calls [`app::run::start`], which opens the project for its owner, finds
//! or provisions the session, pins the files, and writes the run and its first event in one unit. It rings. The worker claims the
//! run with a lease; the agent loops, and each step is committed as a whole: the events, the change, the totals. The last
//! commit holds the event that ends the run and the status that says so.
//!
//! *Watch it.* The subscription asks [`timeline`] to follow the run from a cursor. One reader for each run and process reads the
//! new rows at each ring and shares them among all followers; whoever is behind reads the table until they have caught up. What is
//! delivered was committed, in order, without a gap, up to the last event.
//!
//! *Upload and download.* The transport streams a part into [`files::stage`], where it waits as a temporary file.
//! [`app::file::bring::upload`] stores the bytes under their final key and then writes the row that shows them. An address to load them
//! again is signed, names one content, and ends with its time or with the token that asked for it. An address of a history names a
//! project, a filter and a format instead; [`app::history::export`] reads a few runs when the reader has taken those before.
//!
//! *Check that nothing changed.* An event is sealed as it is appended: the store encodes and salts it, and links it into its run's
//! chain ([`model::chain`]) under the lock that gives it its sequence. [`app::integrity`] reads rows and bytes back, a little at a time,
//! and [`model::integrity`] has the rule by which they are compared.
//!
//! # What is not yours does not exist
//!
//! Nothing reads or writes a project's data without a capability of [`model::scope`] in hand: who asks, one project of theirs, the
//! lease of one run, the reapers' sweep, or the inspection of what is sealed. The owner is in the SQL of every query. So the
//! answer about somebody else's project is the answer about one that was never made. What was deleted is the same: a project that
//! is marked does not exist from that commit on, and the worker sweeps up what is left of it, its own row last.
//!
//! An admin's operations hold a capability of their own, which opens sessions and the record of what admins did, and no project;
//! their types in the schema have no edges, so there is no way on from them.

pub mod agent;
pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
pub mod error;
pub mod files;
pub mod graphql;
pub mod hint;
pub mod http;
pub mod model;
pub mod store;
pub mod timeline;
pub mod worker;
