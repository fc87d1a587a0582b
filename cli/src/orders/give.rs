//! What an order comes to: which annotations change, and what follows; or why there is nothing that it could do. Pure.
//!
//! The controller heeds `promote`, `retry` and `rollback` once each: one that stands there already was heeded, and one that
//! somebody forgot must not hit the next version. So an order names the version it is for; where that very text stands there
//! already, it is given in the other form that it has, `"true"`, which is another order to the controller. Nothing has to be
//! removed first, and nobody has to wait until the removal was seen.

use crate::cluster::{Object, PREFIX};
use haldane_rollout::plan::Fault;
use haldane_rollout::report::{RolloutReport, Standing};
use haldane_rollout::{Phase, Plan};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a person can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Ask {
    Promote,
    Abort,
    Pause,
    Resume,
    Retry,
    Rollback,
}

impl Ask {
    /// As it is typed.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Abort => "abort",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Retry => "retry",
            Self::Rollback => "rollback",
        }
    }
}

/// What an order depends on.
pub(crate) struct Situation<'s> {
    pub(crate) object: &'s Object,
    /// `None` where the controller has told nothing.
    pub(crate) report: Option<&'s RolloutReport>,
    /// The version that the person named.
    pub(crate) version: Option<&'s str>,
    pub(crate) now: Timestamp,
}

/// An order that can be given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// The version it is for; `None` for a pause of whatever comes.
    pub(crate) version: Option<String>,
    /// Annotations without their prefix; `None` is removed.
    pub(crate) changes: BTreeMap<&'static str, Option<String>>,
    /// What follows.
    pub(crate) next: String,
}

impl Given {
    /// What was done, in a line.
    pub(crate) fn did(&self) -> String {
        let changes = self.changes.iter().map(|(name, value)| match value {
            Some(value) => format!("set {PREFIX}{name}: {value:?}"),
            None => format!("removed {PREFIX}{name}"),
        });
        changes.collect::<Vec<_>>().join(", ")
    }
}

/// Why an order could do nothing.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Nothing {
    #[error("orders are not read while its annotations are at fault: {}", list(.0))]
    Faulty(Vec<Fault>),
    #[error(
        "the controller has not told how its rollout stands; name the version by --version to order all the same"
    )]
    Untold,
    #[error("nothing is being released: {0} gets all requests")]
    NoRelease(String),
    #[error("the release is of {canary}, not of {asked}")]
    Other { asked: String, canary: String },
    #[error("{0} is the stable version already")]
    Promoted(String),
    #[error("{0} is aborted; `haldane retry` begins again")]
    Aborted(String),
    #[error("{0} is not aborted")]
    NotAborted(String),
    #[error("{0} is not promoted; `haldane abort` takes its requests away")]
    NotPromoted(String),
    #[error("{0} gets all requests already, and is the stable version after its time there")]
    AtTop(String),
    #[error("a person paused it; `haldane resume` first")]
    Paused,
    #[error("it is paused already")]
    PausedAlready,
    #[error("it is not paused")]
    NotPaused,
    #[error("{version} can be rolled back for {} after its promotion, which is over", humantime::format_duration(*.window))]
    TooLate { version: String, window: Duration },
}

fn list(faults: &[Fault]) -> String {
    let faults = faults.iter().map(ToString::to_string);
    faults.collect::<Vec<_>>().join("; ")
}

/// Makes of what a person asks for what has to be written.
pub(crate) fn give(ask: Ask, situation: &Situation<'_>) -> Result<Given, Nothing> {
    let plan = Plan::read(situation.object.annotations()).map_err(Nothing::Faulty)?;
    let plan = plan.unwrap_or_default();
    situation.check_version()?;
    match ask {
        Ask::Pause if plan.hand.pause => Err(Nothing::PausedAlready),
        Ask::Resume if !plan.hand.pause => Err(Nothing::NotPaused),
        Ask::Pause => Ok(situation.pause()),
        Ask::Resume => Ok(situation.resume()),
        Ask::Promote => situation.promote(&plan),
        Ask::Abort => situation.abort(),
        Ask::Retry => situation.retry(),
        Ask::Rollback => situation.rollback(&plan),
    }
}

impl<'s> Situation<'s> {
    fn standing(&self) -> Option<&'s Standing> {
        self.report?.rollout.as_ref()
    }

    /// A version that is not the one of the release cannot be ordered about.
    fn check_version(&self) -> Result<(), Nothing> {
        match (self.version, self.standing()) {
            (Some(asked), Some(standing)) if asked != standing.canary => Err(Nothing::Other {
                asked: asked.to_owned(),
                canary: standing.canary.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// The version that an order is for.
    fn canary(&self) -> Result<&'s str, Nothing> {
        if let Some(standing) = self.standing() {
            return Ok(&standing.canary);
        }
        match (self.version, self.report) {
            (_, Some(report)) => Err(Nothing::NoRelease(report.stable.clone())),
            (Some(version), None) => Ok(version),
            (None, None) => Err(Nothing::Untold),
        }
    }

    fn phase(&self) -> Option<Phase> {
        self.standing().map(|standing| standing.phase)
    }

    fn stable(&self) -> &'s str {
        self.standing()
            .map_or("the stable version", |standing| &standing.stable)
    }

    fn pause(&self) -> Given {
        let next = match (self.standing(), self.phase()) {
            (_, None | Some(Phase::Promoted | Phase::Aborted)) | (None, _) => {
                "the next version waits without requests until `haldane resume`".to_owned()
            }
            (Some(standing), _) => format!(
                "{} stays at {} until `haldane resume`; if it gets worse it is aborted all the same",
                standing.canary,
                percent(standing.weight)
            ),
        };
        self.given(&[("pause", Some("true".to_owned()))], next)
    }

    fn resume(&self) -> Given {
        let next = match (self.standing(), self.phase()) {
            (Some(standing), Some(Phase::Waiting | Phase::WarmingUp | Phase::Climbing)) => {
                format!(
                    "{} goes up from {} as soon as nothing else holds it",
                    standing.canary,
                    percent(standing.weight)
                )
            }
            _ => "versions go up again by themselves".to_owned(),
        };
        self.given(&[("pause", None)], next)
    }

    fn promote(&self, plan: &Plan) -> Result<Given, Nothing> {
        let canary = self.canary()?;
        self.check_under_way(canary)?;
        if self.is_at_top() {
            return Err(Nothing::AtTop(canary.to_owned()));
        }
        if plan.hand.pause {
            return Err(Nothing::Paused);
        }
        let soak = humantime::format_duration(plan.step_interval);
        let all = format!("all requests go to {canary}; after {soak} it is the stable version");
        let next = match plan.frozen(self.now) {
            Some(freeze) => format!("when the freeze {freeze} is over, {all}"),
            None => all,
        };
        Ok(self.given(&[("promote", Some(self.anew("promote", canary)))], next))
    }

    fn abort(&self) -> Result<Given, Nothing> {
        let canary = self.canary()?;
        self.check_under_way(canary)?;
        let stable = self.stable();
        let next = format!("{canary} gets no more requests, {stable} gets all of them");
        // An abort is heeded for as long as it stands there, so it must never be of another version than this one.
        Ok(self.given(&[("abort", Some(named(canary)))], next))
    }

    fn retry(&self) -> Result<Given, Nothing> {
        let canary = self.canary()?;
        if self.phase().is_some_and(|phase| phase != Phase::Aborted) {
            return Err(Nothing::NotAborted(canary.to_owned()));
        }
        let retry = self.anew("retry", canary);
        // What ended it, or would skip the ladder, must not meet it again.
        let changes = [("retry", Some(retry)), ("abort", None), ("promote", None)];
        let is_for_it = |name: &str| {
            let written = self.object.annotation(name).map(str::trim);
            written.is_some_and(|written| written == canary || written == "true")
        };
        let changes: Vec<_> = changes
            .into_iter()
            .filter(|(name, value)| value.is_some() || is_for_it(name))
            .collect();
        let next = format!("{canary} begins again on the first step, with no evidence from before");
        Ok(self.given(&changes, next))
    }

    fn rollback(&self, plan: &Plan) -> Result<Given, Nothing> {
        let canary = self.canary()?;
        if self.phase().is_some_and(|phase| phase != Phase::Promoted) {
            return Err(Nothing::NotPromoted(canary.to_owned()));
        }
        if let Some(standing) = self.standing() {
            self.check_window(standing, plan.rollback_window)?;
        }
        let stable = self.stable();
        let next = format!("{stable} gets all requests again, and {canary} counts as aborted");
        Ok(self.given(&[("rollback", Some(self.anew("rollback", canary)))], next))
    }

    fn check_window(&self, standing: &Standing, window: Duration) -> Result<(), Nothing> {
        let since = self.now.duration_since(standing.since);
        let is_over = Duration::try_from(since).is_ok_and(|since| since > window);
        match is_over {
            true => Err(Nothing::TooLate {
                version: standing.canary.clone(),
                window,
            }),
            false => Ok(()),
        }
    }

    fn check_under_way(&self, canary: &str) -> Result<(), Nothing> {
        match self.phase() {
            Some(Phase::Promoted) => Err(Nothing::Promoted(canary.to_owned())),
            Some(Phase::Aborted) => Err(Nothing::Aborted(canary.to_owned())),
            Some(Phase::Waiting | Phase::WarmingUp | Phase::Climbing) | None => Ok(()),
        }
    }

    fn is_at_top(&self) -> bool {
        self.standing()
            .is_some_and(|standing| standing.step + 1 >= standing.steps.len())
    }

    /// The order in a form that does not stand there already.
    fn anew(&self, order: &str, canary: &str) -> String {
        let name = named(canary);
        match self.object.annotation(order).map(str::trim) {
            Some(standing) if standing == name => "true".to_owned(),
            _ => name,
        }
    }

    fn given(&self, changes: &[(&'static str, Option<String>)], next: String) -> Given {
        Given {
            version: self.canary().ok().map(str::to_owned),
            changes: changes.iter().cloned().collect(),
            next,
        }
    }
}

/// A version in an order. One that is called as an order without a version cannot be named.
fn named(version: &str) -> String {
    match version {
        "true" | "false" | "" => "true".to_owned(),
        version => version.to_owned(),
    }
}

/// A share for people: `5%`, `0.1%`.
pub(crate) fn percent(share: f64) -> String {
    // What was a decimal fraction is one again; nobody writes finer shares.
    format!("{}%", (share * 1e4).round() / 1e4)
}

#[cfg(test)]
mod tests;
