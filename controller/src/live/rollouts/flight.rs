//! One rollout as this process runs it: what is in force, what waits to be written down first, and what is to be told.
//!
//! A share goes up only when the decision that allows it is written; whatever takes from the canary is in force at once and
//! written after.

use crate::decided::{ReleaseKey, Shares};
use crate::live::name::ObjectName;
use crate::push::Heard;
use crate::release::Release;
use crate::rollouts::cleanup::{Cleanup, Tried};
use crate::rollouts::notice::Notice;
use crate::rollouts::reading::{Latency, Pair, latency, quantile};
use crate::rollouts::turn::{Rollout, Turn, is_over};
use haldane_rollout::report::{ArmFigures, RolloutReport, Standing};
use haldane_rollout::{Arm, Decision, Now, Stratum};
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

/// How old what is written of the evidence may become. What proxies told since is told again after a crash, and the proxies
/// that are gone by then were silent for the rest.
const WRITTEN_AGE_MAX: Duration = Duration::from_secs(10);

/// A rollout that this process runs.
pub(crate) struct Flight {
    pub(crate) object: ObjectName,
    pub(crate) uid: String,
    /// What is in force.
    pub(crate) rollout: Rollout,
    /// What is to be in force once it is written.
    wanted: Option<(Rollout, Vec<Notice>)>,
    unwritten: bool,
    written: Instant,
    decision: Option<Decision>,
    notices: Vec<Notice>,
    /// When it may be tried to clean up after an abort; `None` while somebody tries.
    clean_at: Option<Instant>,
}

impl Flight {
    /// One that was written down, or is seen for the first time.
    pub(crate) fn new(
        object: ObjectName,
        uid: String,
        saved: Option<Rollout>,
        release: &Release,
    ) -> Self {
        Self {
            object,
            uid,
            unwritten: saved.is_none(),
            rollout: saved.unwrap_or_else(|| Rollout::first(release)),
            wanted: None,
            written: Instant::now(),
            decision: None,
            notices: Vec::new(),
            clean_at: Some(Instant::now()),
        }
    }

    /// Looks at what there is. `obstacle` is asked before a share goes up: why it may not, if so.
    pub(crate) fn look(
        &mut self,
        release: &Release,
        heard: &[Heard],
        now: Now,
        obstacle: impl FnOnce(&ObjectName, &Rollout, Option<&Decision>) -> Option<String>,
    ) {
        let mut next = self.rollout.clone();
        let Turn { decision, notices } = next.turn(release, heard, now);
        self.decision = decision;
        let moved = next.saved != self.rollout.saved;
        if moved && raises(&self.rollout.saved.shares(), &next.saved.shares()) {
            // What is not taken now is decided again at the next look, from all that was seen until then.
            let obstacle = obstacle(&self.object, &next, self.decision.as_ref());
            self.wanted = obstacle.is_none().then_some((next, notices));
            if let Some(why) = obstacle {
                self.decision = Some(Decision::gated(why));
            }
            return;
        }
        let grown = next.seen != self.rollout.seen && self.is_under_way();
        // Somebody may have put another form of the whole object in the place of the one with our annotations.
        let lost = !release.recorded;
        let old = self.written.elapsed() >= WRITTEN_AGE_MAX;
        self.unwritten |= moved || ((grown || lost) && old);
        self.wanted = None;
        self.rollout = next;
        self.notices.extend(notices);
    }

    fn is_under_way(&self) -> bool {
        let state = self.rollout.saved.state.as_ref();
        state.is_some_and(|state| !is_over(state.phase()))
    }

    /// What is to be written now, if anything is.
    pub(crate) fn due(&self) -> Option<&Rollout> {
        let wanted = self.wanted.as_ref().map(|(rollout, _)| rollout);
        wanted.or(self.unwritten.then_some(&self.rollout))
    }

    /// What was due is written.
    pub(crate) fn wrote(&mut self) {
        if let Some((rollout, notices)) = self.wanted.take() {
            self.rollout = rollout;
            self.notices.extend(notices);
        }
        self.unwritten = false;
        self.written = Instant::now();
    }

    /// Whether it is to be cleaned up after an abort, from now on by whoever asks: nothing is done that is not written down.
    pub(crate) fn cleans(&mut self) -> bool {
        let due = self.rollout.saved.cleanup.is_some() && self.due().is_none();
        let due = due && self.clean_at.is_some_and(|at| at <= Instant::now());
        if due {
            self.clean_at = None;
        }
        due
    }

    /// Somebody has tried to clean up, as it was asked for then.
    pub(crate) fn cleaned(&mut self, asked: &Cleanup, tried: Tried) {
        let wait = match tried {
            Tried::Again(_) => Duration::from_secs(asked.pause_s()),
            _ => Duration::ZERO,
        };
        self.clean_at = Some(Instant::now() + wait);
        if self.rollout.saved.cleanup.as_ref() != Some(asked) {
            return;
        }
        self.notices.extend(self.rollout.saved.tried(tried));
        self.unwritten = true;
    }

    /// What is to be told since the last time.
    pub(crate) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// How it stands.
    pub(crate) fn report(
        &self,
        key: &ReleaseKey,
        release: &Release,
        heard: &[Heard],
        now: Timestamp,
    ) -> RolloutReport {
        RolloutReport {
            namespace: self.object.namespace.clone(),
            kind: self.object.kind.as_str().to_owned(),
            name: self.object.name.clone(),
            service: key.service.clone(),
            stable: match release.by_canary {
                true => release.first.clone(),
                false => self.rollout.saved.stable_now().to_owned(),
            },
            mode: release.plan.mode,
            rollout: self.standing(release, heard, now),
        }
    }

    fn standing(&self, release: &Release, heard: &[Heard], now: Timestamp) -> Option<Standing> {
        let state = self.rollout.saved.state.as_ref()?;
        let (decision, evidence) = (self.decision.as_ref()?, &self.rollout.seen.evidence);
        let pair = Pair {
            release,
            stable: state.stable(),
            canary: state.canary(),
        };
        let readings = pair.readings(heard);
        let mut standing = Standing::new(&release.plan, state, evidence, decision, now);
        put_durations(
            &mut standing.canary_figures,
            &latency(&readings, Arm::Canary),
        );
        put_durations(
            &mut standing.stable_figures,
            &latency(&readings, Arm::Stable),
        );
        Some(standing)
    }
}

fn put_durations(figures: &mut ArmFigures, latency: &Latency) {
    figures.p50 = quantile(latency, 0.5);
    figures.p99 = quantile(latency, 0.99);
}

/// Whether the canary gets more than it had, as whatever it was.
fn raises(before: &Shares, after: &Shares) -> bool {
    let had = match after.canary.as_ref() {
        canary if canary == before.canary.as_ref() => before.share,
        Some(canary) if *canary == before.stable => Stratum::ALL,
        _ => Stratum::NONE,
    };
    after.share > had
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn what_a_canary_gets_more_is_written_before_it_is_in_force() {
        let shares = |stable: &str, canary: Option<&str>, percent| Shares {
            label: None,
            stable: stable.to_owned(),
            canary: canary.map(str::to_owned),
            share: Stratum::new(percent, 100).expect("a share"),
            aborted: BTreeSet::new(),
        };
        let cases = [
            (shares("1", None, 0), shares("1", Some("2"), 0), false),
            (shares("1", None, 0), shares("1", Some("2"), 5), true),
            (shares("1", Some("2"), 5), shares("1", Some("2"), 10), true),
            (shares("1", Some("2"), 10), shares("1", Some("2"), 0), false),
            (
                shares("1", Some("2"), 100),
                shares("2", Some("3"), 0),
                false,
            ),
            (shares("1", Some("2"), 50), shares("1", Some("3"), 5), true),
            (shares("1", Some("2"), 50), shares("1", Some("3"), 0), false),
            (shares("2", None, 0), shares("1", Some("2"), 100), false),
        ];
        for (before, after, expected) in cases {
            assert_eq!(raises(&before, &after), expected, "{before:?} {after:?}");
        }
    }
}
