//! What a resolver finds in its context.

use async_graphql::Context;

use super::loader::Loader;
use crate::{
    app::{App, access},
    error::{Error, Result},
    model::scope::{OutsideWorker, Viewer},
};

/// Short ways to what [`super::engine`] and [`super::prepare`] put there.
pub(super) trait Access<'a> {
    /// The house.
    fn app(&self) -> Result<&'a App>;
    /// Who asks.
    fn viewer(&self) -> Result<Viewer>;
    /// Who asks for a change.
    fn actor(&self) -> Result<Viewer>;
    /// The worker that asks.
    fn worker(&self) -> Result<OutsideWorker>;
    /// The request's loaders.
    fn loader(&self) -> Result<&'a Loader>;
}

impl<'a> Access<'a> for Context<'a> {
    fn app(&self) -> Result<&'a App> {
        self.data().map_err(|error| Error::internal(error.message))
    }

    fn viewer(&self) -> Result<Viewer> {
        self.data().copied().map_err(|_| Error::new(crate::error::Kind::Unauthenticated, "A token is needed."))
    }

    fn actor(&self) -> Result<Viewer> {
        access::actor(self.viewer()?)
    }

    fn worker(&self) -> Result<OutsideWorker> {
        access::worker(&self.viewer()?)
    }

    fn loader(&self) -> Result<&'a Loader> {
        self.data().map_err(|error| Error::internal(error.message))
    }
}
