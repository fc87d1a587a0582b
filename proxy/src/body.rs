//! Bodies on their way through: the request's towards the upstream, the response's towards the client.

mod flow;
mod shared;

pub(crate) use flow::{Body, Patience};
pub(crate) use shared::Shared;

use crate::limits::Pace;
use crate::metrics::ErrorClass;
use crate::upstream::Stream;
use crate::upstream::pool::Back;
use crate::upstream::{h1, h2};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use thiserror::Error;

/// Why a body ended before its end. The receiver sees a cut message, never a clean end.
#[derive(Debug, Error)]
pub(crate) enum BodyError {
    #[error("the request body is larger than {0} bytes")]
    TooLarge(u64),
    #[error("reading the request body failed")]
    Downstream(#[source] hyper::Error),
    #[error("reading the response body failed")]
    UpstreamH2(#[source] ::h2::Error),
    #[error("reading the response body failed")]
    Upstream(#[source] Box<h1::BodyError<BodyError>>),
    #[error("no byte of the body for {0:?}")]
    Idle(Duration),
    /// The exchange took too long in all, or its client took nothing.
    #[error("the exchange was given up: {}", .0.as_str())]
    GivenUp(ErrorClass),
    /// hyper reads a client's HTTP/2 stream that was reset, or lost, with `NO_ERROR` as one that ended.
    #[error("the stream ended before its body did")]
    Cut,
}

impl BodyError {
    /// How it is counted.
    pub(crate) fn class(&self) -> ErrorClass {
        match self {
            Self::TooLarge(_) => ErrorClass::BodyTooLarge,
            Self::Downstream(error) if error.is_parse() => ErrorClass::BadBody,
            Self::Downstream(_) => ErrorClass::ClientGone,
            Self::Idle(_) => ErrorClass::BodyTimeout,
            Self::GivenUp(class) => *class,
            Self::Cut => ErrorClass::ClientGone,
            Self::Upstream(_) | Self::UpstreamH2(_) => ErrorClass::UpstreamReset,
        }
    }
}

/// How far a request body is, seen from outside while somebody else reads it.
#[derive(Debug)]
pub(crate) struct Progress {
    last: Cell<Instant>,
    ended: Cell<bool>,
    bytes: Cell<u64>,
    failed: Cell<bool>,
    awaited_since: Cell<Option<Instant>>,
    /// How long the client was waited for before that.
    awaited_before: Cell<Duration>,
    announced: Option<u64>,
    pace: Option<Pace>,
    too_large: Cell<bool>,
}

impl Progress {
    /// `pace` is how slow the client may be, if there is a bound.
    pub(crate) fn new(now: Instant, announced: Option<u64>, pace: Option<Pace>) -> Rc<Self> {
        Rc::new(Self {
            last: Cell::new(now),
            ended: Cell::new(announced == Some(0)),
            bytes: Cell::new(0),
            failed: Cell::new(false),
            awaited_since: Cell::new(None),
            awaited_before: Cell::new(Duration::ZERO),
            announced,
            pace,
            too_large: Cell::new(false),
        })
    }

    fn note<T, E>(&self, polled: &Poll<Option<Result<T, E>>>, over: bool, cut: bool) {
        self.note_wait(polled.is_pending());
        let gone = matches!(polled, Poll::Ready(None));
        if gone && !cut && !self.ended.get() {
            // Long after the last byte, perhaps, and whoever waits for an answer waits from here on.
            self.last.set(Instant::now());
        }
        self.ended.set(self.ended.get() || over || (gone && !cut));
        self.failed
            .set(cut || matches!(polled, Poll::Ready(Some(Err(_)))));
    }

    /// Only what has to be waited for costs a look at the clock.
    fn note_wait(&self, awaited: bool) {
        match self.awaited_since.get() {
            None if awaited => self.awaited_since.set(Some(Instant::now())),
            Some(since) if !awaited => {
                let waited = self.awaited_before.get() + since.elapsed();
                self.awaited_before.set(waited);
                self.awaited_since.set(None);
            }
            _ => {}
        }
    }

    /// Nobody waits for the client yet: this was only a look.
    fn is_not_awaited(&self) {
        self.awaited_since.set(None);
    }

    /// Whether it is the client that we wait for, and not the upstream that takes no more.
    pub(crate) fn is_awaited(&self) -> bool {
        self.awaited_since.get().is_some()
    }

    /// How long the wait for the client's next bytes may take, where its pace has a bound.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let allowed = self.pace?.allows(self.bytes.get())?;
        Some(allowed.saturating_sub(self.awaited_before.get()))
    }

    /// When a client that is waited for turns out to be too slow.
    pub(crate) fn too_slow_at(&self) -> Option<Instant> {
        Some(self.awaited_since.get()? + self.patience()?)
    }

    /// When the last of it came in, be it only its end.
    pub(crate) fn last(&self) -> Instant {
        self.last.get()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// The client went away or broke the framing.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    pub(crate) fn is_too_large(&self) -> bool {
        self.too_large.get()
    }
}

/// A request's body.
#[derive(Debug)]
pub(crate) struct RequestBody(Source);

#[derive(Debug)]
enum Source {
    Whole(Bytes),
    /// On the heap: most requests have none, and all are moved through many hands.
    Stream(Box<Streamed>),
}

/// A body still coming in.
#[derive(Debug)]
struct Streamed {
    body: Incoming,
    /// What was read of it while it was only looked at.
    ahead: Option<Result<Frame<Bytes>, BodyError>>,
    /// HTTP/2 says where a body ends; HTTP/1.1's chunked coding ends without `is_end_stream`.
    multiplexed: bool,
    /// Bytes.
    limit: u64,
    progress: Rc<Progress>,
}

impl RequestBody {
    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self(Source::Whole(bytes))
    }

    /// A body still coming in, of at most `limit` bytes.
    pub(crate) fn stream(
        body: Incoming,
        multiplexed: bool,
        limit: Option<u64>,
        progress: Rc<Progress>,
    ) -> Self {
        Self(Source::Stream(Box::new(Streamed {
            body,
            ahead: None,
            multiplexed,
            limit: limit.unwrap_or(u64::MAX),
            progress,
        })))
    }

    /// Takes what of the body is here already. One that is here in full, as that of a unary gRPC call mostly is, can be sent
    /// again, and nobody waits for its client.
    pub(crate) fn take_what_is_here(self, cx: &mut Context<'_>) -> Self {
        let Source::Stream(mut streamed) = self.0 else {
            return self;
        };
        match streamed.poll(cx) {
            Poll::Ready(None) => Self::empty(),
            Poll::Ready(Some(Ok(frame))) if streamed.body.is_end_stream() && frame.is_data() => {
                Self::whole(frame.into_data().unwrap_or_default())
            }
            polled => {
                streamed.ahead = match polled {
                    Poll::Ready(frame) => frame,
                    Poll::Pending => None,
                };
                streamed.progress.is_not_awaited();
                Self(Source::Stream(streamed))
            }
        }
    }

    /// All of it, where it is here.
    pub(crate) fn into_whole(self) -> Result<Bytes, Self> {
        match self.0 {
            Source::Whole(bytes) => Ok(bytes),
            source @ Source::Stream(_) => Err(Self(source)),
        }
    }

    /// A second one like it, where nothing has to be read again.
    pub(crate) fn duplicate(&self) -> Option<Self> {
        match &self.0 {
            Source::Whole(bytes) => Some(Self::whole(bytes.clone())),
            Source::Stream(_) => None,
        }
    }
}

impl Streamed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.ahead.is_some() {
            return Poll::Ready(self.ahead.take());
        }
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        let over = self.body.is_end_stream();
        let cut = self.multiplexed && !over && matches!(polled, Poll::Ready(None));
        self.progress.note(&polled, over, cut);
        Poll::Ready(match ready!(polled) {
            Some(Ok(mut frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    crate::head::sanitise_trailers(trailers);
                }
                Some(self.note(&frame).map(|()| frame))
            }
            Some(Err(error)) => Some(Err(BodyError::Downstream(error))),
            None if cut => Some(Err(BodyError::Cut)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.body.size_hint();
        let ahead = self.ahead.as_ref().and_then(|ahead| ahead.as_ref().ok());
        let ahead = ahead.and_then(Frame::data_ref).map_or(0, Bytes::len) as u64;
        let mut whole = SizeHint::new();
        if let Some(upper) = rest.upper() {
            whole.set_upper(upper + ahead);
        }
        whole.set_lower(rest.lower() + ahead);
        whole
    }

    fn note(&self, frame: &Frame<Bytes>) -> Result<(), BodyError> {
        let progress = &self.progress;
        progress.last.set(Instant::now());
        let Some(data) = frame.data_ref() else {
            return Ok(());
        };
        let bytes = progress.bytes.get() + data.len() as u64;
        progress.bytes.set(bytes);
        if progress.announced == Some(bytes) {
            progress.ended.set(true);
        }
        if bytes <= self.limit {
            return Ok(());
        }
        progress.too_large.set(true);
        Err(BodyError::TooLarge(self.limit))
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Source::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Source::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Source::Stream(streamed) => streamed.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Whole(bytes) => bytes.is_empty(),
            Source::Stream(streamed) => streamed.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Source::Stream(streamed) => streamed.size_hint(),
        }
    }
}

/// The body of an answer, our own or an upstream's.
#[derive(Debug)]
pub(crate) enum Answer {
    Whole(Bytes),
    H1(h1::ResponseBody<Stream, RequestBody, Back>),
    H2(h2::ResponseBody),
}

impl Answer {
    /// The next frame.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::H1(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|error| BodyError::Upstream(Box::new(error))),
            Self::H2(body) => body.poll_frame(cx).map_err(BodyError::UpstreamH2),
        }
    }

    /// Whether nothing more has to be waited for.
    pub(crate) fn is_here(&self) -> bool {
        match self {
            Self::Whole(_) => true,
            Self::H1(body) => body.is_here(),
            Self::H2(body) => body.is_end_stream(),
        }
    }

    fn is_over(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_empty(),
            Self::H1(body) => body.is_end_stream(),
            Self::H2(body) => body.is_end_stream(),
        }
    }
}
