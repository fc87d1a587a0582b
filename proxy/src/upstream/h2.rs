//! HTTP/2 to an upstream, by hyper's client: one connection for each endpoint and worker, shared by its requests.

use super::stream::Stream;
use crate::body::RequestBody;
use crate::runtime::LocalExecutor;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::time::Duration;

/// A peer that does not answer a PING this long after `PING_EVERY` is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often an otherwise silent connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Bytes one response may send ahead of its reader, and all of a connection together.
const STREAM_WINDOW: u32 = 64 * 1024;
/// See [`STREAM_WINDOW`].
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of one request kept until the upstream takes them.
const SEND_BUFFER: usize = 64 * 1024;
/// A response head's size in bytes (RFC 9113, section 6.5.2).
const HEAD_BYTES_MAX: u32 = 32 * 1024;

/// A handle to an HTTP/2 connection, cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sender(SendRequest<RequestBody>);

impl Sender {
    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Sends a request when the peer has a free stream.
    ///
    /// # Errors
    /// hyper's, with the body where nothing of the request was sent; [`is_unprocessed`] tells whether the peer has certainly not
    /// looked at it.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, (hyper::Error, Option<RequestBody>)> {
        let sent = self.0.try_send_request(request).await;
        sent.map_err(|mut error| {
            let body = error.take_message().map(Request::into_body);
            (error.into_error(), body)
        })
    }
}

/// Begins HTTP/2 on a connection and leaves a task behind that drives it.
///
/// # Errors
/// hyper's, when the connection ends before its preface is sent.
pub(crate) async fn begin(stream: Stream) -> hyper::Result<Sender> {
    let (sender, connection) = Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEAD_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_while_idle(true)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::task::spawn_local(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream HTTP/2 connection ended");
        }
    });
    Ok(Sender(sender))
}

/// Whether the peer has certainly not processed the request: it was never sent, the stream was refused, or its number
/// is above the last one of a GOAWAY (RFC 9113, section 8.7).
pub(crate) fn is_unprocessed(error: &hyper::Error) -> bool {
    if error.is_canceled() {
        return true;
    }
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(h2) = error.downcast_ref::<::h2::Error>() {
            let refused = h2.reason() == Some(::h2::Reason::REFUSED_STREAM);
            return refused || (h2.is_go_away() && h2.reason() == Some(::h2::Reason::NO_ERROR));
        }
        cause = error.source();
    }
    false
}
