//! A client's socket that is closed in two steps, as RFC 9112, section 9.6 asks for.
//!
//! A socket that is closed while bytes of the client are unread resets the connection, and what we wrote last is lost on
//! its way: the end of an answer, or the frame that says why there is none. So what hyper has shut down for writing is
//! read to its end first, for a short while. Nothing that comes in then is looked at.

use crate::connection::Waiting;
use crate::preface::READ_BYTES;
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
    /// What was read already and is to be read first; empty from then on.
    first: Vec<u8>,
    /// Knows whether the client has said all it will.
    told: Option<Arc<Waiting>>,
    is_shut_down: bool,
    client_is_done: bool,
}

impl Return {
    /// Hands the socket out.
    pub(crate) fn lend(&self, stream: TcpStream) -> Lingering {
        Lingering {
            stream: Some(stream),
            back: self.clone(),
            first: Vec::new(),
            told: None,
            is_shut_down: false,
            client_is_done: false,
        }
    }

    /// The socket, where it must not be closed yet.
    pub(crate) fn came_back(self) -> Option<TcpStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Reads the socket to its end, for as long as [`LINGER`].
pub(crate) async fn linger(stream: TcpStream) {
    // However it ends, the client had its time.
    let _ = tokio::time::timeout(LINGER, read_to_end(&stream)).await;
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
    /// These were read from the socket before; they are read again before all that follows.
    pub(crate) fn behind(mut self, first: Vec<u8>) -> Self {
        self.first = first;
        self
    }

    /// Closes at once behind a client that has said all it will ([`Waiting::has_said_all`]).
    pub(crate) fn told_by(mut self, waiting: Arc<Waiting>) -> Self {
        self.told = Some(waiting);
        self
    }

    /// Whether no byte of the client is lost by closing now, as far as is known without asking the system.
    fn has_heard_all(&self, cx: &mut Context<'_>) -> bool {
        let said_all = self
            .told
            .as_ref()
            .is_some_and(|waiting| waiting.has_said_all());
        let stream = self
            .stream
            .as_ref()
            .filter(|_| said_all && self.first.is_empty());
        stream.is_some_and(|stream| stream.poll_read_ready(cx).is_pending())
    }

    fn poll_socket(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = self.io().poll_read(cx, buf);
        if read.is_ready() && buf.filled().len() == before {
            self.client_is_done = true;
        }
        read
    }

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
        if self.first.is_empty() {
            return self.poll_socket(cx, buf);
        }
        let is_all = self.first.len() < READ_BYTES;
        read_first(&mut self.first, buf);
        if !is_all && buf.remaining() > 0 {
            // hyper sizes its buffer by what a read brings, so this one is to bring what one read would have. If the socket
            // has ended, it says so again.
            let _ = self.poll_socket(cx, buf);
        }
        Poll::Ready(Ok(()))
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
        if self.has_heard_all(cx) {
            return Poll::Ready(Ok(()));
        }
        let shut = self.io().poll_shutdown(cx);
        self.is_shut_down |= matches!(shut, Poll::Ready(Ok(())));
        shut
    }
}

/// Hands on what there is room for.
fn read_first(first: &mut Vec<u8>, buf: &mut ReadBuf<'_>) {
    let some = first.len().min(buf.remaining());
    buf.put_slice(&first[..some]);
    if some == first.len() {
        *first = Vec::new();
    } else {
        first.drain(..some);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const REQUEST: &str = "a request";

    /// Whether a socket that is shut down lingers, after reading as much as a request is long.
    #[track_caller]
    fn check(client_says: &str, says_no_more: bool, lingers: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let came_back = runtime.unwrap().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut client = TcpStream::connect(address).await.unwrap();
            client.write_all(client_says.as_bytes()).await.unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let (back, waiting) = (Return::default(), Arc::<Waiting>::default());
            let mut lent = back.lend(stream).told_by(Arc::clone(&waiting));
            // A byte more than the request has, so that a request alone leaves nothing unread.
            let mut seen = [0; REQUEST.len() + 1];
            let _ = lent.read(&mut seen).await.unwrap();
            waiting.says_no_more(says_no_more);
            lent.shutdown().await.unwrap();
            drop(lent);
            back.came_back().is_some()
        });
        assert_eq!(came_back, lingers, "{client_says:?} {says_no_more}");
    }

    #[test]
    fn only_a_client_that_says_no_more_and_sends_no_more_is_closed_on_at_once() {
        check(REQUEST, false, true);
        check(REQUEST, true, false);
        check("a request and much more", true, true);
    }

    #[tokio::test]
    async fn what_was_read_before_is_read_first() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(b"then this").await.unwrap();
        drop(client);
        let mut lent = Return::default()
            .lend(stream)
            .behind(b"first that, ".to_vec());
        let (mut start, mut rest) = ([0; 5], String::new());
        lent.read_exact(&mut start).await.unwrap();
        lent.read_to_string(&mut rest).await.unwrap();
        assert_eq!((&start, &*rest), (b"first", " that, then this"));
    }
}
