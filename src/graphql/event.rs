//! Events in the schema: an interface, and a type for each kind.
//!
//! A kind's own fields come from its body in `model::event`; the interface's fields are getters over the event that carries it.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Interface, Result, SimpleObject};
use chrono::{DateTime, Utc};

use super::{access::Access, object::Obj};
use crate::{
    concrete_types,
    error::Error,
    model::{
        artifact::Artifact,
        event::{self, Event, EventBody, RunEventType},
        id::{ArtifactId, RunId},
        run::Run,
        uint53::UInt53,
    },
};

macro_rules! event_types {
    ($($(#[doc = $doc:literal])+ $kind:ident $({ $($edges:tt)* })?)+) => {
        /// One entry of a run's timeline. New kinds may come; a client that knows the interface can show them.
        #[derive(Interface)]
        #[graphql(
            field(name = "id", ty = "ID", desc = "Derived from the run and the sequence."),
            field(name = "run", ty = "Obj<Run>", desc = "Of which run."),
            field(name = "sequence", ty = "UInt53", desc = "1, 2, 3 … without a gap. In decimal it is the event's cursor."),
            field(name = "at", ty = "DateTime<Utc>", desc = "When it was recorded, by the server's clock, which may be set back: the order is that of `sequence`."),
            field(name = "type", method = "kind", ty = "RunEventType", desc = "Its kind.")
        )]
        pub enum RunEvent {
            $($(#[doc = $doc])+ $kind($kind),)+
        }

        concrete_types!(RunEvent: $($kind),+);

        impl From<Arc<Event>> for RunEvent {
            fn from(event: Arc<Event>) -> Self {
                match event.body.clone() {
                    $(EventBody::$kind(body) => Self::$kind($kind { event, body }),)+
                }
            }
        }

        impl RunEvent {
            fn event(&self) -> &Event {
                match self {
                    $(Self::$kind(kind) => &kind.event,)+
                }
            }
        }

        $(
            $(#[doc = $doc])+
            #[derive(SimpleObject)]
            #[graphql(complex)]
            pub struct $kind {
                #[graphql(skip)]
                event: Arc<Event>,
                #[graphql(flatten)]
                body: Arc<event::$kind>,
            }

            #[ComplexObject]
            impl $kind {
                /// Derived from the run and the sequence.
                async fn id(&self) -> ID {
                    ID(format!("{}:{}", self.event.run_id, self.event.sequence.get()))
                }

                /// Of which run.
                async fn run(&self, ctx: &Context<'_>) -> Result<Obj<Run>> {
                    let run = ctx.loader()?.load_one(self.event.run_id).await?;
                    Ok(Obj(run.ok_or_else(|| Error::not_found(RunId::NOUN))?))
                }

                /// 1, 2, 3 … without a gap. In decimal it is the event's cursor.
                async fn sequence(&self) -> UInt53 {
                    self.event.sequence
                }

                /// When it was recorded, by the server's clock, which may be set back: the order is that of `sequence`.
                async fn at(&self) -> DateTime<Utc> {
                    self.event.at
                }

                /// Its kind.
                #[graphql(name = "type")]
                async fn kind(&self) -> RunEventType {
                    self.event.body.kind()
                }

                $($($edges)*)?
            }
        )+
    };
}

event_types! {
    /// The agent said something; `final` marks the answer.
    AgentMessage
    /// The agent saved a deliverable.
    ArtifactCreated {
        /// The deliverable.
        async fn artifact(&self, ctx: &Context<'_>) -> Result<Obj<Artifact>> {
            let artifact = ctx.loader()?.load_one(self.body.artifact_id).await?;
            Ok(Obj(artifact.ok_or_else(|| Error::not_found(ArtifactId::NOUN))?))
        }
    }
    /// A budget of the run is nearly used up.
    BudgetWarning
    /// The agent read a file.
    FileRead
    /// The agent wrote a file.
    FileWritten
    /// Something that a reader of the timeline should know.
    Notice
    /// The run was stopped. The last event.
    RunCancelled
    /// The agent answered. The last event.
    RunCompleted
    /// The run could not be done. The last event.
    RunFailed
    /// The run was asked for. The first event.
    RunQueued
    /// A worker goes on from where another stopped.
    RunResumed
    /// A worker took the run up.
    RunStarted
    /// The agent called a tool.
    ToolCalled
    /// A tool answered.
    ToolReturned
    /// A turn of the model consumed tokens.
    UsageRecorded
}

impl From<Event> for RunEvent {
    fn from(event: Event) -> Self {
        Arc::new(event).into()
    }
}

impl RunEvent {
    /// Its cursor: the sequence in decimal.
    pub(super) fn cursor(&self) -> String {
        self.event().sequence.get().to_string()
    }
}
