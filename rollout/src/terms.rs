//! What is fixed when a rollout begins, because the error bounds hang on it.

use crate::judge::Measure;
use crate::latency::Threshold;
use crate::plan::Plan;
use crate::stratum::Stratum;
use crate::tolerance::Tolerance;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The terms of a judgement. Whoever changes them while outcomes come in has no bound on anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The ladder.
    pub steps: Vec<Stratum>,
    /// What is not worse.
    pub tolerance: Tolerance,
    /// What is too bad to promote.
    pub margin: Tolerance,
    /// The chance, at most, of ever aborting a canary within the tolerance.
    pub alpha: f64,
    /// The chance, at most, of ever promoting a canary beyond the margin.
    pub beta: f64,
    /// How long outcomes are left out at first, on both sides.
    pub warm_up: Duration,
    /// What counts as slow, in the order in which reports count it.
    pub thresholds: Vec<Threshold>,
}

impl Terms {
    /// The terms of a plan, with the thresholds that its latency came to.
    pub fn new(plan: &Plan, thresholds: Vec<Threshold>) -> Self {
        Self {
            steps: plan.steps.clone(),
            tolerance: plan.tolerance,
            margin: plan.margin,
            alpha: plan.alpha,
            beta: plan.beta,
            warm_up: plan.warm_up,
            thresholds,
        }
    }

    /// The logarithm of the wealth that aborts.
    pub fn ln_abort(&self) -> f64 {
        -self.alpha.ln()
    }

    /// The logarithm of the wealth that proves a canary good enough.
    pub fn ln_promote(&self) -> f64 {
        -self.beta.ln()
    }

    /// What a measure is called: `errors`, `p99<300ms`.
    pub fn name(&self, measure: Measure) -> String {
        let threshold = match measure {
            Measure::Errors => None,
            Measure::Slow(place) => self.thresholds.get(place),
        };
        threshold.map_or("errors".to_owned(), ToString::to_string)
    }

    /// Over how many measures the evidence is averaged: errors, and every threshold.
    pub fn measures(&self) -> usize {
        1 + self.thresholds.len()
    }

    /// The steps at which outcomes say anything.
    pub fn telling(&self) -> impl Iterator<Item = Stratum> {
        self.steps.iter().copied().filter(|step| step.tells())
    }

    /// Whether a plan asks for something else than what is in force. Such a change waits for the next rollout.
    pub fn differ(&self, plan: &Plan) -> bool {
        *self != Self::new(plan, self.thresholds.clone())
    }
}
