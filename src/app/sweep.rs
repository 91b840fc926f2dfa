//! Takes away the bytes that nothing names any more, a while after the last name went.
//!
//! Three looks, each idempotent and in small steps. Rows that nothing names are marked, and taken away when they have been marked
//! for long enough; then their bytes. Objects that no row knows, as an interrupted upload leaves them. And what a store does not
//! list. A fault between a row and its bytes leaves an object that no row knows, for the next time.

use futures_util::{FutureExt, TryStreamExt};

use super::App;
use crate::{
    clock,
    error::Result,
    model::{id::VersionId, scope::Sweep},
    store::{self, sweep::Looked},
};

/// Contents looked at in one statement.
const AT_ONCE: i64 = 500;

/// Sweeps once through all contents; answers with how many it took away.
pub async fn sweep(app: &App, sweep: Sweep) -> Result<usize> {
    Ok(loose_contents(app, sweep).await? + unknown_objects(app, sweep).await?)
}

async fn loose_contents(app: &App, sweep: Sweep) -> Result<usize> {
    let now = clock::now();
    let before = clock::before(now, app.rules.keep_unreferenced);
    let (mut after, mut taken) = (None, 0);
    loop {
        let looked = store::sweep::look(&mut app.store.read().await?, &sweep, after, AT_ONCE).await?;
        let Some(last) = looked.last() else { return Ok(taken) };
        after = Some(last.version_id);
        let those = |of: fn(&Looked) -> bool| -> Vec<VersionId> {
            looked.iter().filter(|looked| of(looked)).map(|looked| looked.version_id).collect()
        };
        let newly = those(|looked| !looked.named && looked.loose_since.is_none());
        let again = those(|looked| looked.named && looked.loose_since.is_some());
        let due =
            looked.iter().filter(|looked| !looked.named && looked.loose_since.is_some_and(|since| since <= before));
        let due: Vec<VersionId> = due.map(|looked| looked.version_id).collect();
        if newly.is_empty() && again.is_empty() && due.is_empty() {
            continue;
        }
        let gone = app.store.write(move |tx| {
            async move {
                store::sweep::mark(tx, &sweep, &newly, Some(now)).await?;
                store::sweep::mark(tx, &sweep, &again, None).await?;
                store::sweep::forget(tx, &sweep, &due, before).await
            }
            .boxed()
        });
        for gone in gone.await? {
            app.files.remove_content(gone.project_id, gone.area, gone.version_id).await?;
            taken += 1;
        }
    }
}

async fn unknown_objects(app: &App, sweep: Sweep) -> Result<usize> {
    let before = clock::before(clock::now(), app.rules.keep_unreferenced);
    let mut found = app.files.begun_before(before);
    let mut taken = 0;
    while let Some(objects) = found.try_next().await? {
        let versions: Vec<VersionId> = objects.iter().map(|object| object.version_id).collect();
        // An object this old that has no row will not get one: see `FileVersion::fresh`.
        let known = store::sweep::known(&mut app.store.read().await?, &sweep, &versions).await?;
        for object in objects.iter().filter(|object| !known.contains(&object.version_id)) {
            // One that stays does not hold the others up.
            match app.files.remove(object).await {
                Ok(()) => taken += 1,
                Err(error) => tracing::warn!(?object, ?error, "an object that no row knows cannot be taken away"),
            }
        }
    }
    app.files.tidy(before).await?;
    Ok(taken)
}
