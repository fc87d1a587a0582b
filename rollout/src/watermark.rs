//! Outcomes in the order in which their requests arrived, so that a version whose requests take longer cannot bias an early
//! look.
//!
//! A canary that fails fast beside a stable version that fails slowly would look guilty for as long as the slow failures
//! are on their way, and one that hangs would look innocent. So requests are kept in cohorts by time of arrival, and a
//! cohort counts only when every request of it has an outcome. One without an outcome after the patience counts as bad:
//! "failed, or took longer than this" is an outcome that is known in time for both versions alike.
//!
//! Cohorts that arrive while stable itself is failing are counted apart as well. Whether it is, is told by earlier cohorts
//! alone: were it told by their own outcomes, chance would decide what counts.

use crate::evidence::{Arm, Arms};
use crate::trouble::Trouble;
use std::collections::VecDeque;

/// The most cohorts that can wait: an hour of seconds, many times the patience of anybody.
pub const COHORTS_MAX: u64 = 3_600;

/// How one request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Good,
    /// Not, by the version's or our own fault.
    Bad,
}

/// The requests whose outcomes do not count yet, and the sum of those that do.
///
/// Cohorts are numbered by the caller, by seconds for instance; their numbers only grow.
#[derive(Clone, Debug)]
pub struct Watermark {
    patience: u64,
    first: u64,
    cohorts: VecDeque<Cohort>,
    counted: Arms,
    trouble: Trouble,
}

#[derive(Clone, Debug, Default)]
struct Cohort {
    waiting: [u64; 2],
    done: Arms,
}

impl Watermark {
    /// Waits at most `patience` cohorts for an outcome, in `1..COHORTS_MAX`; what is beyond is brought into range.
    pub fn new(patience: u64) -> Self {
        Self {
            patience: patience.clamp(1, COHORTS_MAX - 1),
            first: 0,
            cohorts: VecDeque::new(),
            counted: Arms::default(),
            trouble: Trouble::default(),
        }
    }

    /// So many requests arrive and are assigned to a version. A cohort that has been counted takes none.
    pub fn arrive(&mut self, cohort: u64, arm: Arm, requests: u64) {
        if let Some(cohort) = self.open(cohort) {
            cohort.waiting[arm as usize] += requests;
        }
    }

    /// So many requests of that arrival end. For a cohort that has been counted it is too late: they were counted as bad.
    pub fn finish(&mut self, cohort: u64, arm: Arm, outcome: Outcome, requests: u64) {
        if let Some(cohort) = self.known(cohort) {
            cohort.finish(arm, outcome, requests);
        }
    }

    /// The outcomes that count at the start of cohort `now`: every one of a request that arrived before the first request
    /// that is still waited for.
    pub fn counted(&mut self, now: u64) -> &Arms {
        while self.first < now && self.first_is_over(now) {
            let Some(cohort) = self.cohorts.pop_front() else {
                self.first = now;
                break;
            };
            self.first += 1;
            self.count(&cohort.close());
        }
        &self.counted
    }

    fn count(&mut self, done: &Arms) {
        self.counted.add(done);
        if self.trouble.is_on() {
            self.counted.troubled.add(done.errors());
        }
        self.trouble.learn(&done.stable);
    }

    fn first_is_over(&self, now: u64) -> bool {
        let done = self
            .cohorts
            .front()
            .is_none_or(|first| first.waiting == [0, 0]);
        done || now - self.first > self.patience
    }

    fn known(&mut self, cohort: u64) -> Option<&mut Cohort> {
        let place = cohort.checked_sub(self.first)?;
        self.cohorts.get_mut(usize::try_from(place).ok()?)
    }

    fn open(&mut self, cohort: u64) -> Option<&mut Cohort> {
        if cohort.saturating_sub(self.first) >= COHORTS_MAX {
            self.counted(cohort);
        }
        let place = usize::try_from(cohort.checked_sub(self.first)?).ok()?;
        if place >= self.cohorts.len() {
            self.cohorts.resize_with(place + 1, Cohort::default);
        }
        self.cohorts.get_mut(place)
    }
}

impl Cohort {
    /// More endings than arrivals are not counted.
    fn finish(&mut self, arm: Arm, outcome: Outcome, requests: u64) {
        let waiting = &mut self.waiting[arm as usize];
        let requests = requests.min(*waiting);
        *waiting -= requests;
        let counts = self.done.arm_mut(arm);
        counts.requests += requests;
        counts.bad += if outcome == Outcome::Bad { requests } else { 0 };
    }

    fn close(mut self) -> Arms {
        for arm in [Arm::Canary, Arm::Stable] {
            self.finish(arm, Outcome::Bad, self.waiting[arm as usize]);
        }
        self.done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(arms: &Arms) -> [u64; 4] {
        let Arms { canary, stable, .. } = arms;
        [canary.requests, canary.bad, stable.requests, stable.bad]
    }

    #[test]
    fn a_fast_failure_waits_for_what_arrived_with_it() {
        let mut watermark = Watermark::new(10);
        watermark.arrive(0, Arm::Canary, 1);
        watermark.arrive(0, Arm::Stable, 19);
        watermark.arrive(1, Arm::Stable, 20);
        watermark.finish(0, Arm::Canary, Outcome::Bad, 1);
        watermark.finish(1, Arm::Stable, Outcome::Good, 20);
        assert_eq!(figures(watermark.counted(2)), [0, 0, 0, 0]);
        watermark.finish(0, Arm::Stable, Outcome::Bad, 19);
        assert_eq!(figures(watermark.counted(3)), [1, 1, 39, 19]);
    }

    #[test]
    fn what_hangs_counts_as_bad_once_and_only_after_the_patience() {
        let mut watermark = Watermark::new(5);
        watermark.arrive(0, Arm::Canary, 2);
        assert_eq!(figures(watermark.counted(5)), [0, 0, 0, 0]);
        assert_eq!(figures(watermark.counted(6)), [2, 2, 0, 0]);
        watermark.finish(0, Arm::Canary, Outcome::Good, 2);
        watermark.arrive(0, Arm::Canary, 1);
        assert_eq!(figures(watermark.counted(7)), [2, 2, 0, 0]);
    }

    #[test]
    fn the_cohort_of_now_is_never_counted() {
        let mut watermark = Watermark::new(5);
        watermark.arrive(3, Arm::Stable, 1);
        watermark.finish(3, Arm::Stable, Outcome::Good, 1);
        assert_eq!(figures(watermark.counted(3)), [0, 0, 0, 0]);
        assert_eq!(figures(watermark.counted(4)), [0, 0, 1, 0]);
    }

    #[test]
    fn nothing_that_a_caller_does_makes_it_grow_without_bound() {
        let mut watermark = Watermark::new(u64::MAX);
        watermark.arrive(10, Arm::Canary, 1);
        watermark.arrive(10 * COHORTS_MAX, Arm::Canary, 1);
        watermark.finish(u64::MAX, Arm::Canary, Outcome::Bad, 1);
        assert!(watermark.cohorts.len() as u64 <= COHORTS_MAX);
        assert_eq!(figures(watermark.counted(10 * COHORTS_MAX)), [1, 1, 0, 0]);
        watermark.arrive(u64::MAX, Arm::Canary, 1);
        assert!(watermark.cohorts.len() as u64 <= COHORTS_MAX);
    }

    #[test]
    fn what_comes_while_stable_fails_is_counted_apart_from_the_next_cohort_on() {
        let mut watermark = Watermark::new(5);
        for (second, stable_bad) in [(0, 0), (1, 19), (2, 19), (3, 0), (4, 0)] {
            watermark.arrive(second, Arm::Canary, 1);
            watermark.arrive(second, Arm::Stable, 20);
            watermark.finish(second, Arm::Canary, Outcome::Good, 1);
            watermark.finish(second, Arm::Stable, Outcome::Bad, stable_bad);
            watermark.finish(second, Arm::Stable, Outcome::Good, 20 - stable_bad);
        }
        let arms = watermark.counted(5);
        assert_eq!(figures(arms), [5, 0, 100, 38]);
        // The first bad second is not known to be one; the first good one after it is not known to be good.
        assert_eq!(arms.troubled.parts(), [0, 19, 23]);
    }
}
