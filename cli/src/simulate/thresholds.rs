//! Rules with thresholds, of the kinds that Argo Rollouts and Flagger have, with the numbers of their own examples: the
//! canary's success rate over the last minute, held against 99 %.
//!
//! They are models of the rules, not the programs: their metrics are exact, a minute old at most, and always there.

use super::run::{End, Judge};
use super::traffic::{Batch, Traffic};
use haldane_rollout::Stratum;
use std::collections::VecDeque;

/// The time between two looks, and what a look covers, in seconds.
const INTERVAL: u64 = 60;

/// The success rate that passes.
const SUCCESS_MIN: f64 = 0.99;

/// What a minute of the canary looked like.
#[derive(Default)]
struct Minute {
    fails_after: u64,
    requests: u64,
    bad: u64,
    late: VecDeque<(u64, u64)>,
}

impl Minute {
    fn new(traffic: &Traffic) -> Self {
        Self {
            fails_after: traffic.canary_fails_after,
            ..Self::default()
        }
    }

    /// A failure is counted when it is known.
    fn serve(&mut self, second: u64, canary: Batch) {
        self.requests += canary.requests - canary.bad;
        if canary.bad > 0 {
            self.late.push_back((second + self.fails_after, canary.bad));
        }
        while let Some((_, bad)) = self.late.pop_front_if(|(known_at, _)| *known_at <= second) {
            self.requests += bad;
            self.bad += bad;
        }
    }

    /// Whether the minute that is over passes. One without requests does not: nothing divided by nothing is no success.
    fn passes(&mut self) -> bool {
        let (requests, bad) = (self.requests, self.bad);
        (self.requests, self.bad) = (0, 0);
        requests > 0 && (requests - bad) as f64 / requests as f64 >= SUCCESS_MIN
    }
}

/// A fixed weight, so many looks, and a limit of failed ones.
pub(super) struct Argo {
    share: Stratum,
    limit: u32,
    looks: u32,
    failed: u32,
    minute: Minute,
}

impl Argo {
    /// How many looks it takes to promote.
    const LOOKS: u32 = 10;

    pub(super) fn new(share: Stratum, limit: u32, traffic: &Traffic) -> Self {
        Self {
            share,
            limit,
            looks: 0,
            failed: 0,
            minute: Minute::new(traffic),
        }
    }
}

impl Judge for Argo {
    fn share(&self) -> Stratum {
        self.share
    }

    fn serve(&mut self, second: u64, [canary, _]: [Batch; 2]) {
        self.minute.serve(second, canary);
    }

    fn look(&mut self, now: u64) -> Option<End> {
        if !now.is_multiple_of(INTERVAL) {
            return None;
        }
        self.looks += 1;
        self.failed += u32::from(!self.minute.passes());
        if self.failed > self.limit {
            return Some(End::Aborted(now));
        }
        (self.looks == Self::LOOKS).then_some(End::Promoted(now))
    }
}

/// A weight that rises with each passed check, and a number of failed ones that is too many.
pub(super) struct Flagger {
    percent: u64,
    failed: u32,
    minute: Minute,
}

impl Flagger {
    const STEP_PERCENT: u64 = 5;
    const TOP_PERCENT: u64 = 50;
    const FAILED_MAX: u32 = 5;

    pub(super) fn new(traffic: &Traffic) -> Self {
        Self {
            percent: Self::STEP_PERCENT,
            failed: 0,
            minute: Minute::new(traffic),
        }
    }

    /// Every share of the ladder.
    pub(super) fn shares() -> impl Iterator<Item = Stratum> {
        let steps = 1..=Self::TOP_PERCENT / Self::STEP_PERCENT;
        steps.map(|step| percent(step * Self::STEP_PERCENT))
    }
}

fn percent(percent: u64) -> Stratum {
    Stratum::new(percent, 100).unwrap_or(Stratum::NONE)
}

impl Judge for Flagger {
    fn share(&self) -> Stratum {
        percent(self.percent)
    }

    fn serve(&mut self, second: u64, [canary, _]: [Batch; 2]) {
        self.minute.serve(second, canary);
    }

    fn look(&mut self, now: u64) -> Option<End> {
        if !now.is_multiple_of(INTERVAL) {
            return None;
        }
        if self.minute.passes() {
            if self.percent == Self::TOP_PERCENT {
                return Some(End::Promoted(now));
            }
            self.percent += Self::STEP_PERCENT;
            return None;
        }
        self.failed += 1;
        (self.failed == Self::FAILED_MAX).then_some(End::Aborted(now))
    }
}
