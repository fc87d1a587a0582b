//! What can go wrong with one exchange, told apart by what the caller may do about it.

use std::io;

/// A request that brought no answer.
///
/// It may be sent again on another connection when `body` is there and the failure is
/// [`Failure::Unsent`], or [`Failure::ClosedBeforeResponse`] and either the method is idempotent
/// or the caller knows otherwise that the backend did nothing (RFC 9110 section 9.2.2). `B` is the
/// request's body and `E` its error.
#[derive(Debug, thiserror::Error)]
#[error("sending a request to a backend")]
pub struct SendError<B, E> {
    /// What failed.
    #[source]
    pub failure: Failure<E>,
    /// The request's body, if nothing was taken from it.
    pub body: Option<B>,
    /// Whether the connection had carried a request before: only then is a close before the
    /// answer the ordinary race with an idle timeout.
    pub reused: bool,
}

/// Why there is no answer. `E` is the error of the request's body.
#[derive(Debug, thiserror::Error)]
pub enum Failure<E> {
    /// The request cannot be written; nothing was sent.
    #[error("the request cannot be written")]
    Request(#[source] RequestFault),
    /// The connection took no byte of the request.
    #[error("the connection took no byte of the request")]
    Unsent(#[source] io::Error),
    /// The connection ended when at least some of the request was sent and no byte of an answer
    /// had come. The error is absent when the backend closed in order.
    #[error("the backend closed before it answered")]
    ClosedBeforeResponse(#[source] Option<io::Error>),
    /// The backend's answer must not be relayed.
    #[error("the backend's answer is not acceptable")]
    BadResponse(#[source] BadResponse),
    /// The connection broke inside the head of the answer.
    #[error("the connection broke inside the answer's head")]
    Io(#[source] io::Error),
    /// The request's body failed, or was not as long as announced.
    #[error("the request's body failed")]
    RequestBody(#[source] RequestBodyError<E>),
}

/// Why a request cannot be written (RFC 9112 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// Neither `*` nor an absolute path, or a byte that may not stand in a target.
    #[error("the target is not in origin form")]
    Target,
    /// CONNECT asks for a tunnel, which this codec does not make.
    #[error("CONNECT is not carried")]
    Connect,
    /// A body behind a request to switch protocols: where the new protocol starts is not safe to say.
    #[error("an upgrade with a body")]
    UpgradeWithBody,
}

/// How a request's body failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestBodyError<E> {
    /// The body itself.
    #[error("reading the request's body")]
    Body(#[source] E),
    /// It ended before its announced length.
    #[error("the request's body is shorter than announced")]
    TooShort,
    /// It went on after its announced length.
    #[error("the request's body is longer than announced")]
    TooLong,
}

/// Why the head of an answer is refused (RFC 9112 sections 2.2, 4, 5 and 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadResponse {
    /// It does not begin as HTTP/1 does.
    #[error("not HTTP/1")]
    NotHttp1,
    /// A line feed without its carriage return.
    #[error("a bare line feed in the head")]
    BareLineFeed,
    /// More bytes than [`Limits::head_bytes`](super::Limits::head_bytes).
    #[error("the head is too large")]
    HeadTooLarge,
    /// More than 100 fields.
    #[error("too many fields")]
    TooManyFields,
    /// A status line or field that does not parse.
    #[error("the head does not parse")]
    Syntax,
    /// A status outside 100 to 599.
    #[error("status {0} is out of range")]
    Status(u16),
    /// A `content-length` that is no number, or several.
    #[error("content-length is not one number")]
    ContentLength,
    /// A transfer coding other than exactly `chunked`.
    #[error("transfer-encoding is not exactly chunked")]
    TransferEncoding,
    /// Both `content-length` and `transfer-encoding`.
    #[error("both content-length and transfer-encoding")]
    TwoFramings,
    /// More interim answers than 16.
    #[error("too many interim answers")]
    TooManyInterim,
    /// A 101 nobody asked for, or to another protocol, or before the request was complete.
    #[error("a switch of protocols that was not asked for")]
    UnaskedUpgrade,
    /// The connection ended inside the head.
    #[error("the head was cut short")]
    Truncated,
}

/// A response body that did not come whole. The connection is closed, and the client must see
/// that the message is cut. `E` is the error of the request's body.
#[derive(Debug, thiserror::Error)]
pub enum BodyError<E> {
    /// The connection ended before the body did.
    #[error("the answer's body was cut short")]
    Truncated,
    /// The chunked coding is broken.
    #[error("the answer's chunked coding is broken")]
    Chunked(#[source] ChunkFault),
    /// The connection broke.
    #[error("the connection broke inside the answer's body")]
    Io(#[source] io::Error),
    /// The request's body failed while it was still being sent.
    #[error("the request's body failed")]
    RequestBody(#[source] RequestBodyError<E>),
}

/// How a chunked coding is broken (RFC 9112 section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChunkFault {
    /// A size line that is not 1 to 16 hexadecimal digits and well-formed extensions.
    #[error("a malformed chunk size")]
    Size,
    /// A size line, or all extensions together, beyond the bound.
    #[error("chunk extensions are too long")]
    Extensions,
    /// Chunk data not followed by CR LF.
    #[error("chunk data does not end where its size says")]
    DataEnd,
    /// A trailer section that does not parse.
    #[error("malformed trailers")]
    Trailers,
    /// A trailer section beyond the bounds.
    #[error("trailers are too large")]
    TrailersTooLarge,
}
