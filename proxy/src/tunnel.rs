//! An upgraded connection: bytes both ways, untouched, until both sides end, both are silent too long, or a drain ends.

use crate::connection::Held;
use crate::metrics::ErrorClass;
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
    mut record: Box<Record>,
) {
    let held = worker.connections.enter();
    held.waiting.request_begun();
    let idle = worker.shared.config.limits.tunnel_idle;
    tokio::task::spawn_local(async move {
        let seen = Rc::new(Seen::new());
        if let Err(error) = run(downstream, upstream, &held, idle, &seen).await {
            tracing::debug!(%error, "tunnel ended");
            record.error = seen.blame(&error);
        }
        record.request_bytes = seen.from_downstream.get();
        record.bytes_out = seen.from_upstream.get();
        record.finish(Ok(()));
    });
}

/// What went through a tunnel.
struct Seen {
    last: Cell<Instant>,
    from_downstream: Cell<u64>,
    from_upstream: Cell<u64>,
    upstream_failed: Cell<bool>,
}

impl Seen {
    fn new() -> Self {
        Self {
            last: Cell::new(Instant::now()),
            from_downstream: Cell::new(0),
            from_upstream: Cell::new(0),
            upstream_failed: Cell::new(false),
        }
    }

    /// Silence and our own drain are nobody's fault.
    fn blame(&self, error: &io::Error) -> Option<ErrorClass> {
        match error.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => None,
            _ if self.upstream_failed.get() => Some(ErrorClass::UpstreamReset),
            _ => Some(ErrorClass::ClientGone),
        }
    }
}

async fn run(
    downstream: OnUpgrade,
    (upstream, read_ahead): (Stream, Bytes),
    held: &Held,
    idle: Duration,
    seen: &Rc<Seen>,
) -> io::Result<()> {
    let mut upstream = Noted {
        io: upstream,
        seen: seen.clone(),
        upstream: true,
    };
    seen.from_upstream.set(read_ahead.len() as u64);
    // A client may take nothing from the first byte on, so that nothing here waits without a limit.
    let copy = async {
        let mut downstream = Noted {
            io: TokioIo::new(downstream.await.map_err(io::Error::other)?),
            seen: seen.clone(),
            upstream: false,
        };
        downstream.write_all(&read_ahead).await?;
        copy_bidirectional_with_sizes(&mut downstream, &mut upstream, BUFFER_BYTES, BUFFER_BYTES)
            .await
    };
    tokio::select! {
        copied = copy => copied.map(|_| ()),
        () = silence(&seen.last, idle) => Err(io::ErrorKind::TimedOut.into()),
        () = held.cut() => Err(io::ErrorKind::Interrupted.into()),
    }
}

/// Returns when nothing was read on either side for `idle`.
async fn silence(last: &Cell<Instant>, idle: Duration) {
    while last.get().elapsed() < idle {
        tokio::time::sleep_until(last.get() + idle).await;
    }
}

/// A stream that notes what is read, when, and whether it fails.
struct Noted<S> {
    io: S,
    seen: Rc<Seen>,
    upstream: bool,
}

impl<S> Noted<S> {
    fn note<T>(&self, done: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if self.upstream && matches!(done, Poll::Ready(Err(_))) {
            self.seen.upstream_failed.set(true);
        }
        done
    }

    fn count(&self, bytes: usize) {
        let side = if self.upstream {
            &self.seen.from_upstream
        } else {
            &self.seen.from_downstream
        };
        side.set(side.get() + bytes as u64);
        self.seen.last.set(Instant::now());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Noted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.count(buf.filled().len() - before);
        }
        self.note(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.note(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.note(shut)
    }
}
