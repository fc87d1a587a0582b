//! The largest request body: refused at once where its length is told, cut off where it is not.
//!
//! Never buffers a body and never holds one back.

use bytes::Buf;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The most bytes that a request body may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    bytes_max: u64,
}

impl BodyLimit {
    /// A limit of this many bytes; 0 allows empty bodies only.
    pub const fn new(bytes_max: u64) -> Self {
        Self { bytes_max }
    }

    /// Whether the head alone tells that the body is too large (413). A length that cannot be read tells nothing:
    /// [`LimitedBody`] counts what really comes.
    pub fn refuses(self, headers: &HeaderMap) -> bool {
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok());
        length
            .and_then(|digits| digits.parse().ok())
            .is_some_and(|length: u64| length > self.bytes_max)
    }

    /// The body, cut off with an error where it grows beyond the limit.
    pub fn limit<B>(self, body: B) -> LimitedBody<B> {
        LimitedBody {
            body,
            bytes: 0,
            bytes_max: self.bytes_max,
        }
    }
}

/// Why a [`LimitedBody`] ended early.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitedBodyError<E> {
    /// It grew beyond the limit: the client's fault, 413 if the response has not begun.
    #[error("request body exceeds {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The body itself failed.
    #[error("reading the request body")]
    Body(#[source] E),
}

/// A body that fails where it grows beyond its limit. The frame that crosses the limit is not passed on.
#[derive(Debug)]
pub struct LimitedBody<B> {
    body: B,
    bytes: u64,
    bytes_max: u64,
}

impl<B> LimitedBody<B> {
    /// How many bytes have come, those of a frame beyond the limit included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn count<D: Buf, E>(&mut self, frame: Frame<D>) -> Result<Frame<D>, LimitedBodyError<E>> {
        let bytes = frame.data_ref().map_or(0, Buf::remaining);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > self.bytes_max {
            return Err(LimitedBodyError::TooLarge {
                bytes_max: self.bytes_max,
            });
        }
        Ok(frame)
    }
}

impl<B: Body + Unpin> Body for LimitedBody<B> {
    type Data = B::Data;
    type Error = LimitedBodyError<B::Error>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(frame.map(|frame| match frame {
            Ok(frame) => self.count(frame),
            Err(error) => Err(LimitedBodyError::Body(error)),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http::HeaderValue;
    use std::collections::VecDeque;
    use std::task::Waker;

    #[test]
    fn what_the_head_tells() {
        #[rustfmt::skip]
        let cases = [
            (Some("10"), 10, false),
            (Some("11"), 10, true),
            (Some("1"),  0,  true),
            (Some("0"),  0,  false),
            (None,       0,  false),
            (Some("18446744073709551615"), u64::MAX - 1, true),
            (Some("18446744073709551616"), 10, false),
            (Some("-1"), 10, false),
            (Some("ten"), 10, false),
        ];
        for (length, max, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from_static(length))));
            assert_eq!(
                BodyLimit::new(max).refuses(&headers),
                expected,
                "{length:?} of {max}"
            );
        }
    }

    /// A body that gives these frames, or fails at `None`.
    struct Frames(VecDeque<Option<Frame<Bytes>>>);

    impl Body for Frames {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(self.0.pop_front().map(|frame| frame.ok_or("reset")))
        }
    }

    fn data(bytes: usize) -> Option<Frame<Bytes>> {
        Some(Frame::data(Bytes::from(vec![b'x'; bytes])))
    }

    /// Takes frames until one fails or there are no more; each is told by its bytes, trailers as `None`.
    fn take(
        body: &mut LimitedBody<Frames>,
    ) -> (Vec<Option<usize>>, Option<LimitedBodyError<&'static str>>) {
        let mut context = Context::from_waker(Waker::noop());
        let mut taken = Vec::new();
        loop {
            match Pin::new(&mut *body).poll_frame(&mut context) {
                Poll::Ready(Some(Ok(frame))) => taken.push(frame.data_ref().map(Bytes::len)),
                Poll::Ready(Some(Err(error))) => return (taken, Some(error)),
                Poll::Ready(None) => return (taken, None),
                Poll::Pending => unreachable!("the frames are there"),
            }
        }
    }

    #[test]
    fn what_the_body_tells() {
        let too_large = |bytes_max| Some(LimitedBodyError::TooLarge { bytes_max });
        let trailers = || Some(Frame::trailers(HeaderMap::new()));
        #[rustfmt::skip]
        let cases = [
            (10, vec![data(4), data(6), trailers()], vec![Some(4), Some(6), None], None,          10),
            (10, vec![data(4), data(7), data(1)],    vec![Some(4)],                too_large(10), 11),
            (0,  vec![data(0)],                      vec![Some(0)],                None,          0),
            (0,  vec![data(1)],                      vec![],                       too_large(0),  1),
            (10, vec![data(4), None],                vec![Some(4)],                Some(LimitedBodyError::Body("reset")), 4),
        ];
        for (max, frames, expected, error, bytes) in cases {
            let mut body = BodyLimit::new(max).limit(Frames(frames.into()));
            assert_eq!(take(&mut body), (expected, error), "limit of {max}");
            assert_eq!(body.bytes(), bytes, "limit of {max}");
        }
    }
}
