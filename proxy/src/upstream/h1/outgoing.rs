//! What is to be written next: text, then at most one frame's data, then the end of its chunk.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::limits::{COPY_MAX, TEXT_KEPT};

/// Bytes on their way out. Bounded by one head and one frame: [`Upload`](super::upload::Upload)
/// takes the next frame only once this is empty.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    text: Vec<u8>,
    text_sent: usize,
    data: Bytes,
    tail: &'static [u8],
    accepted: bool,
    unflushed: bool,
}

impl Outgoing {
    /// Where text is written. Only while no frame is waiting.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        debug_assert!(self.data.is_empty() && self.tail.is_empty());
        &mut self.text
    }

    /// Puts a frame's data and what ends it behind the text.
    pub(super) fn push(&mut self, data: Bytes, tail: &'static [u8]) {
        if data.len() <= COPY_MAX {
            let text = self.text();
            text.extend_from_slice(&data);
            text.extend_from_slice(tail);
        } else {
            self.data = data;
            self.tail = tail;
        }
    }

    /// Whether everything was written and flushed.
    pub(super) fn is_empty(&self) -> bool {
        self.is_written() && !self.unflushed
    }

    /// Whether the connection took any byte since [`Outgoing::renew`].
    pub(super) fn was_accepted(&self) -> bool {
        self.accepted
    }

    /// Makes ready for the next request, keeping some room for its text.
    pub(super) fn renew(&mut self) {
        self.text.clear();
        self.text.shrink_to(TEXT_KEPT);
        self.accepted = false;
    }

    /// Writes and flushes everything.
    pub(super) fn poll_drain<S>(&mut self, io: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<()>>
    where
        S: AsyncWrite + Unpin,
    {
        while !self.is_written() {
            let written = ready!(self.poll_write(io, cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn is_written(&self) -> bool {
        self.text_sent == self.text.len() && self.data.is_empty() && self.tail.is_empty()
    }

    fn poll_write<S>(&self, io: &mut S, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
    where
        S: AsyncWrite + Unpin,
    {
        let text = &self.text[self.text_sent..];
        let io = Pin::new(io);
        if self.data.is_empty() && self.tail.is_empty() {
            return io.poll_write(cx, text);
        }
        if io.is_write_vectored() {
            let parts = [text, &self.data, self.tail].map(IoSlice::new);
            return io.poll_write_vectored(cx, &parts);
        }
        let parts = [text, &self.data, self.tail];
        let first = parts.into_iter().find(|part| !part.is_empty());
        io.poll_write(cx, first.unwrap_or_default())
    }

    fn advance(&mut self, written: usize) {
        self.accepted = true;
        self.unflushed = true;
        let of_text = written.min(self.text.len() - self.text_sent);
        let of_data = (written - of_text).min(self.data.len());
        let of_tail = written - of_text - of_data;
        self.text_sent += of_text;
        self.data.advance(of_data);
        self.tail = &self.tail[of_tail..];
        if self.text_sent == self.text.len() {
            self.text.clear();
            self.text_sent = 0;
        }
    }
}
