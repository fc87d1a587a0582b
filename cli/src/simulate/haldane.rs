//! Haldane's side: outcomes behind a watermark, a report every second, and the real decision.

use super::run::{End, Judge};
use super::traffic::{Batch, Traffic};
use haldane_rollout::watermark::{Outcome, Watermark};
use haldane_rollout::{Action, Arm, Evidence, Plan, Report, State, Stratum, Totals, decide};
use jiff::{SignedDuration, Timestamp};
use std::collections::VecDeque;

/// How long an outcome is waited for, in seconds: longer than any failure here takes.
const PATIENCE: u64 = 60;

/// One release, decided by Haldane.
pub(super) struct Haldane<'p> {
    plan: &'p Plan,
    state: State,
    evidence: Evidence,
    report: Report,
    watermark: Watermark,
    /// How many outcomes there were at the last look.
    seen: u64,
    fails_after: [u64; 2],
    late: [VecDeque<Late>; 2],
}

/// Failures that will be known later.
struct Late {
    known_at: u64,
    arrived: u64,
    requests: u64,
}

impl<'p> Haldane<'p> {
    pub(super) fn new(plan: &'p Plan, traffic: &Traffic) -> Self {
        let mut evidence = Evidence::new(0);
        let start = Timestamp::UNIX_EPOCH;
        let mut state = State::begin("stable", "canary", plan, Vec::new(), &mut evidence, start);
        let first = decide(plan, &state, &evidence, start);
        state.carry_out(&first, &mut evidence, start);
        Self {
            plan,
            state,
            evidence,
            report: Report {
                instance: "proxy".to_owned(),
                at: start,
                counts: Totals::new(),
            },
            watermark: Watermark::new(PATIENCE),
            seen: 0,
            fails_after: [traffic.canary_fails_after, traffic.stable_fails_after],
            late: Default::default(),
        }
    }

    fn fail(&mut self, second: u64, arm: Arm, requests: u64) {
        let after = self.fails_after[arm as usize];
        if after == 0 {
            return self.watermark.finish(second, arm, Outcome::Bad, requests);
        }
        self.late[arm as usize].push_back(Late {
            known_at: second + after,
            arrived: second,
            requests,
        });
    }

    fn learn(&mut self, now: u64, arm: Arm) {
        let late = &mut self.late[arm as usize];
        while let Some(known) = late.pop_front_if(|late| late.known_at < now) {
            self.watermark
                .finish(known.arrived, arm, Outcome::Bad, known.requests);
        }
    }

    /// Reports; whether there is anything new to decide by.
    fn report(&mut self, now: u64, at: Timestamp) -> bool {
        let arms = self.watermark.counted(now);
        if arms.requests() == self.seen {
            return false;
        }
        self.seen = arms.requests();
        self.report.at = at;
        let counts = self.report.counts.entry(self.state.share()).or_default();
        counts.clone_from(arms);
        self.evidence
            .report(&self.report)
            .expect("a watermark's counts only grow, and no more are bad than there are");
        true
    }
}

impl Judge for Haldane<'_> {
    fn share(&self) -> Stratum {
        self.state.share()
    }

    fn serve(&mut self, second: u64, batches: [Batch; 2]) {
        for (arm, batch) in [Arm::Canary, Arm::Stable].into_iter().zip(batches) {
            if batch.requests > 0 {
                self.watermark.arrive(second, arm, batch.requests);
                self.watermark
                    .finish(second, arm, Outcome::Good, batch.requests - batch.bad);
                self.fail(second, arm, batch.bad);
            }
        }
    }

    fn look(&mut self, now: u64) -> Option<End> {
        self.learn(now, Arm::Canary);
        self.learn(now, Arm::Stable);
        let at = Timestamp::UNIX_EPOCH + SignedDuration::from_secs(now.cast_signed());
        if !self.report(now, at) {
            return None;
        }
        let decision = decide(self.plan, &self.state, &self.evidence, at);
        match decision.action {
            Action::Abort => Some(End::Aborted(now)),
            // There is one step below everything, so to go up is to be promoted.
            Action::Advance { .. } | Action::Promote => Some(End::Promoted(now)),
            Action::Hold => None,
        }
    }
}
