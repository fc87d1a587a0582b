//! An upgraded connection: bytes both ways, untouched, until both sides end, both are silent too long, or a drain ends.

use crate::body::BodyError;
use crate::connection::Held;
use crate::record::Record;
use crate::upstream::Stream;
use crate::worker::Worker;
use bytes::Bytes;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{
    AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional_with_sizes,
};
use tokio::time::Instant;

/// Bytes on their way in each direction.
const BUFFER_BYTES: usize = 16 * 1024;

/// Joins the two sides in a task of the worker; the account is closed when it ends.
pub(crate) fn open(
    worker: &Rc<Worker>,
    downstream: OnUpgrade,
    upstream: (Stream, Bytes),
    mut record: Record,
) {
    let held = worker.connections.enter();
    held.waiting.request_begun();
    let idle = worker.shared.config.limits.tunnel_idle;
    tokio::task::spawn_local(async move {
        match run(downstream, upstream, &held, idle).await {
            Ok((up, down)) => {
                record.request_bytes = up;
                record.bytes_out = down;
                record.finish(Ok(()));
            }
            Err(error) => {
                tracing::debug!(%error, "tunnel ended");
                record.finish(Err(&BodyError::Idle(idle)));
            }
        }
    });
}

async fn run(
    downstream: OnUpgrade,
    (upstream, read_ahead): (Stream, Bytes),
    held: &Held,
    idle: Duration,
) -> io::Result<(u64, u64)> {
    let downstream = downstream.await.map_err(io::Error::other)?;
    let last = Rc::new(Cell::new(Instant::now()));
    let mut downstream = Noted {
        io: TokioIo::new(downstream),
        last: last.clone(),
    };
    let mut upstream = Noted {
        io: upstream,
        last: last.clone(),
    };
    downstream.write_all(&read_ahead).await?;
    let copy =
        copy_bidirectional_with_sizes(&mut downstream, &mut upstream, BUFFER_BYTES, BUFFER_BYTES);
    tokio::select! {
        copied = copy => copied,
        () = silence(&last, idle) => Err(io::ErrorKind::TimedOut.into()),
        () = held.cut() => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Returns when nothing was read on either side for `idle`.
async fn silence(last: &Cell<Instant>, idle: Duration) {
    while last.get().elapsed() < idle {
        tokio::time::sleep_until(last.get() + idle).await;
    }
}

/// A stream that notes when it was last read.
struct Noted<S> {
    io: S,
    last: Rc<Cell<Instant>>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if read.is_ready() {
            self.last.set(Instant::now());
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
