//! The body of an answer over HTTP/2.

use super::pump::Rest;
use super::room::Place;
use ::h2::{Reason, RecvStream};
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use std::rc::Rc;
use std::task::{Context, Poll, ready};

/// An answer's body. Its stream is reset when it is dropped before its end.
#[derive(Debug)]
pub(crate) struct ResponseBody {
    stream: RecvStream,
    /// Bytes still to come, where the head says how many.
    left: Option<u64>,
    rest: Option<Rest>,
    #[expect(dead_code, reason = "held until the answer is over, as its stream is")]
    place: Rc<Place>,
}

impl ResponseBody {
    pub(super) fn of(
        response: Response<RecvStream>,
        rest: Option<Rest>,
        place: Rc<Place>,
    ) -> Response<Self> {
        let (head, stream) = response.into_parts();
        let left = announced(&head.headers).or_else(|| stream.is_end_stream().then_some(0));
        let body = Self {
            stream,
            left,
            rest,
            place,
        };
        Response::from_parts(head, body)
    }

    /// The next frame; `None` only at the end that the peer has marked.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ::h2::Error>>> {
        Poll::Ready(match ready!(self.stream.poll_data(cx)) {
            Some(Ok(data)) => Some(Ok(self.taken(data))),
            Some(Err(fault)) if self.is_whole_but_for(&fault) => None,
            Some(Err(fault)) => Some(Err(fault)),
            None => ready!(self.stream.poll_trailers(cx))
                .map(|trailers| trailers.map(Frame::trailers))
                .transpose(),
        })
    }

    /// The peer may send as many bytes more. h2 has said so already where it knows the stream no more.
    fn taken(&mut self, data: Bytes) -> Frame<Bytes> {
        let _ = self.stream.flow_control().release_capacity(data.len());
        let taken = data.len() as u64;
        self.left = self.left.map(|left| left.saturating_sub(taken));
        Frame::data(data)
    }

    /// A peer that has answered in full may say that it wants no more of the request (RFC 9113, section 8.1).
    fn is_whole_but_for(&self, fault: &::h2::Error) -> bool {
        self.left == Some(0) && fault.reason() == Some(Reason::NO_ERROR)
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}

impl Drop for ResponseBody {
    /// A whole answer leaves the rest of its request to the peer, which may want it.
    fn drop(&mut self) {
        let is_whole = self.is_end_stream() || self.left == Some(0);
        if let Some(rest) = self.rest.take()
            && !is_whole
        {
            rest.give_up();
        }
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}
