//! The metrics of rollouts: the same figures that a decision rests on.

use super::Maker;
use crate::live::name::ObjectName;
use crate::rollouts::notice::What;
use haldane_rollout::Phase;
use haldane_rollout::report::{ArmFigures, RolloutReport, Standing};
use prometheus::{GaugeVec, IntCounterVec};

/// The labels of one rollout.
const LABELS: [&str; 4] = ["namespace", "kind", "name", "service"];

/// As [`LABELS`], with one more.
const fn with(label: &'static str) -> [&'static str; 5] {
    [LABELS[0], LABELS[1], LABELS[2], LABELS[3], label]
}

/// What is measured of rollouts.
#[derive(Clone, Debug)]
pub(super) struct RolloutMetrics {
    phase: GaugeVec,
    step: GaugeVec,
    weight: GaugeVec,
    requests: GaugeVec,
    errors: GaugeVec,
    ln_e: GaugeVec,
    ln_e_needed: GaugeVec,
    decisions: IntCounterVec,
}

impl RolloutMetrics {
    pub(super) fn new(made: &Maker<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            phase: made.floats(
                "rollout_phase",
                "1 for the phase that a rollout is in",
                &with("phase"),
            )?,
            step: made.floats(
                "rollout_step",
                "The step of the ladder, counted from 1",
                &LABELS,
            )?,
            weight: made.floats("rollout_weight", "The canary's share, from 0 to 1", &LABELS)?,
            requests: made.floats(
                "rollout_requests",
                "Outcomes that count, by version",
                &with("arm"),
            )?,
            errors: made.floats(
                "rollout_errors",
                "Those that went wrong, by version",
                &with("arm"),
            )?,
            ln_e: made.floats(
                "rollout_ln_e",
                "The logarithm of the evidence for a decision",
                &with("for"),
            )?,
            ln_e_needed: made.floats(
                "rollout_ln_e_needed",
                "What it must be to decide",
                &with("for"),
            )?,
            decisions: made.counters(
                "rollout_decisions_total",
                "What happened to rollouts",
                &with("what"),
            )?,
        })
    }

    pub(super) fn moved(&self, object: &ObjectName, service: &str, what: What) {
        let labels = [
            &object.namespace,
            object.kind.as_str(),
            &object.name,
            service,
            what.as_str(),
        ];
        self.decisions.with_label_values(&labels).inc();
    }

    /// Rollouts that are not among these any more are not shown any more.
    pub(super) fn show(&self, reports: &[RolloutReport]) {
        for gauges in [
            &self.phase,
            &self.step,
            &self.weight,
            &self.requests,
            &self.errors,
            &self.ln_e,
            &self.ln_e_needed,
        ] {
            gauges.reset();
        }
        for report in reports {
            if let Some(standing) = &report.rollout {
                self.show_one(
                    [
                        &report.namespace,
                        &report.kind,
                        &report.name,
                        &report.service,
                    ],
                    standing,
                );
            }
        }
    }

    fn show_one(&self, of: [&str; 4], standing: &Standing) {
        let with = |last| [of[0], of[1], of[2], of[3], last];
        self.phase
            .with_label_values(&with(word(standing.phase)))
            .set(1.0);
        self.step
            .with_label_values(&of)
            .set(standing.step as f64 + 1.0);
        self.weight
            .with_label_values(&of)
            .set(standing.weight / 100.0);
        let arms: [(&str, &ArmFigures); 2] = [
            ("canary", &standing.canary_figures),
            ("stable", &standing.stable_figures),
        ];
        for (arm, figures) in arms {
            self.requests
                .with_label_values(&with(arm))
                .set(figures.requests as f64);
            self.errors
                .with_label_values(&with(arm))
                .set(figures.errors as f64);
        }
        let evidence = &standing.evidence;
        let judgement = &evidence.judgement;
        for (decision, ln_e, needed) in [
            ("abort", judgement.ln_e_abort, evidence.ln_abort),
            ("promote", judgement.ln_e_promote, evidence.ln_promote),
        ] {
            self.ln_e.with_label_values(&with(decision)).set(ln_e);
            self.ln_e_needed
                .with_label_values(&with(decision))
                .set(needed);
        }
    }
}

fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Waiting => "waiting",
        Phase::WarmingUp => "warming-up",
        Phase::Climbing => "climbing",
        Phase::Promoted => "promoted",
        Phase::Aborted => "aborted",
    }
}
