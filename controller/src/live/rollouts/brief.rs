//! What an object's status says about its rollouts: what changes with a decision, and nothing that changes every second.

use crate::live::name::ObjectName;
use haldane_rollout::report::RolloutReport;
use haldane_rollout::{Phase, Reason};
use serde::Serialize;
use std::collections::BTreeMap;

/// One rollout in a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Brief {
    /// The Service whose versions are released.
    service: String,
    /// The stable version now.
    stable: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<Release>,
}

/// A release that is under way, or was last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Release {
    canary: String,
    phase: Phase,
    /// Such as `2 of 6`.
    step: String,
    /// In percent.
    weight: String,
    /// Since when.
    since: String,
    /// Why it came to where it is.
    why: String,
    /// What it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits: Vec<&'static str>,
}

/// The briefs of each object.
pub(crate) fn of(reports: &[RolloutReport]) -> BTreeMap<ObjectName, Vec<Brief>> {
    let mut briefs = BTreeMap::<_, Vec<_>>::new();
    for report in reports {
        let object = format!("{} {}/{}", report.kind, report.namespace, report.name);
        if let Ok(object) = object.parse() {
            briefs.entry(object).or_default().push(brief(report));
        }
    }
    briefs
}

fn brief(report: &RolloutReport) -> Brief {
    let release = report.rollout.as_ref().map(|standing| Release {
        canary: standing.canary.clone(),
        phase: standing.phase,
        step: format!("{} of {}", standing.step + 1, standing.steps.len()),
        weight: haldane_rollout::number::percent(standing.weight / 100.0),
        since: standing.since.to_string(),
        why: standing
            .history
            .last()
            .map(|last| last.why.clone())
            .unwrap_or_default(),
        waits: standing.decision.reasons.iter().filter_map(word).collect(),
    });
    Brief {
        service: report.service.clone(),
        stable: report.stable.clone(),
        release,
    }
}

/// A reason to wait, without its figures.
fn word(reason: &Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::Paused => "paused",
        Reason::Manual => "manual",
        Reason::Frozen(_) => "frozen",
        Reason::Gated(_) => "gated",
        Reason::WarmingUp { .. } => "warming-up",
        Reason::Soaking { .. } => "soaking",
        Reason::NoReports | Reason::Stale { .. } => "no-reports",
        Reason::TooFewRequests { .. } => "too-few-requests",
        Reason::ShareOff { .. } => "outcomes-missing",
        Reason::Leaning { .. } => "may-be-worse",
        Reason::NotProven { .. } => "not-proven",
        Reason::TooLong { .. } => "too-long",
        _ => return None,
    })
}
