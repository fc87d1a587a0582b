//! The first bytes of a connection in clear, by which HTTP/2 is told from HTTP/1.1. They are taken, for a look without
//! taking costs as much as a read, and whoever reads the connection then gets them before all others.
//!
//! It neither answers nor waits longer than the worker's reaper lets it.

use crate::connection::Held;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, ReadBuf};

/// The first bytes of HTTP/2 in clear (RFC 9113, section 3.4); no HTTP/1.1 method begins so.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0";
/// How much is read at once: a whole head, nearly always.
pub(crate) const READ_BYTES: usize = 2 * 1024;

/// Reads into `first` until it is clear whether they begin HTTP/2, or nothing more comes.
///
/// # Errors
/// The stream's, and [`io::ErrorKind::TimedOut`] when the connection's time is up.
pub(crate) async fn begins_as_h2(
    stream: &mut (impl AsyncRead + Unpin),
    first: &mut Vec<u8>,
    held: &Held,
) -> io::Result<bool> {
    loop {
        let read = poll_fn(|cx| {
            held.wake_with(cx.waker());
            if held.waiting.is_expired() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            poll_more(stream, first, cx)
        });
        let read = read.await?;
        if read == 0 || first.len() >= H2_PREFACE.len() || !H2_PREFACE.starts_with(first) {
            return Ok(first.starts_with(H2_PREFACE));
        }
    }
}

/// By way of the stack: what is kept is as long as what came.
fn poll_more(
    stream: &mut (impl AsyncRead + Unpin),
    first: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut buffer = [0; READ_BYTES];
    let mut buffer = ReadBuf::new(&mut buffer);
    let read = Pin::new(stream).poll_read(cx, &mut buffer);
    read.map_ok(|()| {
        first.extend_from_slice(buffer.filled());
        buffer.filled().len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::Connections;
    use crate::limits::Limits;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    /// What comes in these pieces, and then the end; none of it may be lost.
    #[track_caller]
    fn check(pieces: &[&str], h2: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let (seen, read) = runtime.unwrap().block_on(async {
            let held = Connections::new(1, Duration::from_secs(3_600)).enter();
            let (mut client, mut stream) = tokio::io::duplex(READ_BYTES);
            let mut read = Vec::new();
            let send = async {
                for piece in pieces {
                    client.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(client);
            };
            let (seen, ()) = tokio::join!(begins_as_h2(&mut stream, &mut read, &held), send);
            stream.read_to_end(&mut read).await.unwrap();
            (seen.unwrap(), read)
        });
        assert_eq!(seen, h2, "{pieces:?}");
        assert_eq!(read, pieces.concat().as_bytes());
    }

    #[test]
    fn http2_is_told_by_its_preface_however_it_comes() {
        check(&["PRI * HTTP/2.0\r\n\r\nSM"], true);
        check(&["PRI *", " HTTP/2", ".0", "\r\n"], true);
        check(&["GET / HTTP/1.1\r\n"], false);
        check(&["P", "OST / HT", "TP/1.1"], false);
        check(&["PRI * HTTP/1.1\r\n"], false);
        check(&["PRI"], false);
        check(&[], false);
    }

    #[tokio::test]
    async fn whoever_says_nothing_is_given_up() {
        let limits = Limits {
            head: Duration::ZERO,
            ..Limits::default()
        };
        let connections = Connections::new(1, Duration::from_secs(3_600));
        let held = connections.enter();
        let (_client, mut stream) = tokio::io::duplex(READ_BYTES);
        let mut first = Vec::new();
        let given_up = async {
            while !held.waiting.is_expired() {
                tokio::task::yield_now().await;
                connections.reap(&limits);
            }
        };
        let (seen, ()) = tokio::join!(begins_as_h2(&mut stream, &mut first, &held), given_up);
        assert_eq!(seen.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
