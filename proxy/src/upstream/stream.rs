//! A connection's bytes, in clear or by TLS.

use super::h1::{self, Probe};
use super::h2::Silence;
use crate::metrics::{UpstreamConnection, UpstreamState};
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// A peer whose system confirms nothing for so long is gone: far more than any way there takes, and little for those who
/// wait.
const RECEIPT_MAX: Duration = Duration::from_secs(10);

/// An upstream connection's bytes, counted as long as it is open.
#[derive(Debug)]
pub(crate) struct Stream {
    transport: Transport,
    counted: UpstreamConnection,
    wants_receipts: bool,
    /// Ended by what is read, where it counts.
    silence: Option<Silence>,
}

#[derive(Debug)]
pub(crate) enum Transport {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(crate) fn new(transport: Transport, counted: UpstreamConnection) -> Self {
        Self {
            transport,
            counted,
            wants_receipts: false,
            silence: None,
        }
    }

    pub(crate) fn is_now(&mut self, state: UpstreamState) {
        self.counted.set(state);
    }

    /// What is read ends this silence from now on.
    pub(super) fn tells(&mut self, silence: Silence) {
        self.silence = Some(silence);
    }

    /// Whether the connection breaks when the peer's system confirms nothing of what is sent for [`RECEIPT_MAX`]. Not for
    /// what a sound peer may take its time to read: a full window counts as nothing confirmed (RFC 793, user timeout).
    pub(crate) fn want_receipts(&mut self, wanted: bool) {
        if self.wants_receipts != wanted && self.set_user_timeout(wanted).is_ok() {
            self.wants_receipts = wanted;
        }
    }

    #[cfg(target_os = "linux")]
    fn set_user_timeout(&self, wanted: bool) -> io::Result<()> {
        let limit = wanted.then_some(RECEIPT_MAX);
        SockRef::from(self.tcp()).set_tcp_user_timeout(limit)
    }

    /// Elsewhere the time for an answer's head is all there is.
    #[cfg(not(target_os = "linux"))]
    fn set_user_timeout(&self, _wanted: bool) -> io::Result<()> {
        Ok(())
    }

    fn tcp(&self) -> &TcpStream {
        match &self.transport {
            Transport::Clear(io) => io,
            Transport::Tls(io) => io.get_ref().0,
        }
    }
}

impl Probe for Stream {
    fn is_silent(&mut self) -> bool {
        match &mut self.transport {
            Transport::Clear(io) => io.is_silent(),
            Transport::Tls(io) => h1::is_silent(io),
        }
    }
}

/// Calls the same method on whichever stream there is.
macro_rules! either {
    ($stream:expr, $method:ident($($argument:expr),*)) => {
        match &mut $stream.transport {
            Transport::Clear(io) => Pin::new(io).$method($($argument),*),
            Transport::Tls(io) => Pin::new(io).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        let polled = either!(stream, poll_read(cx, buf));
        if let (Poll::Ready(Ok(())), Some(silence)) = (&polled, &stream.silence) {
            silence.ends();
        }
        polled
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.transport {
            Transport::Clear(io) => io.is_write_vectored(),
            Transport::Tls(io) => io.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), poll_shutdown(cx))
    }
}
