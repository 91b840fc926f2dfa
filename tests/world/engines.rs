//! One story, told on both engines.

use super::World;
use crate::support::postgres;

/// A server on a fresh PostgreSQL database; `None` when PostgreSQL is to be skipped.
pub async fn world_on_postgres() -> Option<World> {
    let database = postgres::database().await?;
    Some(World::with(move |settings, _| settings.database_url = database.url).await)
}

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
                if let Some(world) = crate::world::engines::world_on_postgres().await {
                    super::$story(world).await;
                }
            })*
        }
    };
}
pub(crate) use on_both_engines;
