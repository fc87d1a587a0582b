//! A client's socket that is closed in two steps, as RFC 9112, section 9.6 asks for.
//!
//! A socket that is closed while bytes of the client are unread resets the connection, and what we wrote last is lost on
//! its way: the end of an answer, or the frame that says why there is none. So what hyper has shut down for writing is
//! read to its end first, for a short while. Nothing that comes in then is looked at.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// How long a client may take to close its side: a round trip or two, and time to read what is under way.
const LINGER: Duration = Duration::from_secs(2);
/// How much of what comes meanwhile is read: the most a client has under way in the windows we offer.
const LINGER_BYTES_MAX: usize = 2 << 20;
/// How much of it is read at once: on the stack, and thrown away.
const NOWHERE_BYTES: usize = 4 << 10;

/// Takes the socket back from whoever was given it.
#[derive(Clone, Default)]
pub(crate) struct Return(Arc<Mutex<Option<TcpStream>>>);

/// A socket that comes back through its [`Return`] where closing it now would cut the client short.
pub(crate) struct Lingering {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    back: Return,
    is_shut_down: bool,
    client_is_done: bool,
}

impl Return {
    /// Hands the socket out.
    pub(crate) fn lend(&self, stream: TcpStream) -> Lingering {
        Lingering {
            stream: Some(stream),
            back: self.clone(),
            is_shut_down: false,
            client_is_done: false,
        }
    }

    /// Reads the socket to its end, if it came back and for as long as [`LINGER`].
    pub(crate) async fn linger(self) {
        let came_back = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(stream) = came_back {
            // However it ends, the client had its time.
            let _ = tokio::time::timeout(LINGER, read_to_end(&stream)).await;
        }
    }
}

/// Most clients send nothing more, so there is only a small buffer, and only while something is read.
async fn read_to_end(stream: &TcpStream) -> io::Result<()> {
    let mut left = LINGER_BYTES_MAX;
    while left > 0 {
        stream.readable().await?;
        match stream.try_read(&mut [0; NOWHERE_BYTES]) {
            Ok(0) => return Ok(()),
            Ok(read) => left = left.saturating_sub(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

impl Lingering {
    fn io(&mut self) -> Pin<&mut TcpStream> {
        let stream = self.stream.as_mut();
        Pin::new(stream.expect("a socket is there until it is dropped"))
    }
}

impl Drop for Lingering {
    fn drop(&mut self) {
        if self.is_shut_down && !self.client_is_done {
            let mut back = self.back.0.lock().unwrap_or_else(PoisonError::into_inner);
            *back = self.stream.take();
        }
    }
}

impl AsyncRead for Lingering {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.io().poll_read(cx, buf);
        if read.is_ready() && buf.filled().len() == before {
            self.client_is_done = true;
        }
        read
    }
}

impl AsyncWrite for Lingering {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.io().poll_shutdown(cx);
        self.is_shut_down |= matches!(shut, Poll::Ready(Ok(())));
        shut
    }
}
