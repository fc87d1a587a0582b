//! Whether a client takes what there is for it. Bytes now and then are no progress: who takes less than
//! [`PROGRESS_BYTES`] while more waits is as stuck as who takes nothing.

use crate::limits::PROGRESS_BYTES;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Written by the connection's worker alone; atomic because hyper wants `Send` streams. Times are in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Taking {
    /// Bytes are there that the client does not take now.
    waits: AtomicBool,
    /// Since when it made no progress; 0 where it takes all there is.
    since: AtomicU64,
    /// What it took since then.
    taken: AtomicU64,
}

impl Taking {
    /// Bytes could not be written.
    pub(super) fn refuses(&self, now: u64) {
        self.waits.store(true, Relaxed);
        if self.since.load(Relaxed) == 0 {
            self.begin(now);
        }
    }

    /// Some bytes were written.
    pub(super) fn takes(&self, bytes: u64, now: u64) {
        if self.since.load(Relaxed) == 0 {
            return;
        }
        let taken = self.taken.load(Relaxed) + bytes;
        if taken < PROGRESS_BYTES {
            self.taken.store(taken, Relaxed);
        } else {
            self.begin(now);
        }
    }

    /// No byte is left to write.
    pub(super) fn took_all(&self) {
        if self.waits.load(Relaxed) {
            self.waits.store(false, Relaxed);
        }
    }

    /// Since when there is no progress, if there is none. Only a client that has taken all when it is looked at starts
    /// anew: taking all of a little, just in time, and then nothing again, is no progress either.
    pub(super) fn stuck_since(&self) -> Option<u64> {
        if !self.waits.load(Relaxed) {
            self.since.store(0, Relaxed);
        }
        let since = self.since.load(Relaxed);
        (since != 0).then_some(since)
    }

    fn begin(&self, now: u64) {
        self.since.store(now.max(1), Relaxed);
        self.taken.store(0, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Step {
        Refuses(u64),
        Takes(u64, u64),
        TookAll,
        Looked,
    }
    use Step::{Looked, Refuses, Takes, TookAll};

    #[track_caller]
    fn check(steps: &[Step], stuck_since: Option<u64>) {
        let taking = Taking::default();
        for step in steps {
            match step {
                Refuses(now) => taking.refuses(*now),
                Takes(bytes, now) => taking.takes(*bytes, *now),
                TookAll => taking.took_all(),
                Looked => drop(taking.stuck_since()),
            }
        }
        assert_eq!(taking.stuck_since(), stuck_since);
    }

    #[test]
    fn a_drip_is_no_progress() {
        check(&[], None);
        check(&[Refuses(5)], Some(5));
        check(&[Refuses(5), Takes(1, 6), Refuses(7)], Some(5));
        let less = PROGRESS_BYTES - 1;
        check(&[Refuses(5), Takes(less, 6), Refuses(7)], Some(5));
        check(
            &[Refuses(5), Takes(less, 6), Takes(1, 8), Refuses(9)],
            Some(8),
        );
    }

    #[test]
    fn who_has_taken_all_when_looked_at_starts_anew() {
        check(&[Refuses(5), Takes(1, 6), TookAll], None);
        check(&[Refuses(5), TookAll, Looked, Refuses(9)], Some(9));
        check(&[Refuses(5), TookAll, Refuses(9)], Some(5));
    }
}
