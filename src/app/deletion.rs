//! Sweeping up after deleted projects, a step at a time: rows first, then objects, the project's own row last.
//!
//! Each step is small and leaves things so that the next one, in whichever process, finds what is left. Nobody sees any of it: a
//! project that is being deleted does not exist.

use std::time::Duration;

use futures_util::FutureExt;

use super::App;
use crate::{
    clock,
    error::Result,
    model::scope::Sweep,
    store::deletion::{self, Deleting},
};

/// Projects that are looked for at once.
const PROJECTS: i64 = 100;
/// Rows that a step deletes at the most.
const ROWS: i64 = 500;
/// Objects that a step deletes at the most.
const OBJECTS: usize = 100;

/// What there is to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// There may be more, at once.
    More,
    /// Nothing for now: somebody may still be about to write, so the last look comes later.
    Wait,
    /// Nothing.
    Nothing,
}

/// Some projects to sweep up after, those that come after `after`; none when that was the last one.
pub async fn due(app: &App, sweep: Sweep, after: Deleting) -> Result<Vec<Deleting>> {
    deletion::due(&mut app.store.read().await?, &sweep, after, PROJECTS).await
}

/// Takes one step. The project's own row stays until it has been marked for as long as `quiet`: an upload or a tool that was
/// under way at the mark may have written an object since, and while that row is there the sweep comes back for it.
pub async fn step(app: &App, sweep: Sweep, project: Deleting, quiet: Duration) -> Result<Left> {
    // Asked before the look, so that what was written until then is seen by it.
    let is_quiet = clock::now() >= clock::after(project.deleting_at, quiet);
    let rows = app.store.write(move |tx| async move { deletion::rows(tx, &sweep, project.id, ROWS).await }.boxed());
    if rows.await? > 0 || app.files.delete_project(&sweep, project.id, OBJECTS).await? > 0 {
        return Ok(Left::More);
    }
    if !is_quiet {
        return Ok(Left::Wait);
    }
    let last =
        app.store.write(move |tx| async move { deletion::last_rows(tx, &sweep, project.id, ROWS).await }.boxed());
    Ok(if last.await? { Left::Nothing } else { Left::More })
}
