//! What the reaper of contents sees and takes.

use workroom::{
    clock,
    model::{
        file::{FileArea, PinnedFile},
        id::VersionId,
        scope::Sweep,
        uint53::UInt53,
    },
    store::{
        Store, file, run,
        sweep::{self, Gone},
    },
};

use super::fixture::{Desk, reading, unit};
use crate::support::on_both;

on_both! {
    async fn only_what_nothing_names_is_loose(store: Store) {
        let desk = Desk::of(&store, "ada").await;
        let reaper = Sweep::new();
        let (_, replaced) = desk.put(&store, FileArea::Drive, "a.md").await;
        let (_, present) = desk.put(&store, FileArea::Drive, "a.md").await;
        let (_, pinned) = desk.put(&store, FileArea::Drive, "b.md").await;
        let lease = desk.start(&store).await;
        let kept = desk.deliver(&store, &lease, "c.md").await.version;
        let scope = desk.scope;
        let input = PinnedFile {
            run_id: lease.run_id(), path: "b.md".into(), version_id: pinned.version_id, sha256: String::new(), size: UInt53::default(),
        };
        unit!(store, [] tx => {
            run::insert_inputs(tx, &[input]).await?;
            file::remove(tx, &scope, FileArea::Drive, "b.md").await
        })
        .expect("a deletion");

        let looked = sweep::look(&mut reading(&store).await, &reaper, None, 10).await.expect("a look");
        let named: Vec<_> = looked.iter().map(|looked| (looked.version_id, looked.named)).collect();
        let told = [(&replaced, false), (&present, true), (&pinned, true), (&kept, true)];
        assert_eq!(named, told.map(|(version, named)| (version.version_id, named)));
        let rest = sweep::look(&mut reading(&store).await, &reaper, Some(present.version_id), 1).await.expect("a look");
        assert_eq!(rest, looked[2..3]);

        let now = clock::now();
        let all: Vec<VersionId> = looked.iter().map(|looked| looked.version_id).collect();
        let forgotten = unit!(store, [all] tx => sweep::forget(tx, &reaper, &all, now).await).expect("an answer");
        assert_eq!(forgotten, [], "nothing was marked");
        // Even what was marked by mistake stays as long as something names it.
        unit!(store, [all] tx => sweep::mark(tx, &reaper, &all, Some(now)).await).expect("marks");
        let earlier = now - chrono::Duration::seconds(1);
        let forgotten = unit!(store, [all] tx => sweep::forget(tx, &reaper, &all, earlier).await).expect("an answer");
        assert_eq!(forgotten, [], "nothing has been loose for that long");
        let forgotten = unit!(store, [all] tx => sweep::forget(tx, &reaper, &all, now).await).expect("an answer");
        let gone = Gone { project_id: desk.project.id, area: FileArea::Drive, version_id: replaced.version_id };
        assert_eq!(forgotten, [gone]);
        unit!(store, [all] tx => sweep::mark(tx, &reaper, &all, None).await).expect("marks");
        let looked = sweep::look(&mut reading(&store).await, &reaper, None, 10).await.expect("a look");
        assert!(looked.iter().all(|looked| looked.named && looked.loose_since.is_none()));

        let mut known = sweep::known(&mut reading(&store).await, &reaper, &all).await.expect("a look");
        known.sort_unstable();
        assert_eq!(known, all[1..]);
    }
}
