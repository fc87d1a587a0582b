//! Requests by arrival, so that a controller does not hear of fast failures before it hears of slow ones.
//!
//! Where one version fails at once and the other after its timeout, for the same reason, whoever counts in the order of ending
//! sees the failures of one alone. So the requests of a rule are taken together in cohorts by arrival, those of all its
//! versions, and a cohort's outcomes are told when each of its requests has an answer. What comes of a body counts when it is
//! over: a stream may last for hours, and says little before.
//!
//! Two cohorts are open: one takes who arrives, the earlier one waits for answers. So each shard counts on two sides, by turns,
//! and a request costs two additions more, in numbers of its own worker.

use super::series::Series;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// How many cohorts are open, and how many sides a shard counts on.
pub(super) const SIDES: usize = 2;

/// How long a cohort waits for answers: longer than the longest that a backend has by default, connecting and a second try
/// included. Who waits longer counts when it is over, like a body.
pub const ANSWER_MAX: Duration = Duration::from_secs(65);

/// When a request arrived, among those of its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cohort(u64);

impl Cohort {
    pub(super) fn side(self) -> usize {
        usize::from(self.0 % 2 == 1)
    }

    /// Whether its outcomes have not been told, in the time of another.
    pub(super) fn is_open(self, now: Self) -> bool {
        now.0.saturating_sub(self.0) < SIDES as u64
    }
}

/// Which cohort takes the requests that arrive at a rule.
#[derive(Debug, Default)]
pub(super) struct Clock(AtomicU64);

impl Clock {
    /// A worker may hear of the next one a moment late: then its request belongs to the one before.
    pub(super) fn now(&self) -> Cohort {
        Cohort(self.0.load(Relaxed))
    }

    fn turn(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

/// The cohorts of one rule.
#[derive(Debug)]
pub(super) struct Cohorts {
    clock: Arc<Clock>,
    /// When the later one began.
    since: Instant,
    /// Requests that were not waited for any longer, on each side.
    left: [u64; SIDES],
}

impl Cohorts {
    pub(super) fn new(clock: Arc<Clock>, now: Instant) -> Self {
        Self {
            clock,
            since: now,
            left: [0; SIDES],
        }
    }

    /// Ends cohorts that have their answers: both where nobody waits. `series` are all of the rule.
    pub(super) fn settle(&mut self, series: &[&Series], now: Instant) {
        for _ in 0..SIDES {
            if !self.end_earlier(series, now) {
                return;
            }
        }
    }

    /// Lets the outcomes of the earlier cohort be told, if it is over.
    fn end_earlier(&mut self, series: &[&Series], now: Instant) -> bool {
        let side = 1 - self.clock.now().side();
        let waiting = series.iter().map(|series| series.waiting(side)).sum();
        let patient = now.saturating_duration_since(self.since) < ANSWER_MAX;
        if patient && waiting > self.left[side] {
            return false;
        }
        series.iter().for_each(|series| series.tell(side));
        self.left[side] = waiting;
        self.since = now;
        self.clock.turn();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, SeriesShard, Share};

    /// Two versions of a rule.
    struct Rule {
        cohorts: Cohorts,
        canary: Series,
        stable: Series,
        now: Instant,
    }

    impl Rule {
        fn new() -> Self {
            let now = Instant::now();
            let cohorts = Cohorts::new(Arc::default(), now);
            let series = || Series::new(2, Arc::clone(&cohorts.clock));
            Self {
                canary: series(),
                stable: series(),
                cohorts,
                now,
            }
        }

        fn shards(&self) -> [SeriesShard; 2] {
            let share = Share::default();
            [self.canary.shard(share, 0), self.stable.shard(share, 1)]
        }

        /// What is told after so many seconds, of canary and stable.
        fn told(&mut self, seconds: u64) -> [u64; 2] {
            self.now += Duration::from_secs(seconds);
            let series = [&self.canary, &self.stable];
            self.cohorts.settle(&series, self.now);
            series.map(|series| {
                series
                    .by_share()
                    .iter()
                    .map(|(_, told)| told.requests())
                    .sum()
            })
        }
    }

    fn failed() -> Outcome {
        Outcome {
            status: 502,
            ..Outcome::default()
        }
    }

    /// A request that is answered and over.
    fn whole(shard: &SeriesShard, cohort: Cohort) {
        shard.answered(cohort);
        shard.finish(cohort, &failed());
    }

    #[test]
    fn fast_failures_are_told_with_the_slow_ones_that_arrived_with_them() {
        let mut rule = Rule::new();
        let [canary, stable] = rule.shards();
        let slow = [stable.begin(), stable.begin()];
        whole(&canary, canary.begin());
        assert_eq!(rule.told(1), [0, 0]);
        // Who comes later does not overtake them.
        whole(&canary, canary.begin());
        whole(&stable, stable.begin());
        assert_eq!(rule.told(1), [0, 0]);
        whole(&stable, slow[0]);
        assert_eq!(rule.told(20), [0, 0]);
        whole(&stable, slow[1]);
        assert_eq!(rule.told(1), [2, 3]);
        whole(&canary, canary.begin());
        assert_eq!(rule.told(1), [3, 3], "where nobody waits, all is told");
    }

    #[test]
    fn streams_are_waited_for_until_their_head_and_count_at_their_end() {
        let mut rule = Rule::new();
        let [canary, stable] = rule.shards();
        let stream = stable.begin();
        whole(&canary, canary.begin());
        assert_eq!(rule.told(1), [0, 0]);
        stable.answered(stream);
        assert_eq!(rule.told(1), [1, 0]);
        assert_eq!(rule.told(3_600), [1, 0]);
        stable.finish(stream, &failed());
        assert_eq!(rule.told(1), [1, 1]);
    }

    #[test]
    fn what_never_gets_an_answer_holds_up_one_cohort_for_a_while_and_no_other() {
        let mut rule = Rule::new();
        let [canary, stable] = rule.shards();
        let hanging = stable.begin();
        whole(&canary, canary.begin());
        assert_eq!(rule.told(1), [0, 0]);
        assert_eq!(rule.told(ANSWER_MAX.as_secs()), [1, 0]);
        for round in 2..10 {
            whole(&canary, canary.begin());
            assert_eq!(rule.told(1), [round, 0]);
        }
        whole(&stable, hanging);
        assert_eq!(rule.told(1), [9, 1]);
        let slow = stable.begin();
        whole(&canary, canary.begin());
        assert_eq!(rule.told(1), [9, 1], "the next is waited for as before");
        whole(&stable, slow);
        assert_eq!(rule.told(1), [10, 2]);
    }

    #[test]
    fn who_goes_on_elsewhere_is_not_waited_for() {
        let mut rule = Rule::new();
        let [canary, stable] = rule.shards();
        let moved = stable.begin();
        whole(&canary, canary.begin());
        stable.withdraw(moved);
        assert_eq!(rule.told(1), [1, 0]);
    }
}
