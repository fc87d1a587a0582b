//! A downstream stream that notes when bytes come in, and when they do not go out. It changes nothing that passes but heads
//! that [`HeadLines`] finds fault with.

use crate::connection::Waiting;
use crate::lines::{HeadLines, REFUSED};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Tells [`Waiting`] of each read and write.
pub(crate) struct Watched<S> {
    io: S,
    waiting: Arc<Waiting>,
    lines: HeadLines,
}

impl<S> Watched<S> {
    pub(crate) fn new(io: S, waiting: Arc<Waiting>) -> Self {
        Self {
            io,
            waiting,
            lines: HeadLines::new(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let this = &mut *self;
        let read = Pin::new(&mut this.io).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        if new.is_empty() {
            return read;
        }
        let fault = this.lines.look(new, this.waiting.bytes_read());
        match fault {
            Some(at) => refuse_from(buf, before + at),
            None => read,
        }
    }
}

/// Ends a head with what its parser refuses. Without room for that there is no answer, only an end.
fn refuse_from(buf: &mut ReadBuf<'_>, at: usize) -> Poll<io::Result<()>> {
    buf.set_filled(at);
    if buf.remaining() < REFUSED.len() {
        return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
    }
    buf.put_slice(REFUSED);
    Poll::Ready(Ok(()))
}

impl<S> Watched<S> {
    fn written(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match written {
            Poll::Pending => self.waiting.blocked(),
            Poll::Ready(Ok(bytes)) => self.waiting.wrote(bytes),
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.written(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.written(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        match flushed {
            // TLS keeps records of its own.
            Poll::Pending => self.waiting.blocked(),
            Poll::Ready(_) => self.waiting.wrote_all(),
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
