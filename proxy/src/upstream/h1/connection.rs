//! A connection between requests: the transport, what was read ahead, and room kept for reuse.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::unconstrained;

use super::limits::{Limits, READ_FIRST, READ_MAX};
use super::names::Names;
use super::outgoing::Outgoing;

/// One connection to a backend, carrying one exchange at a time. Dropping it closes it.
///
/// Its parts stand on the heap, for the connection is moved several times with every request.
pub struct Connection<S> {
    pub(super) wire: Box<Wire<S>>,
}

/// What a connection is made of.
pub(super) struct Wire<S> {
    pub(super) io: S,
    pub(super) incoming: BytesMut,
    pub(super) outgoing: Outgoing,
    pub(super) limits: Limits,
    pub(super) names: Names,
    read_size: usize,
    served: u64,
}

/// Takes a connection that can carry another request: a pool's entry, or any closure.
pub trait GiveBack<S> {
    /// Called at most once, as soon as request and answer are complete.
    fn give_back(self, connection: Connection<S>);
}

impl<S, F: FnOnce(Connection<S>)> GiveBack<S> for F {
    fn give_back(self, connection: Connection<S>) {
        self(connection);
    }
}

impl<S> Connection<S> {
    /// Takes over a transport on which nothing was sent or read.
    pub fn new(io: S, limits: Limits) -> Self {
        let wire = Wire {
            io,
            incoming: BytesMut::new(),
            outgoing: Outgoing::default(),
            limits,
            names: Names::default(),
            read_size: READ_FIRST,
            served: 0,
        };
        Self {
            wire: Box::new(wire),
        }
    }

    /// Exchanges completed on this connection.
    pub fn served(&self) -> u64 {
        self.wire.served
    }

    /// The transport, to note what becomes of it; reading or writing here would break the next exchange.
    pub fn io_mut(&mut self) -> &mut S {
        &mut self.wire.io
    }

    /// The transport, for its addresses and options.
    pub fn io(&self) -> &S {
        &self.wire.io
    }
}

/// A transport that can be asked, without waiting, whether it has anything to say.
pub trait Probe {
    /// Whether, as far as the runtime knows, nothing was said and the end was not met. May take a byte where not.
    fn is_silent(&mut self) -> bool;
}

impl Probe for TcpStream {
    fn is_silent(&mut self) -> bool {
        // Asks the system only where the runtime was told of something, and leaves nobody to be woken.
        let read = self.try_read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// [`Probe::is_silent`] for a transport that can only be read.
pub(crate) fn is_silent(io: &mut (impl AsyncRead + Unpin)) -> bool {
    // Outside the task's budget: an exhausted budget would look like a quiet connection, and stray bytes would be read
    // as the next answer.
    let probe = pin!(unconstrained(poll_fn(|cx| poll_said(io, cx))));
    let mut nobody = Context::from_waker(Waker::noop());
    probe.poll(&mut nobody).is_pending()
}

fn poll_said(io: &mut (impl AsyncRead + Unpin), cx: &mut Context<'_>) -> Poll<()> {
    let mut byte = [0];
    let mut probe = ReadBuf::new(&mut byte);
    Pin::new(io).poll_read(cx, &mut probe).map(drop)
}

impl<S: Probe> Connection<S> {
    /// Whether the idle connection can carry a request, as far as is known without waiting: it was
    /// not closed, and the backend said nothing unasked. When this is false the connection must be
    /// dropped: what it said belongs to no request.
    ///
    /// What the kernel holds but the runtime has not been told of is not seen. So a pool should
    /// prefer the connection it got back last.
    pub fn is_reusable_now(&mut self) -> bool {
        self.wire.is_clean() && self.wire.io.is_silent()
    }
}

impl<S> Wire<S> {
    /// Whether nothing is under way: no byte left to read or to write.
    pub(super) fn is_clean(&self) -> bool {
        self.incoming.is_empty() && self.outgoing.is_empty()
    }

    /// Makes ready for the next request. Room grown for a large body is given back, so that idle
    /// connections stay small.
    pub(super) fn renew(&mut self) {
        self.served += 1;
        self.outgoing.renew();
        if self.read_size > READ_FIRST {
            self.read_size = READ_FIRST;
            self.incoming = BytesMut::new();
        }
    }

    /// Reads in pieces that suit a body with this many bytes to come.
    pub(super) fn expect(&mut self, left: u64) {
        let left = usize::try_from(left).unwrap_or(READ_MAX);
        self.read_size = left.clamp(READ_FIRST, READ_MAX);
    }

    pub(super) fn served(&self) -> u64 {
        self.served
    }

    /// The transport and what was read ahead.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.io, self.incoming.freeze())
    }

    fn spare(&self) -> usize {
        self.incoming.capacity() - self.incoming.len()
    }
}

impl<S: AsyncRead + Unpin> Wire<S> {
    /// Reads once behind what is there; 0 bytes are the end of the stream. A read that fills all
    /// the room makes the next one larger.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.spare() < self.read_size / 4 {
            self.incoming.reserve(self.read_size);
        }
        let spare = self.spare();
        let read = ready!(pin!(self.io.read_buf(&mut self.incoming)).poll(cx))?;
        if read == spare {
            self.read_size = (self.read_size * 2).min(READ_MAX);
        }
        Poll::Ready(Ok(read))
    }
}

impl<S> fmt::Debug for Connection<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut connection = f.debug_struct("Connection");
        connection.field("served", &self.wire.served);
        connection.finish_non_exhaustive()
    }
}
