//! The subscription root.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, Subscription};
use futures_util::{Stream, StreamExt};

use super::{
    access::Access,
    activity::ProjectActivity,
    audience::{Audiences, Seat, Shared},
    event::RunEvent,
    object::{Obj, Rows},
    paging,
};
use crate::{
    app::activity,
    error::Error,
    model::{
        event::RunEventType,
        id::{ProjectId, RunId},
        page,
        run::Run,
    },
    timeline::follow::Batch,
};

/// Watching.
pub struct Subscription;

/// Watching, over server-sent events or a WebSocket that speaks graphql-transport-ws.
#[Subscription]
impl Subscription {
    /// A run's events after a cursor (from the first when there is none), then live, until the run has ended. Nothing is skipped
    /// and nothing comes twice; after a lost connection, go on with the last `endCursor`. Ends with an error when the project is
    /// deleted.
    async fn run_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which run.")] run_id: RunId,
        #[graphql(
            desc = "Only events after this cursor, which is a sequence in decimal. One beyond the last event is an error."
        )]
        after: Option<String>,
        #[graphql(desc = "Only events of these types, and the one that ends the run.")] types: Option<
            Vec<RunEventType>,
        >,
    ) -> Result<impl Stream<Item = Result<Shared<Obj<RunEventBatch>>>> + use<>> {
        let after = after.map_or(Ok(0), |cursor| page::sequence(&cursor)).map_err(|error| error.at(["after"]))?;
        let run = ctx.loader()?.load_one(run_id).await?.ok_or_else(|| Error::not_found(RunId::NOUN))?;
        let viewer = ctx.viewer()?;
        let batches = ctx.app()?.timeline.follow(viewer, run, after, types)?;
        let audiences = ctx.data::<Audiences>()?;
        let member = ctx.data_opt::<Arc<Seat>>().map(|seat| audiences.join(viewer, seat));
        Ok(batches.map(move |batch| {
            let batch = batch?;
            let first = batch.events.first().map_or(0, |event| event.sequence.get());
            let span = (first, batch.end);
            Ok(Shared { object: Obj(RunEventBatch { run_id, batch }), span, member: member.clone() })
        }))
    }

    /// One project, live: first how things are, then what changes in it - its runs, workspace sessions, files and itself. Each
    /// message tells of a thing as it is now; what changes several times before it is told, is told once. After a lost connection
    /// subscribe again: the snapshot makes up for what was missed. Ends with an error when the project is deleted.
    async fn project_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which project.")] project_id: ProjectId,
    ) -> Result<impl Stream<Item = Result<Obj<ProjectActivity>>> + use<>> {
        watch(ctx, Some(project_id)).await
    }

    /// All of the viewer's projects, live, as `projectActivity` tells of one.
    async fn activity(&self, ctx: &Context<'_>) -> Result<impl Stream<Item = Result<Obj<ProjectActivity>>> + use<>> {
        watch(ctx, None).await
    }
}

async fn watch(
    ctx: &Context<'_>,
    project: Option<ProjectId>,
) -> Result<impl Stream<Item = Result<Obj<ProjectActivity>>> + use<>> {
    let happenings = activity::watch(ctx.app()?, ctx.viewer()?, project).await?;
    Ok(happenings.map(|happening| Ok(Obj(happening?.into()))))
}

/// Some events in a row: what was there when the server looked. One when they trickle, hundreds when catching up.
pub struct RunEventBatch {
    run_id: RunId,
    batch: Batch,
}

/// Some events in a row: what was there when the server looked. One when they trickle, hundreds when catching up.
#[Object]
impl RunEventBatch {
    /// At least one, oldest first; at most 500, and 64 KiB unless the first alone is larger.
    #[graphql(complexity = "paging::batch(child_complexity)")]
    async fn events(&self) -> Rows<RunEvent> {
        self.batch.events.iter().cloned().map(RunEvent::from).collect()
    }

    /// Where to go on: give it as `after`. It moves over events that were not asked for, too.
    async fn end_cursor(&self) -> String {
        self.batch.end.to_string()
    }

    /// The run, as it is now.
    async fn run(&self, ctx: &Context<'_>) -> Result<Obj<Run>> {
        let run = ctx.loader()?.load_one(self.run_id).await?;
        Ok(Obj(run.ok_or_else(|| Error::not_found(RunId::NOUN))?))
    }
}
