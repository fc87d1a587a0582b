//! HTTP/2 to an upstream: connections that requests share, as many at once as the peer allows.
//!
//! The h2 crate is asked by the request's own task. hyper's client asks it for the request, from a task of its own and by two
//! channels, which costs more than the exchange itself where messages are small.

mod body;
mod drive;
mod pump;
mod room;
mod silence;

pub(crate) use body::ResponseBody;
pub(crate) use pump::Sending;
pub(super) use silence::Silence;

use super::stream::Stream;
use crate::body::RequestBody;
use crate::snapshot::Unsent;
use ::h2::Reason;
use ::h2::client::{Builder, SendRequest};
use bytes::Bytes;
use http::Request;
use http_body::Body as _;
use pump::Pump;
use room::{Place, Room};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

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
/// Streams at once until the peer says how many it takes: what RFC 9113, section 6.5.2, asks it to take at least.
const STREAMS_AT_FIRST: usize = 100;

/// A handle to an HTTP/2 connection, cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender {
    requests: SendRequest<Bytes>,
    room: Rc<Room>,
}

/// A handle that holds one of the peer's streams.
pub(crate) struct Turn {
    sender: Sender,
    place: Place,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct SendError {
    pub(crate) fault: ::h2::Error,
    /// The request's body, where nothing of the request was sent.
    pub(crate) unsent: Option<RequestBody>,
}

impl Sender {
    /// Whether it takes no further request: it ended, or the peer said that it will (GOAWAY).
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut nobody = Context::from_waker(Waker::noop());
        let closed = matches!(self.requests.poll_ready(&mut nobody), Poll::Ready(Err(_)));
        if closed {
            self.room.closes();
        }
        closed
    }

    /// How many exchanges there are and wait to be.
    pub(crate) fn used(&self) -> usize {
        self.room.used()
    }

    /// Whether the peer takes one more stream.
    pub(crate) fn has_room(&self) -> bool {
        self.room.has_place()
    }

    /// Whether nobody would have to wait for its turn.
    pub(crate) fn is_open(&self) -> bool {
        self.room.is_open()
    }

    /// Takes a place without waiting, for who has seen [`Sender::is_open`].
    pub(crate) fn turn_now(self) -> Turn {
        let place = Place::of(&self.room);
        Turn {
            sender: self,
            place,
        }
    }

    /// Waits until the peer has a free stream, or takes no more.
    pub(crate) async fn turn(self) -> Turn {
        self.room.opens().await;
        self.turn_now()
    }
}

impl Turn {
    /// Sends a request; what comes of it is the head of its answer. Its body is sent by whoever waits for that, and on after
    /// it. `unsent` is given up once the head is on the wire.
    ///
    /// # Errors
    /// [`SendError`], here and later; [`SendError::is_unprocessed`] tells whether the peer has certainly not looked at it.
    pub(crate) fn send(
        self,
        request: Request<()>,
        body: RequestBody,
        unsent: Option<Unsent>,
    ) -> Result<Sending, SendError> {
        let Self { mut sender, place } = self;
        match sender.requests.send_request(request, body.is_end_stream()) {
            Ok((response, stream)) => {
                let pump = Pump::begin(body, stream, sender.room.silence.clone());
                sender.room.leaves(unsent);
                // From here on its stream holds the connection open.
                drop(sender);
                Ok(Sending::new(response, pump, place))
            }
            Err(fault) => Err(SendError {
                fault,
                unsent: Some(body),
            }),
        }
    }
}

impl SendError {
    /// Whether the peer has certainly not processed the request: it was never sent, the stream was refused, or its number
    /// is above the last one of a GOAWAY (RFC 9113, section 8.7).
    pub(crate) fn is_unprocessed(&self) -> bool {
        let refused = self.fault.is_reset() && self.says(Reason::REFUSED_STREAM);
        self.unsent.is_some() || self.fault.is_remote() && (self.fault.is_go_away() || refused)
    }

    /// Whether the peer is sound for all we know: it ended, or is about to, or takes no more streams just now.
    pub(crate) fn is_nobodys_fault(&self) -> bool {
        self.unsent.is_some() || self.says(Reason::REFUSED_STREAM) || self.says(Reason::NO_ERROR)
    }

    fn says(&self, reason: Reason) -> bool {
        self.fault.reason() == Some(reason)
    }
}

/// Begins HTTP/2 on a connection and leaves a task behind that drives it.
///
/// # Errors
/// h2's, when the connection ends before its preface is sent.
pub(crate) async fn begin(mut stream: Stream) -> Result<Sender, ::h2::Error> {
    let room = Rc::new(Room::new(STREAMS_AT_FIRST));
    stream.tells(room.silence.clone());
    let (requests, connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(HEAD_BYTES_MAX)
        .max_local_error_reset_streams(Some(LOCAL_RESETS_MAX))
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .enable_push(false)
        .handshake(stream)
        .await?;
    tokio::task::spawn_local(drive::drive(connection, room.clone()));
    Ok(Sender { requests, room })
}
