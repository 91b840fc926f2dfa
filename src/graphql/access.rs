//! What a resolver finds in its context.

use async_graphql::Context;

use super::loader::Loader;
use crate::{
    app::App,
    error::{Error, Result},
    model::scope::Viewer,
};

/// Short ways to what [`super::engine`] and [`super::prepare`] put there.
pub(super) trait Access<'a> {
    /// The house.
    fn app(&self) -> Result<&'a App>;
    /// Who asks.
    fn viewer(&self) -> Result<Viewer>;
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

    fn loader(&self) -> Result<&'a Loader> {
        self.data().map_err(|error| Error::internal(error.message))
    }
}
