//! How many second tries a rule may make: a share of its requests, so that an outage is not answered with more load.

use haldane_routing::{Action, Rule};
use std::cell::Cell;

/// Retries that are allowed without any request before them: enough for the first requests after a start.
const RESERVE: f64 = 10.0;
/// Unused retries are not saved up beyond this.
const SAVED_MAX: f64 = 100.0;

/// The retry budget of one rule on one worker.
#[derive(Debug)]
pub(crate) struct Budget {
    earned_each: f64,
    balance: Cell<f64>,
}

impl Budget {
    pub(crate) fn new(rule: &Rule) -> Self {
        let percent = match rule.action() {
            Action::Forward(forward) => forward.retry().budget_percent,
            _ => 0,
        };
        Self::of_percent(percent)
    }

    fn of_percent(percent: u8) -> Self {
        Self {
            earned_each: f64::from(percent) / 100.0,
            balance: Cell::new(RESERVE),
        }
    }

    /// A request came.
    pub(crate) fn earn(&self) {
        self.balance
            .set((self.balance.get() + self.earned_each).min(SAVED_MAX));
    }

    /// Takes one retry, if there is one.
    pub(crate) fn spend(&self) -> bool {
        let left = self.balance.get() - 1.0;
        let enough = left >= 0.0;
        if enough {
            self.balance.set(left);
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(percent: u8, requests: usize, retries: usize) {
        let budget = Budget::of_percent(percent);
        (0..RESERVE as usize).for_each(|_| assert!(budget.spend(), "the reserve"));
        let spent = (0..requests).filter(|_| {
            budget.earn();
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
