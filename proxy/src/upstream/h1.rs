//! The HTTP/1.1 client codec towards backends: one request and its answer on one connection.
//!
//! The codec writes every request from parsed parts with exactly one framing, and refuses every
//! answer whose end could be read in two ways (RFC 9112 sections 6 to 8). No task is spawned:
//! request and answer advance when the caller polls, first [`send`], then the [`ResponseBody`].
//!
//! It never connects, retries, keeps time or pools; a connection fit for another request is handed
//! to the caller's `give_back`, every other one is closed by dropping it. It never copies a field
//! it could not parse, and never sees more of a backend's head than the [`Limits`] allow.

mod body;
mod chunked;
mod connection;
mod error;
mod exchange;
mod framing;
mod limits;
mod names;
mod outgoing;
mod request;
mod response;
mod scan;
mod sending;
#[cfg(test)]
mod tests;
mod trailers;
mod upload;
mod websocket;

use std::fmt;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};

pub use body::ResponseBody;
pub(crate) use connection::is_silent;
pub use connection::{Connection, GiveBack, Probe};
pub use error::{
    BadResponse, BodyError, ChunkFault, Failure, RequestBodyError, RequestFault, SendError,
};
pub use limits::Limits;
pub use request::{
    FieldLines, HexDigits, MoreFields, ReadyLines, RequestFraming, RequestHead, write_head,
};
pub use sending::Sending;

/// What a request led to.
pub enum Outcome<S, B, G> {
    /// A final answer, its fields end-to-end only; see [`send`].
    Response(Response<ResponseBody<S, B, G>>),
    /// The backend switched to the protocol asked for (RFC 9110 section 7.8).
    Upgraded {
        /// The 101 with its fields, among them one `connection: upgrade` and one `upgrade`.
        response: Response<()>,
        /// The connection, now speaking the new protocol.
        io: S,
        /// What the backend already said in the new protocol; to be read before `io`.
        read_ahead: Bytes,
    },
}

impl<S, B, G> fmt::Debug for Outcome<S, B, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, status) = match self {
            Self::Response(response) => ("Response", response.status()),
            Self::Upgraded { response, .. } => ("Upgraded", response.status()),
        };
        f.debug_tuple(kind).field(&status).finish()
    }
}

/// Sends one request and waits for the head of its answer: a future, whose first poll begins to send.
///
/// The head and the body's first frame, if it is there already, leave in one write. While the
/// answer is awaited the body goes on being sent, one frame held at a time. The answer's head may
/// overtake the request's body; then the [`ResponseBody`] goes on sending it while it is polled,
/// and an answer that ends before the request ends it: the connection is closed.
///
/// The answer's fields are end-to-end only: `connection` and what it names, `keep-alive`,
/// `proxy-connection`, `proxy-authenticate`, `te`, `trailer`, `transfer-encoding` and `upgrade`
/// are gone, and so is `content-length`, for the body's size hint says it. Only in answers to HEAD
/// and in 304 does it stay, once and canonical: there it tells of a body that is not sent.
///
/// `give_back` is called at most once: as soon as request and answer are complete, before this
/// function returns if the whole answer came with its head.
///
/// Interim answers (1xx) are skipped, at most 16 of them.
///
/// # Errors
///
/// [`SendError`] says what failed and how far it came, and returns the body if no frame of it was
/// taken. The connection is closed.
pub fn send<S, B, G>(
    connection: Connection<S>,
    head: RequestHead<'_>,
    body: B,
    give_back: G,
) -> Sending<S, B, G>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
    G: GiveBack<S>,
{
    Sending::start(connection, &head, body, give_back)
}
