//! A response that somebody looks after from outside, because its client may take too little of it.

use super::BodyError;
use super::flow::Flow;
use crate::limits::PROGRESS_BYTES;
use crate::metrics::ErrorClass;
use crate::runtime::Task;
use bytes::Bytes;
use http_body::Frame;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// An answer on its way to the client, and how the client takes it.
pub(crate) struct Shared {
    flow: Flow,
    /// Whether somebody waits for more of it: what is due is due from the upstream then.
    awaited: bool,
    /// Bytes that somebody took.
    taken: u64,
    /// Since when nobody waits for more, and what was taken then.
    stuck: Option<(Instant, u64)>,
    /// Who sends it.
    sender: Option<Task>,
}

impl Shared {
    pub(super) fn new(flow: Flow) -> Self {
        Self {
            flow,
            awaited: false,
            taken: 0,
            stuck: None,
            sender: None,
        }
    }

    pub(super) fn flow(&mut self) -> &mut Flow {
        &mut self.flow
    }

    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.sender.is_none() {
            self.sender = Task::current(cx);
        }
        let polled = self.flow.poll(cx);
        self.awaited = polled.is_pending();
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.taken += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        polled
    }

    /// Gives the body up if its client took too little for longer than `patience`, or the exchange is late and nobody asks.
    pub(crate) fn look(&mut self, now: Instant, patience: Duration) {
        if self.awaited {
            self.stuck = None;
            return;
        }
        let (since, before) = *self.stuck.get_or_insert((now, self.taken));
        let is_stuck = now.saturating_duration_since(since) > patience;
        let stuck = is_stuck.then_some(ErrorClass::ClientGone);
        if let Some(class) = self.flow.missed().or(stuck) {
            self.give_up(class);
        } else if self.taken - before >= PROGRESS_BYTES {
            self.stuck = Some((now, self.taken));
        }
    }

    /// Lets go of the stream, too: its sender, which sleeps until the client opens a window, is ended, by which the stream
    /// is reset.
    fn give_up(&mut self, class: ErrorClass) {
        if let Some(sender) = self.sender.take() {
            sender.end();
        }
        self.flow.give_up(class);
    }
}
