//! Sending a request's body: takes one frame at a time and writes it in the announced framing.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::io::AsyncWrite;

use super::error::RequestBodyError;
use super::outgoing::Outgoing;
use super::request::{RequestFraming, write_field};
use crate::head::sanitise_trailers;

const CHUNK_END: &[u8] = b"\r\n";
const CHUNK_END_AND_LAST: &[u8] = b"\r\n0\r\n\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A request's body on its way out.
#[derive(Debug)]
pub(super) struct Upload<B> {
    body: B,
    framing: RequestFraming,
    stage: Stage,
    touched: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The head waits to be written; a frame that is there already goes with it.
    Head,
    /// A frame is taken whenever the one before has been written.
    Body,
    /// The whole request is in the outgoing bytes or written.
    Ended,
}

/// Which side of the upload failed.
#[derive(Debug)]
pub(super) enum UploadFault<E> {
    Write(io::Error),
    Body(RequestBodyError<E>),
}

impl<B> Upload<B> {
    pub(super) fn new(body: B, framing: RequestFraming) -> Self {
        let stage = if framing.is_empty() {
            Stage::Ended
        } else {
            Stage::Head
        };
        Self {
            body,
            framing,
            stage,
            touched: false,
        }
    }

    /// Whether all of the body was put into the outgoing bytes.
    pub(super) fn is_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    /// The body, unless something was taken from it.
    pub(super) fn into_untouched(self) -> Option<B> {
        (!self.touched).then_some(self.body)
    }
}

impl<B> Upload<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// Writes what waits in `outgoing`, then frame after frame, until all is written and flushed.
    pub(super) fn poll<S>(
        &mut self,
        outgoing: &mut Outgoing,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), UploadFault<B::Error>>>
    where
        S: AsyncWrite + Unpin,
    {
        loop {
            let starved = self.take_frame(outgoing, cx).map_err(UploadFault::Body)?;
            ready!(outgoing.poll_drain(io, cx)).map_err(UploadFault::Write)?;
            match self.stage {
                Stage::Ended => return Poll::Ready(Ok(())),
                _ if starved => return Poll::Pending,
                _ => {}
            }
        }
    }

    /// Takes the next frame if there is room for it; true when the body has none yet.
    fn take_frame(
        &mut self,
        outgoing: &mut Outgoing,
        cx: &mut Context<'_>,
    ) -> Result<bool, RequestBodyError<B::Error>> {
        match self.stage {
            Stage::Head => self.stage = Stage::Body,
            Stage::Body if outgoing.is_empty() => {}
            Stage::Body | Stage::Ended => return Ok(false),
        }
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            return Ok(true);
        };
        self.touched = true;
        match frame {
            None => self.end(outgoing, HeaderMap::new())?,
            Some(frame) => self.put(frame.map_err(RequestBodyError::Body)?, outgoing)?,
        }
        Ok(false)
    }

    fn put(
        &mut self,
        frame: Frame<Bytes>,
        outgoing: &mut Outgoing,
    ) -> Result<(), RequestBodyError<B::Error>> {
        match frame.into_data() {
            Ok(data) if data.is_empty() => Ok(()),
            Ok(data) => self.put_data(data, outgoing),
            Err(frame) => match frame.into_trailers() {
                Ok(fields) => self.end(outgoing, fields),
                Err(_) => Ok(()),
            },
        }
    }

    fn put_data(
        &mut self,
        data: Bytes,
        outgoing: &mut Outgoing,
    ) -> Result<(), RequestBodyError<B::Error>> {
        let RequestFraming::Length(left) = &mut self.framing else {
            self.put_chunk(data, outgoing);
            return Ok(());
        };
        let size = data.len() as u64;
        *left = left.checked_sub(size).ok_or(RequestBodyError::TooLong)?;
        if *left == 0 {
            self.stage = Stage::Ended;
        }
        outgoing.push(data, b"");
        Ok(())
    }

    fn put_chunk(&mut self, data: Bytes, outgoing: &mut Outgoing) {
        write!(outgoing.text(), "{:x}\r\n", data.len()).expect("writing to a Vec cannot fail");
        if self.body.is_end_stream() {
            self.stage = Stage::Ended;
            outgoing.push(data, CHUNK_END_AND_LAST);
        } else {
            outgoing.push(data, CHUNK_END);
        }
    }

    /// Ends the body; trailers go only where the framing has room for them.
    fn end(
        &mut self,
        outgoing: &mut Outgoing,
        fields: HeaderMap,
    ) -> Result<(), RequestBodyError<B::Error>> {
        match self.framing {
            RequestFraming::Chunked => put_last_chunk(outgoing.text(), fields),
            RequestFraming::Length(0) | RequestFraming::Empty => {}
            RequestFraming::Length(_) => return Err(RequestBodyError::TooShort),
        }
        self.stage = Stage::Ended;
        Ok(())
    }
}

fn put_last_chunk(text: &mut Vec<u8>, mut fields: HeaderMap) {
    sanitise_trailers(&mut fields);
    if fields.is_empty() {
        text.extend_from_slice(LAST_CHUNK);
        return;
    }
    text.extend_from_slice(b"0\r\n");
    for (name, value) in &fields {
        write_field(text, name, value);
    }
    text.extend_from_slice(b"\r\n");
}
