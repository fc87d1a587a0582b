//! The response as hyper's server sends it: bytes are counted, time is kept, the outcome is recorded when it ends.

use super::shared::Shared;
use super::{Answer, BodyError};
use crate::answer::Active;
use crate::clock::Timer;
use crate::deadline::Deadline;
use crate::metrics::ErrorClass;
use crate::record::Record;
use crate::streams::Streams;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant as TimerInstant;

/// A response body.
pub(crate) struct Body(Place);

/// A body that somebody looks after from outside is shared with him.
enum Place {
    Own(Flow),
    Shared(Rc<RefCell<Shared>>),
}

/// An answer on its way to the client.
pub(crate) struct Flow {
    answer: Answer,
    record: Option<Box<Record>>,
    patience: Option<Patience>,
    timer: Option<Timer>,
    active: Option<Active>,
    given_up: Option<ErrorClass>,
}

/// How long an upstream's body may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Without a byte in either direction.
    pub(crate) idle: Duration,
    /// In all.
    pub(crate) deadline: Option<Deadline>,
}

impl Body {
    pub(crate) fn new(
        answer: Answer,
        record: Option<Box<Record>>,
        patience: Option<Patience>,
    ) -> Self {
        Self(Place::Own(Flow {
            answer,
            record,
            patience,
            timer: None,
            active: None,
            given_up: None,
        }))
    }

    /// The same, given up when nobody asks for it any more.
    pub(crate) fn watched_by(self, streams: &Streams) -> Self {
        match self.0 {
            Place::Own(flow) if !flow.is_over() => {
                let shared = Rc::new(RefCell::new(Shared::new(flow)));
                streams.watch(&shared);
                Self(Place::Shared(shared))
            }
            place => Self(place),
        }
    }

    /// Keeps the connection busy until the body is dropped.
    pub(crate) fn holds(&mut self, active: Active) {
        self.with(|flow| flow.active = Some(active));
    }

    /// Throws an answer of our own away and tells how long it was. One from an upstream has no body that counts, and is
    /// over with its head, be the end of its stream there or not.
    pub(crate) fn discard(&mut self) -> Option<usize> {
        self.with(|flow| match &mut flow.answer {
            Answer::Whole(bytes) => Some(std::mem::take(bytes).len()),
            Answer::H1(_) => None,
            Answer::H2(_) => {
                flow.ended(Ok(()));
                None
            }
        })
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Flow) -> T) -> T {
        match &mut self.0 {
            Place::Own(flow) => act(flow),
            Place::Shared(shared) => act(shared.borrow_mut().flow()),
        }
    }

    fn see<T>(&self, look: impl FnOnce(&Flow) -> T) -> T {
        match &self.0 {
            Place::Own(flow) => look(flow),
            Place::Shared(shared) => look(shared.borrow_mut().flow()),
        }
    }
}

impl Patience {
    /// When a body is given up if nothing moves after `last`.
    fn due(&self, last: TimerInstant) -> TimerInstant {
        let idle = last + self.idle;
        self.deadline
            .map_or(idle, |deadline| idle.min(deadline.at()))
    }

    fn missed(&self) -> Option<ErrorClass> {
        let deadline = self.deadline.filter(Deadline::is_over)?;
        Some(deadline.class())
    }
}

impl Flow {
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let missed = self.given_up.or_else(|| self.missed());
        let polled = match missed {
            Some(class) => Some(Err(BodyError::GivenUp(class))),
            None => match self.answer.poll(cx) {
                Poll::Ready(polled) => polled,
                Poll::Pending => Some(Err(ready!(self.poll_patience(cx)))),
            },
        };
        Poll::Ready(self.passes(polled))
    }

    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<BodyError> {
        let Some(patience) = self.patience else {
            return Poll::Pending;
        };
        let fresh = || Timer::at(patience.due(TimerInstant::now()));
        let timer = self.timer.get_or_insert_with(fresh);
        loop {
            ready!(timer.poll(cx));
            if let Some(class) = patience.missed() {
                return Poll::Ready(BodyError::GivenUp(class));
            }
            match uploaded(self.record.as_deref()).map(|last| patience.due(last)) {
                Some(due) if due > TimerInstant::now() => timer.reset_at(due),
                _ => return Poll::Ready(BodyError::Idle(patience.idle)),
            }
        }
    }

    /// Notes what is passed on.
    fn passes(
        &mut self,
        polled: Option<Result<Frame<Bytes>, BodyError>>,
    ) -> Option<Result<Frame<Bytes>, BodyError>> {
        match polled {
            Some(Ok(mut frame)) => {
                self.moved(&mut frame);
                if self.answer.is_over() {
                    self.ended(Ok(()));
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.ended(Err(&error));
                Some(Err(error))
            }
            None => {
                self.ended(Ok(()));
                None
            }
        }
    }

    fn moved(&mut self, frame: &mut Frame<Bytes>) {
        if let (Some(record), Some(data)) = (&mut self.record, frame.data_ref()) {
            record.bytes_out += data.len() as u64;
        }
        if let Some(trailers) = frame.trailers_mut() {
            sanitise(trailers, self.record.as_deref_mut());
        }
        if let (Some(patience), Some(timer)) = (&self.patience, &mut self.timer) {
            timer.reset_at(patience.due(TimerInstant::now()));
        }
    }

    fn ended(&mut self, outcome: Result<(), &BodyError>) {
        if let Some(record) = self.record.take() {
            record.finish(outcome);
        }
    }

    fn is_over(&self) -> bool {
        self.given_up.is_none() && self.answer.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.answer {
            _ if self.given_up.is_some() => SizeHint::default(),
            Answer::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Answer::H1(body) => body.size_hint(),
            Answer::H2(body) => body.size_hint(),
        }
    }

    /// What the exchange has missed, if it is late.
    pub(super) fn missed(&self) -> Option<ErrorClass> {
        self.patience?.missed()
    }

    /// Lets go of the upstream and of the connection's time; whoever asks still learns that there is no end.
    pub(super) fn give_up(&mut self, class: ErrorClass) {
        self.given_up = Some(class);
        self.answer = Answer::Whole(Bytes::new());
        self.active = None;
        self.timer = None;
        self.ended(Err(&BodyError::GivenUp(class)));
    }
}

/// When the last byte of the request's body came in: while a client sends, its answer may be silent.
fn uploaded(record: Option<&Record>) -> Option<TimerInstant> {
    let progress = record?.request.as_ref()?;
    Some(progress.last().into())
}

fn sanitise(trailers: &mut HeaderMap, record: Option<&mut Record>) {
    crate::head::sanitise_trailers(trailers);
    if let Some(record) = record {
        record.note_trailers(trailers);
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Place::Own(flow) => flow.poll(cx),
            Place::Shared(shared) => shared.borrow_mut().poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.see(Flow::is_over)
    }

    fn size_hint(&self) -> SizeHint {
        self.see(Flow::size_hint)
    }
}

impl Drop for Flow {
    /// hyper drops a body it has no more use for: at its end without asking once more, or because the client went away.
    fn drop(&mut self) {
        if let Some(record) = self.record.take() {
            // hyper asks no more once the announced length is written, be there an end behind it or not.
            let whole = self.answer.is_over() || self.size_hint().exact() == Some(0);
            if whole {
                record.finish(Ok(()));
            }
        }
    }
}
