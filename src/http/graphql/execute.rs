//! Running an operation so that nothing which happens inside can take the connection with it.

use std::panic::AssertUnwindSafe;

use async_graphql::{Executor, Response, parser::types::OperationType};
use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use tokio::time::timeout;

use super::{
    answer::{Answer, Body, failure, polish, raw},
    request::Operation,
    settings::Limits,
};
use crate::{
    error::{Error, Kind},
    graphql::audience::Seat,
};

/// Executes a query or a mutation. Ends in time: what takes too long is dropped where it waits.
pub(super) async fn once<E: Executor>(executor: &E, operation: Operation, limits: &Limits) -> Response {
    let execution = AssertUnwindSafe(executor.execute(operation.request)).catch_unwind();
    match timeout(limits.execution, execution).await {
        Ok(Ok(response)) => polish(response),
        Ok(Err(_)) => panicked(),
        Err(_) => failure(&Error::new(Kind::Timeout, "The request took too long and was stopped.")),
    }
}

/// Executes any operation: the results of a subscription, or the one result of anything else.
pub(super) fn stream<E: Executor>(executor: E, operation: Operation, limits: &Limits) -> BoxStream<'static, Answer> {
    if operation.kind == OperationType::Subscription {
        let seat = operation.question().map(|question| Seat::new(&question));
        let request = match &seat {
            Some(seat) => operation.request.data(seat.clone()),
            None => operation.request,
        };
        let shared = move |response: &Response| seat.as_ref()?.share(response, |response| raw(&Body(response)));
        // After a panic the stream is at its end.
        return AssertUnwindSafe(executor.execute_stream(request, None))
            .catch_unwind()
            .map(|result| result.map_or_else(|_| panicked(), polish))
            .map(move |response| shared(&response).map_or_else(|| response.into(), Answer::Shared))
            .boxed();
    }
    let limits = limits.clone();
    stream::once(async move { once(&executor, operation, &limits).await.into() }).boxed()
}

/// The panic itself is in the log already: the process's panic hook wrote it.
fn panicked() -> Response {
    failure(&Error::internal("a resolver panicked"))
}
