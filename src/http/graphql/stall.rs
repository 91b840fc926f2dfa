//! Letting go of connections whose other end takes nothing.
//!
//! A stream gives up on a client that reads nothing, but what was already handed to the connection stays there: the
//! HTTP layer waits for ever for the last bytes to leave, with some megabytes in its buffers and the kernel's. Only
//! the kernel knows that nothing moves, so it is the one that is asked to end this.

use std::{any::Any, time::Duration};

use actix_web::{dev::Extensions, rt::net::TcpStream};

/// For `HttpServer::on_connect`: drops a connection once its peer has taken nothing of what waits for it for this long.
///
/// A connection on which nothing waits is not touched, however long it is idle. Where the kernel cannot do this, and
/// that is anywhere but on Linux, such a connection stays until the peer hangs up.
pub fn drop_stalled(wait: Duration) -> impl Fn(&dyn Any, &mut Extensions) + Clone + Send + Sync + 'static {
    move |connection, _| {
        if let Some(stream) = connection.downcast_ref::<TcpStream>()
            && let Err(error) = limit(stream, wait)
        {
            tracing::warn!(%error, "a connection could not be bounded");
        }
    }
}

#[cfg(target_os = "linux")]
fn limit(stream: &TcpStream, wait: Duration) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(wait))
}

#[cfg(not(target_os = "linux"))]
fn limit(_: &TcpStream, _: Duration) -> std::io::Result<()> {
    Ok(())
}
