//! Where a rollout stands, for people and programs: what the controller's `GET /rollouts` answers with.
//!
//! A copy of what a decision rested on. Nothing reads it back to decide by.

use crate::decision::{Action, Decision, Reason};
use crate::evidence::{Arms, Evidence};
use crate::explain::{Explanation, explain};
use crate::plan::{Mode, Plan};
use crate::state::{Move, Phase, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The answer to `GET /rollouts`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rollouts {
    /// Whether the controller that answers is the one that decides. One that does not knows no rollouts.
    pub leader: bool,
    /// Every object that asks for rollouts, in the order of namespace, kind and name.
    pub rollouts: Vec<RolloutReport>,
}

/// One object that asks for rollouts of a Service's versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RolloutReport {
    /// The namespace of the object, and of the Service.
    pub namespace: String,
    /// `Service` or `Ingress`: where the annotations stand.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The Service whose versions are released.
    pub service: String,
    /// The version that is the stable one now.
    pub stable: String,
    /// Who moves the weight.
    pub mode: Mode,
    /// What is being released, or was last; `None` where no version has come since the first was seen.
    pub rollout: Option<Standing>,
}

/// Where the release of one version stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The version it is held against.
    pub stable: String,
    /// The version that is released.
    pub canary: String,
    /// What it is doing.
    pub phase: Phase,
    /// The step, counted from 0.
    pub step: usize,
    /// The ladder, in percent.
    pub steps: Vec<f64>,
    /// The canary's share now, in percent.
    pub weight: f64,
    /// When it began.
    pub started: Timestamp,
    /// Since when it has been doing what it does.
    pub since: Timestamp,
    /// What was decided last.
    pub decision: Decided,
    /// Whether a person holds it, by the annotation `pause`.
    pub paused: bool,
    /// The freeze that is on, as it is written.
    pub frozen: Option<String>,
    /// When that freeze is over.
    pub frozen_until: Option<Timestamp>,
    /// Outcomes of the canary that count.
    pub canary_figures: ArmFigures,
    /// Outcomes of stable that count.
    pub stable_figures: ArmFigures,
    /// The logarithms of the evidence, what each needs to be, the figures of each measure, the interval of the ratio, and
    /// how many requests are missing.
    pub evidence: Explanation,
    /// [`Explanation::verdict`], so that nobody has to put it in words once more.
    pub verdict: String,
    /// The last moves, oldest first.
    pub history: Vec<Move>,
}

/// A decision, in words and in parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// What to do.
    pub action: Action,
    /// Why, in one line.
    pub why: String,
    /// The same in parts.
    pub reasons: Vec<Reason>,
}

/// How the requests of one version went.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ArmFigures {
    /// Requests with a known outcome that count.
    pub requests: u64,
    /// Those that went wrong.
    pub errors: u64,
    /// The share of those, from 0 to 1; `None` without a request.
    pub error_rate: Option<f64>,
    /// Half of the requests took at most so long, in seconds, read at the next bound of a histogram. It is told for all
    /// requests of the version that a proxy remembers, whether or not they count.
    pub p50: Option<f64>,
    /// As [`ArmFigures::p50`], for 99 of 100.
    pub p99: Option<f64>,
}

impl Standing {
    /// How things stand after a decision at `now`. Durations of requests are not known here.
    pub fn new(
        plan: &Plan,
        state: &State,
        evidence: &Evidence,
        decision: &Decision,
        now: Timestamp,
    ) -> Self {
        let explained = explain(state.terms(), evidence.totals(), state.share());
        let frozen = plan.frozen(now);
        let steps = state.terms().steps.iter().map(|step| step.share() * 100.0);
        Self {
            stable: state.stable().to_owned(),
            canary: state.canary().to_owned(),
            phase: state.phase(),
            step: state.step(),
            steps: steps.collect(),
            weight: state.share().share() * 100.0,
            started: state.started(),
            since: state.since(),
            decision: Decided::from(decision),
            paused: plan.hand.pause,
            frozen: frozen.map(ToString::to_string),
            frozen_until: frozen.map(|freeze| freeze.until(now)),
            canary_figures: ArmFigures::new(evidence, |arms| {
                (arms.canary.requests, arms.canary.bad)
            }),
            stable_figures: ArmFigures::new(evidence, |arms| {
                (arms.stable.requests, arms.stable.bad)
            }),
            verdict: explained.verdict(),
            evidence: explained,
            history: state.history().cloned().collect(),
        }
    }
}

impl From<&Decision> for Decided {
    fn from(decision: &Decision) -> Self {
        Self {
            action: decision.action,
            why: decision.why(),
            reasons: decision.reasons.clone(),
        }
    }
}

impl ArmFigures {
    fn new(evidence: &Evidence, of: fn(&Arms) -> (u64, u64)) -> Self {
        let add = |sum: (u64, u64), arms: (u64, u64)| (sum.0 + arms.0, sum.1 + arms.1);
        let (requests, errors) = evidence.totals().values().map(of).fold((0, 0), add);
        Self {
            requests,
            errors,
            error_rate: (requests > 0).then(|| errors as f64 / requests as f64),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::decide;

    #[test]
    fn a_report_is_read_as_it_is_written() {
        let annotations = [("rollout", "auto"), ("freeze", "00:00 - 23:59 UTC")];
        let plan = Plan::read(annotations).unwrap().unwrap();
        let now: Timestamp = "2026-11-20T12:00:30Z".parse().unwrap();
        let mut evidence = Evidence::new(0);
        let state = State::begin("v1", "v2", &plan, vec![], &mut evidence, now);
        let decision = decide(&plan, &state, &evidence, now);
        let standing = Standing::new(&plan, &state, &evidence, &decision, now);
        let report = Rollouts {
            leader: true,
            rollouts: vec![RolloutReport {
                namespace: "shop".to_owned(),
                kind: "Service".to_owned(),
                name: "web".to_owned(),
                service: "web".to_owned(),
                stable: "v1".to_owned(),
                mode: plan.mode,
                rollout: Some(standing.clone()),
            }],
        };
        let written = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<Rollouts>(&written).unwrap(), report);
        assert_eq!(
            standing.frozen_until,
            Some("2026-11-20T23:59:00Z".parse().unwrap())
        );
        assert_eq!(
            standing.decision.why,
            "nothing goes up during 00:00 - 23:59 UTC"
        );
    }
}
