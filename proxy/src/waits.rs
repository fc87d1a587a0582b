//! Waits of one worker that mostly end soon: its reaper looks at them, so that a request whose answer comes at once costs
//! no timer and no look at the clock. Nothing here decides what is too long.

use slab::Slab;
use std::cell::RefCell;
use std::task::Waker;
use std::time::Instant;

/// The waits under way; as many as a worker has requests without an answer.
#[derive(Default)]
pub(crate) struct Waits(RefCell<Slab<Entry>>);

struct Entry {
    waker: Waker,
    seen: Option<Instant>,
}

impl Waits {
    /// Begins a wait. Whoever waits is woken when the reaper has seen it.
    pub(crate) fn begin(&self, waker: &Waker) -> Wait<'_> {
        let key = self.0.borrow_mut().insert(Entry {
            waker: waker.clone(),
            seen: None,
        });
        Wait { waits: self, key }
    }

    /// Sees all waits, every [`REAP_INTERVAL`](crate::connection::REAP_INTERVAL).
    pub(crate) fn reap(&self, now: Instant) {
        for (_, entry) in self.0.borrow_mut().iter_mut() {
            if entry.seen.is_none() {
                entry.seen = Some(now);
                entry.waker.wake_by_ref();
            }
        }
    }
}

/// A place among the waits, left when it is dropped.
pub(crate) struct Wait<'w> {
    waits: &'w Waits,
    key: usize,
}

impl Wait<'_> {
    /// When the reaper saw the wait: after it began, by an interval at most. `None` where it did not yet; `waker` is then
    /// woken when it does.
    pub(crate) fn seen(&self, waker: &Waker) -> Option<Instant> {
        let entry = &mut self.waits.0.borrow_mut()[self.key];
        if entry.seen.is_none() {
            entry.waker.clone_from(waker);
        }
        entry.seen
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waits.0.borrow_mut().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_wait_is_seen_once_and_wakes_who_asked_last() {
        let (first, last) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let (waits, now) = (Waits::default(), Instant::now());
        let wait = waits.begin(&first.clone().into());
        assert_eq!(wait.seen(&last.clone().into()), None);
        waits.reap(now);
        waits.reap(now + crate::connection::REAP_INTERVAL);
        assert_eq!(wait.seen(Waker::noop()), Some(now));
        assert_eq!((first.0.load(Relaxed), last.0.load(Relaxed)), (0, 1));
    }

    #[test]
    fn a_wait_that_is_over_is_forgotten() {
        let waits = Waits::default();
        drop(waits.begin(Waker::noop()));
        waits.reap(Instant::now());
        assert!(waits.0.borrow().is_empty());
    }
}
