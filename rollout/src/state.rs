//! Where a rollout stands: the little that must survive a crash, beside the evidence.
//!
//! A state changes in two ways only: a version is met, or a decision is carried out. Both are functions of values; who
//! stores the state, and when, is the caller's affair. Stored before the weights are pushed, it is continued at the same
//! step with the same evidence after any crash.

use crate::decision::{Action, Decision, Reason};
use crate::evidence::Evidence;
use crate::latency::Threshold;
use crate::now::Now;
use crate::plan::{Hand, Order, Plan};
use crate::stratum::Stratum;
use crate::terms::Terms;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// How many past moves are kept: two whole ladders of the usual length. Older ones are in the log.
const HISTORY_MAX: usize = 16;

/// What a rollout is doing, in the order in which it comes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Known, and without a request yet: not before nothing forbids that its share goes up.
    Waiting,
    /// On the first step, with outcomes left out.
    WarmingUp,
    /// On a step.
    Climbing,
    /// Over: the canary is the stable version.
    Promoted,
    /// Over: the canary gets nothing, until it changes or a person says `retry`.
    Aborted,
}

/// One move, kept for people.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// When.
    pub at: Timestamp,
    /// The canary's share from then on.
    pub share: Stratum,
    /// Why.
    pub why: String,
}

/// A rollout of one version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    stable: String,
    canary: String,
    phase: Phase,
    step: usize,
    since: Timestamp,
    started: Timestamp,
    terms: Terms,
    spent: Spent,
    history: VecDeque<Move>,
}

/// Orders that have been heeded, or stood there before this version came. They must be taken away before they can be given
/// again: an annotation that somebody forgot is not an order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Spent {
    promote: Option<Order>,
    abort: Option<Order>,
    retry: Option<Order>,
    rollback: Option<Order>,
}

impl State {
    /// Begins: `canary` is met beside `stable`. What was reported so far belongs to the time before.
    pub fn begin(
        stable: &str,
        canary: &str,
        plan: &Plan,
        thresholds: Vec<Threshold>,
        evidence: &mut Evidence,
        now: impl Into<Now>,
    ) -> Self {
        let now = now.into();
        evidence.restart(thresholds.len());
        let mut state = Self {
            stable: stable.to_owned(),
            canary: canary.to_owned(),
            phase: Phase::Waiting,
            step: 0,
            since: now.steady,
            started: now.steady,
            terms: Terms::new(plan, thresholds),
            spent: Spent::left_behind(&plan.hand),
            history: VecDeque::new(),
        };
        state.remember(now.calendar, format!("{canary} appeared beside {stable}"));
        state
    }

    /// Fixes what counts as slow, as long as nothing can have been counted: before the version's first share. Later it changes
    /// nothing.
    pub fn measure(&mut self, thresholds: Vec<Threshold>, evidence: &mut Evidence) {
        if self.phase == Phase::Waiting {
            evidence.restart(thresholds.len());
            self.terms.thresholds = thresholds;
        }
    }

    /// This one, which begins now, with the orders that were heeded before: those that still stand there are none.
    pub fn after(mut self, before: &Self) -> Self {
        let promote = self.spent.promote.take();
        self.spent.promote = promote.or_else(|| before.spent.promote.clone());
        self
    }

    /// Whether `canary`, which is there now, begins a rollout: it is another version than this one's two, or the aborted
    /// one for which a person says `retry`. If so, the caller begins.
    pub fn begins(&self, canary: &str, plan: &Plan) -> bool {
        if canary != self.canary {
            return canary != self.stable || self.phase == Phase::Promoted;
        }
        self.phase == Phase::Aborted && is_given(&plan.hand.retry, &self.spent.retry, canary)
    }

    /// Forgets heeded orders that are no longer there, so that they can be given again, and remembers those that are given
    /// too early: a `retry` before the abort, a `rollback` before the promotion.
    pub fn look_at(&mut self, hand: &Hand) {
        let early = |over: Phase| self.phase != over;
        let (early_retry, early_rollback) = (early(Phase::Aborted), early(Phase::Promoted));
        for (given, spent, too_early) in [
            (&hand.promote, &mut self.spent.promote, false),
            (&hand.abort, &mut self.spent.abort, false),
            (&hand.retry, &mut self.spent.retry, early_retry),
            (&hand.rollback, &mut self.spent.rollback, early_rollback),
        ] {
            if given != spent {
                *spent = given.clone().filter(|_| too_early);
            }
        }
    }

    /// Makes of a decision what it comes to. Holding changes nothing.
    pub fn carry_out(&mut self, decision: &Decision, evidence: &mut Evidence, now: impl Into<Now>) {
        match decision.action {
            Action::Hold => return,
            Action::Advance { to, .. } => {
                if self.phase != Phase::Climbing {
                    evidence.restart(self.terms.thresholds.len());
                }
                let by_hand = decision.reasons.contains(&Reason::ByHand);
                if by_hand {
                    // An order by name: one of any version is none for the next one in any case.
                    self.spent.promote = Some(Order::Version(self.canary.clone()));
                }
                self.phase = self.next_phase(by_hand);
                self.step = to.min(self.last_step());
            }
            Action::Promote => self.phase = Phase::Promoted,
            Action::Abort => self.phase = Phase::Aborted,
        }
        let now = now.into();
        self.since = now.steady;
        self.remember(now.calendar, decision.why());
    }

    /// A person who gives the canary everything does not wait for its warm-up.
    fn next_phase(&self, by_hand: bool) -> Phase {
        match self.phase {
            Phase::Waiting if !self.terms.warm_up.is_zero() && !by_hand => Phase::WarmingUp,
            _ => Phase::Climbing,
        }
    }

    fn remember(&mut self, at: Timestamp, why: String) {
        if self.history.len() >= HISTORY_MAX {
            self.history.pop_front();
        }
        let share = self.share();
        self.history.push_back(Move { at, share, why });
    }

    /// The canary's share now.
    pub fn share(&self) -> Stratum {
        match self.phase {
            Phase::Waiting | Phase::Aborted => Stratum::NONE,
            Phase::Promoted => Stratum::ALL,
            Phase::WarmingUp | Phase::Climbing => self
                .terms
                .steps
                .get(self.step)
                .copied()
                .unwrap_or(Stratum::NONE),
        }
    }

    /// The version it is held against.
    pub fn stable(&self) -> &str {
        &self.stable
    }

    /// The version that is being released.
    pub fn canary(&self) -> &str {
        &self.canary
    }

    /// What it is doing.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The step, counted from 0.
    pub fn step(&self) -> usize {
        self.step
    }

    /// The step with everything.
    pub fn last_step(&self) -> usize {
        self.terms.steps.len().saturating_sub(1)
    }

    /// Since when it has been doing that, by the steady clock of the process that began it.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// When it began, by the steady clock of the process that began it.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// What was fixed when it began.
    pub fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The last moves, oldest first.
    pub fn history(&self) -> impl Iterator<Item = &Move> {
        self.history.iter()
    }

    pub(crate) fn is_promote_given(&self, hand: &Hand) -> bool {
        is_given(&hand.promote, &self.spent.promote, &self.canary)
    }

    pub(crate) fn is_abort_given(&self, hand: &Hand) -> bool {
        is_given(&hand.abort, &self.spent.abort, &self.canary)
    }

    pub(crate) fn is_rollback_given(&self, hand: &Hand) -> bool {
        is_given(&hand.rollback, &self.spent.rollback, &self.canary)
    }
}

impl Spent {
    /// A promotion or an abort of a named version may well stand there before it. One of any version was meant for another; a
    /// `retry` has just been heeded, and a `rollback` is too early.
    fn left_behind(hand: &Hand) -> Self {
        let of_any = |order: &Option<Order>| order.clone().filter(|order| *order == Order::Any);
        Self {
            promote: of_any(&hand.promote),
            abort: of_any(&hand.abort),
            retry: hand.retry.clone(),
            rollback: hand.rollback.clone(),
        }
    }
}

fn is_given(order: &Option<Order>, spent: &Option<Order>, version: &str) -> bool {
    order != spent && order.as_ref().is_some_and(|order| order.is_for(version))
}
