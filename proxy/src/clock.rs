//! Timers of one worker, used again and again: moving a timer that is still armed to a later time costs almost nothing,
//! arming a new one for each request does not.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep, sleep_until};

/// Timers kept for the next request by one worker; as many as requests are usually in flight.
const KEPT_MAX: usize = 1_024;

thread_local! {
    #[expect(clippy::missing_const_for_thread_local, reason = "a vector of pinned boxes made on first use")]
    static KEPT: RefCell<Vec<Pin<Box<Sleep>>>> = RefCell::new(Vec::new());
}

/// A timer that goes back to its worker's store when it is dropped.
#[derive(Debug)]
pub(crate) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Fires at `deadline`.
    pub(crate) fn at(deadline: Instant) -> Self {
        let kept = KEPT.with_borrow_mut(Vec::pop);
        let mut sleep = kept.unwrap_or_else(|| Box::pin(sleep_until(deadline)));
        sleep.as_mut().reset(deadline);
        Self(Some(sleep))
    }

    pub(crate) fn reset_at(&mut self, deadline: Instant) {
        if let Some(sleep) = &mut self.0 {
            sleep.as_mut().reset(deadline);
        }
    }

    /// Fires at `deadline` if it would later.
    pub(crate) fn at_latest(&mut self, deadline: Instant) {
        if let Some(sleep) = &mut self.0
            && sleep.deadline() > deadline
        {
            sleep.as_mut().reset(deadline);
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(sleep) => sleep.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let Some(sleep) = self.0.take() else { return };
        // A thread that is ending has no store any more; the timer then goes with it.
        let _ = KEPT.try_with(|kept| {
            let mut kept = kept.borrow_mut();
            if kept.len() < KEPT_MAX {
                kept.push(sleep);
            }
        });
    }
}
