//! A request's body made of given frames.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

/// What a body does behind its frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Ends, and tells so with its last frame.
    End,
    /// Ends, but tells so only when asked for more.
    EndUnannounced,
    /// Never says anything.
    Silence,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the test's body fails")
    }
}

impl std::error::Error for Failed {}

/// A body without a known size.
#[derive(Debug)]
pub(super) struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    then: Then,
}

impl Frames {
    pub(super) fn new<D: Into<Bytes>>(data: impl IntoIterator<Item = D>, then: Then) -> Self {
        let frames = data.into_iter().map(|data| Frame::data(data.into()));
        Self {
            frames: frames.collect(),
            then,
        }
    }

    pub(super) fn with_trailers(mut self, trailers: HeaderMap) -> Self {
        self.frames.push_back(Frame::trailers(trailers));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        match (self.frames.pop_front(), self.then) {
            (Some(frame), _) => Poll::Ready(Some(Ok(frame))),
            (None, Then::End | Then::EndUnannounced) => Poll::Ready(None),
            (None, Then::Silence) => Poll::Pending,
            (None, Then::Fail) => Poll::Ready(Some(Err(Failed))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.then == Then::End && self.frames.is_empty()
    }
}

/// A body that keeps silent until its gate is opened, and then does as `Frames` do.
#[derive(Debug)]
pub(super) struct Gated {
    frames: Frames,
    open: Rc<Cell<bool>>,
}

impl Gated {
    pub(super) fn new(then: Then) -> (Self, Rc<Cell<bool>>) {
        let frames = Frames::new(Vec::<Bytes>::new(), then);
        let open = Rc::new(Cell::new(false));
        let gate = Rc::clone(&open);
        (Self { frames, open }, gate)
    }
}

impl Body for Gated {
    type Data = Bytes;
    type Error = Failed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failed>>> {
        if self.open.get() {
            Pin::new(&mut self.frames).poll_frame(cx)
        } else {
            Poll::Pending
        }
    }
}
