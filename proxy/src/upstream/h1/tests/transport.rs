//! A backend that says given pieces and takes what it is given as slowly as it is told to.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How a backend stops talking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Close,
    Reset,
}

/// A transport that yields one piece per read, with a pause before each.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) pieces: VecDeque<Vec<u8>>,
    pub(super) end: End,
    pub(super) paused: bool,
    /// Bytes taken by one write at most.
    pub(super) write_max: usize,
    /// Bytes taken in all, before writing fails.
    pub(super) room: usize,
    pub(super) vectored: bool,
    /// What was written, one entry for each write.
    pub(super) writes: Rc<RefCell<Vec<Vec<u8>>>>,
}

impl Script {
    pub(super) fn new(pieces: impl IntoIterator<Item = Vec<u8>>, end: End) -> Self {
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        Self {
            pieces: pieces.collect(),
            end,
            paused: false,
            write_max: usize::MAX,
            room: usize::MAX,
            vectored: true,
            writes: Rc::default(),
        }
    }

    /// A backend that says this at once and closes.
    pub(super) fn saying(answer: &str) -> Self {
        Self::new([answer.as_bytes().to_vec()], End::Close)
    }

    fn take(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.room == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let taken = bytes.len().min(self.write_max).min(self.room);
        self.room -= taken;
        self.writes.borrow_mut().push(bytes[..taken].to_vec());
        Ok(taken)
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.paused = !self.paused;
        if self.paused && !self.pieces.is_empty() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(mut piece) = self.pieces.pop_front() else {
            return match self.end {
                End::Close => Poll::Ready(Ok(())),
                End::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            };
        };
        let rest = piece.split_off(piece.len().min(buffer.remaining()));
        buffer.put_slice(&piece);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.take(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        assert!(self.vectored, "a vector for a transport that takes none");
        let parts: Vec<&[u8]> = parts.iter().map(|part| &**part).collect();
        Poll::Ready(self.take(&parts.concat()))
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
