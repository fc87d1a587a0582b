//! How many second tries a rule may make: a share of its requests, so that an outage is not answered with more load.

use std::cell::Cell;

/// What one retry costs: a request earns as many as the rule's retry budget has percent.
const RETRY: u32 = 100;
/// Retries that are allowed without any request before them: enough for the first requests after a start.
const RESERVE: u32 = 10;
/// Unused retries are not saved up beyond this.
const SAVED_MAX: u32 = 100;

/// The retry budget of one rule on one worker.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    /// In hundredths of a retry.
    saved: Cell<u32>,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self {
            saved: Cell::new(RESERVE * RETRY),
        }
    }

    /// A request came that earns so many hundredths of a retry.
    pub(crate) fn earn(&self, percent: u8) {
        let saved = self.saved.get() + u32::from(percent);
        self.saved.set(saved.min(SAVED_MAX * RETRY));
    }

    /// Takes one retry, if there is one.
    pub(crate) fn spend(&self) -> bool {
        let left = self.saved.get().checked_sub(RETRY);
        if let Some(left) = left {
            self.saved.set(left);
        }
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(percent: u8, requests: usize, retries: usize) {
        let budget = Budget::new();
        (0..RESERVE).for_each(|_| assert!(budget.spend(), "the reserve"));
        let spent = (0..requests).filter(|_| {
            budget.earn(percent);
            budget.spend()
        });
        assert_eq!(spent.count(), retries);
    }

    #[test]
    fn retries_are_a_share_of_requests() {
        check(25, 1_000, 250);
        check(100, 10, 10);
        check(0, 1_000, 0);
    }
}
