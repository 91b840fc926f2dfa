//! The two databases under a world.

use std::sync::Arc;

use workroom::{config::Settings, worker::Crew};

use super::{World, crew::Gate};
use crate::support::postgres::{Database, database};

/// Which database the servers of a story stand on.
pub enum Engine {
    Sqlite,
    Postgres(Database),
}

impl Engine {
    /// A fresh `PostgreSQL` database, unless that is to be skipped.
    pub async fn postgres() -> Option<Self> {
        database().await.map(Self::Postgres)
    }

    /// A server on it. On `PostgreSQL` each call makes another server on the same database, on `SQLite` one of its own.
    pub async fn world(&self, change: impl FnOnce(&mut Settings, &mut Crew)) -> World {
        World::with(self.below(change)).await
    }

    /// The same with runs that wait at a gate, which is closed.
    pub async fn gated(&self, change: impl FnOnce(&mut Settings, &mut Crew)) -> (World, Arc<Gate>) {
        World::gated(self.below(change)).await
    }

    /// Puts this database below a server that is changed further.
    fn below(&self, change: impl FnOnce(&mut Settings, &mut Crew)) -> impl FnOnce(&mut Settings, &mut Crew) {
        move |settings, crew| {
            if let Self::Postgres(database) = self {
                settings.database_url.clone_from(&database.url);
            }
            change(settings, crew);
        }
    }

    pub async fn remove(self) {
        if let Self::Postgres(database) = self {
            database.remove().await;
        }
    }
}

/// One story, two tests: `name::sqlite` and `name::postgres`.
macro_rules! on_engines {
    ($(async fn $name:ident($engine:ident) $body:block)+) => { $(
        mod $name {
            #[allow(unused_imports, reason = "not every story needs all that its file imports")]
            use super::*;

            async fn story($engine: &$crate::world::engine::Engine) $body

            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                story(&$crate::world::engine::Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                let Some(engine) = $crate::world::engine::Engine::postgres().await else { return };
                story(&engine).await;
                engine.remove().await;
            }
        }
    )+ };
}
pub(crate) use on_engines;

/// One test for each engine, from stories of this module that take a world.
macro_rules! on_both_engines {
    ($($story:ident),* $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                super::$story(crate::world::World::start().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $story() {
                let Some(engine) = crate::world::engine::Engine::postgres().await else { return };
                super::$story(engine.world(|_, _| {}).await).await;
                engine.remove().await;
            })*
        }
    };
}
pub(crate) use on_both_engines;
