//! HTTP/2 to an upstream, by hyper's client: connections that requests share, as many at once as the peer allows.

use super::stream::Stream;
use crate::body::RequestBody;
use crate::runtime::LocalExecutor;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// A peer that does not answer a PING this long after `PING_EVERY` is gone.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// How often an otherwise silent connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Bytes one response may send ahead of its reader.
const STREAM_WINDOW: u32 = 64 * 1024;
/// Bytes all responses of a connection may send ahead of their readers: more than those of 200 streams, for clients that
/// read nothing must not hold up others' answers. Half of it is what h2 lets small frames that nobody has read cost, 256
/// bytes each, before it ends the connection.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;
/// Bytes of one request kept until the upstream takes them.
const SEND_BUFFER: usize = 64 * 1024;
/// Streams reset for the upstream's faults in a connection's life, as of clients (MadeYouReset, CVE-2025-8671).
const LOCAL_RESETS_MAX: usize = 256;
/// A response head's size in bytes (RFC 9113, section 6.5.2).
const HEAD_BYTES_MAX: u32 = 32 * 1024;

/// A handle to an HTTP/2 connection, cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    requests: SendRequest<RequestBody>,
    /// Weak, for what is queued comes back only once the connection is gone.
    connection: Weak<RefCell<Connection>>,
    place: Place,
}

type Connection =
    hyper::client::conn::http2::Connection<TokioIo<Stream>, RequestBody, LocalExecutor>;

/// An exchange's place on its connection, until its answer is over. Counted by its clones; each handle has one.
#[derive(Clone, Debug)]
pub(crate) struct Place(Rc<()>);

impl Sender {
    pub(crate) fn is_closed(&self) -> bool {
        self.requests.is_closed()
    }

    /// How many exchanges there are, asked of the handle that is kept for further ones.
    pub(crate) fn used(&self) -> usize {
        Rc::strong_count(&self.place.0) - 1
    }

    /// Whether the peer takes one more stream. hyper would let it wait.
    pub(crate) fn has_room(&self) -> bool {
        let connection = self.connection.upgrade();
        connection.is_some_and(|connection| {
            let connection = connection.try_borrow();
            connection.is_ok_and(|connection| self.used() < connection.current_max_send_streams())
        })
    }

    /// Sends a request when the peer has a free stream.
    ///
    /// # Errors
    /// hyper's, with the body where nothing of the request was sent; [`is_unprocessed`] tells whether the peer has certainly
    /// not looked at it.
    pub(crate) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Place), (hyper::Error, Option<RequestBody>)> {
        match self.requests.try_send_request(request).await {
            Ok(response) => Ok((response, self.place)),
            Err(mut error) => {
                let body = error.take_message().map(Request::into_body);
                Err((error.into_error(), body))
            }
        }
    }
}

/// Begins HTTP/2 on a connection and leaves a task behind that drives it.
///
/// # Errors
/// hyper's, when the connection ends before its preface is sent.
pub(crate) async fn begin(stream: Stream) -> hyper::Result<Sender> {
    let (requests, connection) = Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_local_error_reset_streams(LOCAL_RESETS_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_while_idle(true)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(stream))
        .await?;
    let connection = Rc::new(RefCell::new(connection));
    let sender = Sender {
        requests,
        connection: Rc::downgrade(&connection),
        place: Place(Rc::new(())),
    };
    tokio::task::spawn_local(async move {
        let driven = poll_fn(|cx| Pin::new(&mut *connection.borrow_mut()).poll(cx));
        if let Err(error) = driven.await {
            tracing::debug!(%error, "upstream HTTP/2 connection ended");
        }
    });
    Ok(sender)
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
