//! The decision: from a plan, a state, the evidence and the time to one action with every reason for it.
//!
//! Nothing here acts. Deciding again with nothing changed decides the same, and once the decision is carried out, holds.
//! An abort is looked for first and held up by nothing; what goes up must pass everything that is listed in `obstacles`.

use crate::decision::{Action, Decision, Figures, Reason};
use crate::evidence::{Arms, Evidence};
use crate::judge::{Finding, Judgement, judge};
use crate::now::Now;
use crate::plan::{Mode, Plan};
use crate::state::{Phase, State};
use crate::stratum::Stratum;
use crate::terms::Terms;
use jiff::Timestamp;
use std::time::Duration;

/// How old the newest report may be. Proxies report every second; past ten, something is wrong with the reports.
pub const REPORT_AGE_MAX: Duration = Duration::from_secs(10);

/// How far evidence may lean towards "worse" while the weight still goes up: half way to an abort, on the scale of
/// logarithms on which evidence adds up.
const LEANING: f64 = 0.5;

/// By how many standard deviations of a random split the canary's share of outcomes may be off, and by how many requests
/// besides. An exact split is off by less than one for each proxy and schedule; users who are split by a hash are at random.
const SHARE_DEVIATIONS: f64 = 5.0;
const SHARE_REQUESTS: f64 = 10.0;

/// Decides what to do now.
pub fn decide(plan: &Plan, state: &State, evidence: &Evidence, now: impl Into<Now>) -> Decision {
    let now = now.into();
    match state.phase() {
        Phase::Aborted => hold(Reason::WasAborted),
        Phase::Promoted => after_promotion(plan, state, now),
        _ if state.is_abort_given(&plan.hand) => abort(Reason::ByHand),
        Phase::Waiting | Phase::WarmingUp => look(plan, state, None, evidence, now).next(),
        Phase::Climbing => climb(plan, state, evidence, now),
    }
}

fn hold(reason: Reason) -> Decision {
    Decision::new(Action::Hold, vec![reason])
}

fn abort(reason: Reason) -> Decision {
    Decision::new(Action::Abort, vec![reason])
}

fn after_promotion(plan: &Plan, state: &State, now: Now) -> Decision {
    let in_time = elapsed(state.since(), now) <= plan.rollback_window;
    match in_time && state.is_rollback_given(&plan.hand) {
        true => abort(Reason::RolledBack),
        false => hold(Reason::IsStable),
    }
}

fn climb(plan: &Plan, state: &State, evidence: &Evidence, now: Now) -> Decision {
    let judgement = judge(state.terms(), evidence.totals());
    if judgement.finding == Finding::Worse {
        return abort(worse(state.terms(), &judgement, evidence));
    }
    look(plan, state, Some(judgement), evidence, now).next()
}

fn worse(terms: &Terms, judgement: &Judgement, evidence: &Evidence) -> Reason {
    let mut measures = judgement.culprits(terms);
    let together = measures.is_empty();
    if together {
        measures.push(judgement.worst());
    }
    let figures = |measure| Figures::new(terms, evidence.totals(), measure);
    Reason::Worse {
        ln_e: judgement.ln_e_abort,
        needed: terms.ln_abort(),
        together,
        figures: measures.into_iter().map(figures).collect(),
    }
}

fn look<'l>(
    plan: &'l Plan,
    state: &'l State,
    judgement: Option<Judgement>,
    evidence: &'l Evidence,
    now: Now,
) -> Look<'l> {
    Look {
        plan,
        state,
        judgement,
        evidence,
        now,
    }
}

/// Time that has passed, whatever became of the clock on the wall meanwhile; none since a moment that is yet to come by the
/// clock of this process.
fn elapsed(since: Timestamp, now: Now) -> Duration {
    Duration::try_from(now.steady.duration_since(since)).unwrap_or_default()
}

/// What is looked at to find out whether the canary can go up.
struct Look<'l> {
    plan: &'l Plan,
    state: &'l State,
    /// None while outcomes are left out.
    judgement: Option<Judgement>,
    evidence: &'l Evidence,
    now: Now,
}

impl Look<'_> {
    fn next(&self) -> Decision {
        let mut obstacles: Vec<_> = self
            .by_hand()
            .into_iter()
            .chain(self.by_calendar())
            .collect();
        let promoted = self.state.is_promote_given(&self.plan.hand) && !self.is_at_top();
        if promoted && obstacles.is_empty() {
            return self.advance(self.state.last_step(), Reason::ByHand);
        }
        obstacles.extend(self.by_mode());
        obstacles.extend(self.by_time());
        obstacles.extend(self.by_evidence());
        if !obstacles.is_empty() {
            return Decision::new(Action::Hold, obstacles);
        }
        self.up()
    }

    fn up(&self) -> Decision {
        let next = self.state.step() + 1;
        match &self.judgement {
            None if self.state.phase() == Phase::Waiting => self.advance(0, Reason::Begins),
            None => self.advance(0, Reason::WarmedUp),
            Some(_) if self.is_at_top() => Decision::new(Action::Promote, vec![Reason::Soaked]),
            Some(judgement) if next == self.state.last_step() => {
                self.advance(next, self.proven(judgement))
            }
            Some(_) => self.advance(next, Reason::StepDone),
        }
    }

    fn proven(&self, judgement: &Judgement) -> Reason {
        Reason::Proven {
            ln_e: judgement.ln_e_promote,
            needed: self.state.terms().ln_promote(),
        }
    }

    fn advance(&self, to: usize, reason: Reason) -> Decision {
        let steps = &self.state.terms().steps;
        let share = steps.get(to).copied().unwrap_or(Stratum::ALL);
        Decision::new(Action::Advance { to, share }, vec![reason])
    }

    /// Whether the canary has everything. Before its first step it has nothing, however short the ladder is.
    fn is_at_top(&self) -> bool {
        self.state.phase() == Phase::Climbing && self.state.step() == self.state.last_step()
    }

    fn by_hand(&self) -> Option<Reason> {
        self.plan.hand.pause.then_some(Reason::Paused)
    }

    fn by_calendar(&self) -> Option<Reason> {
        let freeze = self.plan.frozen(self.now.calendar)?;
        Some(Reason::Frozen(freeze.to_string()))
    }

    /// A person who has put all traffic on the canary need not say so twice.
    fn by_mode(&self) -> Option<Reason> {
        let manual = self.plan.mode == Mode::Manual && !self.is_at_top();
        manual.then_some(Reason::Manual)
    }

    fn by_time(&self) -> Option<Reason> {
        let here = elapsed(self.state.since(), self.now);
        let rest =
            |whole: Duration| Some(whole.saturating_sub(here)).filter(|left| !left.is_zero());
        match self.state.phase() {
            Phase::Waiting => None,
            Phase::WarmingUp => {
                rest(self.state.terms().warm_up).map(|left| Reason::WarmingUp { left })
            }
            _ => rest(self.plan.step_interval).map(|left| Reason::Soaking { left }),
        }
    }

    /// With all traffic on the canary there is nothing to compare it with, and no evidence to wait for.
    fn by_evidence(&self) -> Vec<Reason> {
        let Some(judgement) = self.judgement.as_ref().filter(|_| !self.is_at_top()) else {
            return Vec::new();
        };
        let reasons = [
            self.too_long(),
            self.stale(),
            self.too_few(),
            self.share_off(),
            self.leaning(judgement),
            self.not_proven(judgement),
        ];
        reasons.into_iter().flatten().collect()
    }

    fn too_long(&self) -> Option<Reason> {
        let limit = self.plan.max_duration?;
        let over = elapsed(self.state.started(), self.now) >= limit;
        over.then_some(Reason::TooLong { limit })
    }

    fn stale(&self) -> Option<Reason> {
        let Some(newest) = self.evidence.newest() else {
            return Some(Reason::NoReports);
        };
        let age = elapsed(newest, self.now);
        (age > REPORT_AGE_MAX).then_some(Reason::Stale { age })
    }

    fn here(&self) -> Option<&Arms> {
        self.evidence.totals().get(&self.state.share())
    }

    fn too_few(&self) -> Option<Reason> {
        let seen = self.here().map_or(0, |arms| arms.canary.requests);
        let needed = self.plan.min_requests;
        (seen < needed).then_some(Reason::TooFewRequests { seen, needed })
    }

    fn share_off(&self) -> Option<Reason> {
        let arms = self.here()?;
        let (all, share) = (arms.requests() as f64, self.state.share().share());
        let spread = (all * share * (1.0 - share)).sqrt();
        let off = (arms.canary.requests as f64 - all * share).abs();
        (off > SHARE_REQUESTS + SHARE_DEVIATIONS * spread).then_some(Reason::ShareOff {
            seen: arms.canary.requests,
            expected: (all * share) as u64,
        })
    }

    fn leaning(&self, judgement: &Judgement) -> Option<Reason> {
        let needed = self.state.terms().ln_abort();
        (judgement.ln_e_abort >= LEANING * needed).then(|| Reason::Leaning {
            ln_e: judgement.ln_e_abort,
            needed,
            worst: self.state.terms().name(judgement.worst()),
        })
    }

    fn not_proven(&self, judgement: &Judgement) -> Option<Reason> {
        let last = self.state.step() + 1 == self.state.last_step();
        let (ln_e, needed) = (judgement.ln_e_promote, self.state.terms().ln_promote());
        (last && ln_e < needed).then_some(Reason::NotProven { ln_e, needed })
    }
}
