//! One look at a rollout: from what it was, what is there, what proxies tell and the time, to what it is now.
//!
//! Looking again with nothing changed changes nothing, but for a release that began at the look before: it may get its first
//! step now. Nothing here writes or publishes.

use super::cleanup::Cleanup;
use super::notice::{Notice, What};
use super::obstacle::{absent, is_unmeasured, mixed, replaced, unmeasured};
use super::reading::{Latency, Pair, Reading, add, bounds};
use super::saved::{Held, Known, Saved};
use super::seen::Seen;
use crate::push::Heard;
use crate::release::{Release, Version};
use haldane_rollout::{
    Action, Decision, Evidence, Now, OnAbort, Phase, Reason, State, Threshold, decide,
};
use jiff::SignedDuration;

/// How long a stable version may have no ready pod before another takes its place. A node that restarts takes less.
const STABLE_GONE_MAX: SignedDuration = SignedDuration::from_secs(60);

/// After how long without a ready pod a version counts as new when it comes again: twice what a container that crashes is
/// made to wait.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// The most templates that are remembered of one version; when there are more, those whose pods are gone are forgotten.
const HASHES_MAX: usize = 32;

/// A rollout as it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rollout {
    pub(crate) saved: Saved,
    pub(crate) seen: Seen,
}

/// What came of a look.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Turn {
    /// What was decided; `None` where nothing is being released.
    pub(crate) decision: Option<Decision>,
    /// What is to be told.
    pub(crate) notices: Vec<Notice>,
}

impl Rollout {
    /// The first sight of what is there: it is the stable version, unless it is a canary's.
    pub(crate) fn first(release: &Release) -> Self {
        let mut saved = Saved {
            label: release.label.clone(),
            stable: release.first.clone(),
            ..Saved::default()
        };
        if !release.by_canary {
            know(&mut saved, release);
        }
        let seen = Seen::default();
        Self { saved, seen }
    }

    /// Looks.
    pub(crate) fn turn(&mut self, release: &Release, heard: &[Heard], now: impl Into<Now>) -> Turn {
        let now = now.into();
        let mut turn = Turn::default();
        let readings = self.learn(release, heard);
        if release.settled {
            self.replace_stable(release, now, &mut turn);
            self.know_stable(release);
        }
        if let Some(state) = &mut self.saved.state {
            state.look_at(&release.plan.hand);
        }
        let newcomer = self.newcomer(release);
        if let Some(canary) = &newcomer {
            self.begin(canary, release, heard, now, &mut turn);
        }
        if release.settled {
            self.forget_versions(release, now);
        }
        turn.decision = self.decide(release, now);
        // A version that has just begun waits for the next look, so that what it replaces loses its share at once, whoever
        // holds up the first step.
        if newcomer.is_none() {
            self.carry_out(release, &readings, now, &mut turn);
        }
        self.note_held(release, now, &mut turn);
        turn
    }

    /// Takes in what proxies tell.
    fn learn(&mut self, release: &Release, heard: &[Heard]) -> Vec<Reading> {
        let Some(state) = &mut self.saved.state else {
            return Vec::new();
        };
        let pair = pair(release, state.stable(), state.canary());
        self.seen.count(pair.mark());
        let readings = pair.readings(heard);
        if is_unmeasured(state, release) {
            let stable = readings.iter().map(|reading| &reading.stable);
            state.measure(thresholds(release, stable), &mut self.seen.evidence);
        }
        self.seen.take(&readings, state.terms());
        readings
    }

    fn decide(&self, release: &Release, now: Now) -> Option<Decision> {
        let state = self.saved.state.as_ref()?;
        Some(decide(&release.plan, state, &self.seen.evidence, now))
    }

    fn carry_out(&mut self, release: &Release, readings: &[Reading], now: Now, turn: &mut Turn) {
        let (Some(state), Some(decision)) = (&mut self.saved.state, &turn.decision) else {
            return;
        };
        // Whatever takes away is not held up.
        let up = matches!(decision.action, Action::Advance { .. } | Action::Promote);
        let by_hand = decision.reasons.contains(&Reason::ByHand);
        let evidence = || {
            mixed(state, &self.saved.replaces, release, now)
                .or_else(|| unmeasured(state, release, readings))
        };
        let obstacle = absent(state, release).or_else(|| evidence().filter(|_| !by_hand));
        if let Some(why) = obstacle.filter(|_| up) {
            turn.decision = Some(Decision::gated(why));
            return;
        }
        state.carry_out(decision, &mut self.seen.evidence, now);
        turn.notices.extend(Notice::of(decision, state));
        if decision.action == Action::Abort {
            let canary = state.canary().to_owned();
            self.abort(canary, release);
        }
    }

    fn abort(&mut self, canary: String, release: &Release) {
        let known = self.saved.known.entry(canary.clone()).or_default();
        known.aborted = true;
        if release.plan.on_abort != OnAbort::Hold {
            self.saved.cleanup = Some(self.cleanup(canary, release));
        }
    }

    fn cleanup(&self, canary: String, release: &Release) -> Cleanup {
        let there = release.versions.get(&canary).map(|version| &version.hashes);
        let known = || self.saved.known.get(&canary).map(|known| &known.hashes);
        Cleanup {
            hashes: there.or_else(known).cloned().unwrap_or_default(),
            canary,
            ..Cleanup::default()
        }
    }

    /// The version that is to be released from now on, if any.
    fn newcomer(&self, release: &Release) -> Option<String> {
        if !release.settled {
            return None;
        }
        let stable = self.stable(release);
        let others = release.versions.iter().filter(|(name, _)| *name != stable);
        let new = others
            .clone()
            .filter(|(name, version)| self.is_new(name, version));
        let youngest = new.max_by_key(|(_, version)| version.born);
        let retried = || {
            let state = self.saved.state.as_ref()?;
            let mut others = others;
            others.find(|(name, _)| *name == state.canary() && state.begins(name, &release.plan))
        };
        youngest.or_else(retried).map(|(name, _)| name.clone())
    }

    fn is_new(&self, name: &str, version: &Version) -> bool {
        let known = self.saved.known.get(name);
        known.is_none_or(|known| !version.hashes.is_subset(&known.hashes))
    }

    /// The stable version of a canary Ingress is whatever its main has.
    fn stable<'s>(&'s self, release: &'s Release) -> &'s str {
        match release.by_canary {
            true => &release.first,
            false => self.saved.stable_now(),
        }
    }

    fn begin(
        &mut self,
        canary: &str,
        release: &Release,
        heard: &[Heard],
        now: Now,
        turn: &mut Turn,
    ) {
        let stable = self.stable(release).to_owned();
        let readings = pair(release, &stable, canary).readings(heard);
        let thresholds = thresholds(release, readings.iter().map(|reading| &reading.stable));
        let before = self.saved.state.as_ref();
        if before.is_none_or(|state| (state.stable(), state.canary()) != (&stable, canary)) {
            // What proxies told of other versions is no measure for what they tell of these.
            self.seen.evidence = Evidence::new(thresholds.len());
        }
        let evidence = &mut self.seen.evidence;
        let mut state = State::begin(&stable, canary, &release.plan, thresholds, evidence, now);
        if let Some(before) = &self.saved.state {
            state = state.after(before);
        }
        self.seen.forget(&readings, state.terms());
        self.saved.stable.clone_from(&stable);
        self.saved.state = Some(state);
        // A version that is released once more keeps its pods.
        let cleanup = self.saved.cleanup.take();
        self.saved.cleanup = cleanup.filter(|cleanup| cleanup.canary != canary);
        self.saved.replaces = replaced(&self.saved.known, release.versions.get(canary));
        know(&mut self.saved, release);
        if let Some(known) = self.saved.known.get_mut(canary) {
            known.aborted = false;
        }
        let note = format!("{canary} is released beside {stable}");
        turn.notices.push(Notice::new(What::Started, note));
    }

    /// A stable version whose pods are gone is none. What is there instead takes its place, unless it was aborted.
    fn replace_stable(&mut self, release: &Release, now: Now, turn: &mut Turn) {
        let stable = self.stable(release).to_owned();
        if release.by_canary || release.versions.contains_key(&stable) {
            self.saved.stable_gone = None;
            return;
        }
        let Some(next) = self.instead(release) else {
            return;
        };
        let since = *self.saved.stable_gone.get_or_insert(now.steady);
        if now.steady.duration_since(since) >= STABLE_GONE_MAX {
            let note = format!("{next} is the stable version now: {stable} has no pods any more");
            turn.notices.push(Notice::new(What::StableReplaced, note));
            self.start_anew(next, release);
        }
    }

    /// What is there instead of stable: the version that is released, else the one with the most pods.
    fn instead(&self, release: &Release) -> Option<String> {
        let aborted = self.saved.aborted();
        let canary = self.saved.state.as_ref().map(State::canary);
        let others = release.versions.iter();
        let others = others.filter(|(name, _)| !aborted.contains(*name));
        let next =
            others.max_by_key(|(name, version)| (canary == Some(name.as_str()), version.ready));
        next.map(|(name, _)| name.clone())
    }

    /// As at the first sight, but for what is known of versions: one that was aborted stays so.
    fn start_anew(&mut self, stable: String, release: &Release) {
        let aborted = self.saved.aborted();
        let before = std::mem::replace(self, Self::first(release)).saved;
        self.saved.stable = stable;
        self.saved.known = before.known;
        // An aborted version's pods are still to go.
        self.saved.cleanup = before.cleanup;
        know(&mut self.saved, release);
        for name in aborted {
            self.saved.known.entry(name).or_default().aborted = true;
        }
    }

    /// A stable version may get pods of another template at any time. They are not new when it is stable no longer.
    fn know_stable(&mut self, release: &Release) {
        let stable = self.stable(release).to_owned();
        if let Some(version) = release.versions.get(&stable).filter(|_| !release.by_canary) {
            know_version(&mut self.saved, stable, version);
        }
    }

    /// What has been gone for long is new when it comes again.
    fn forget_versions(&mut self, release: &Release, now: Now) {
        let state = self.saved.state.as_ref();
        let kept = [Some(self.saved.stable_now()), state.map(State::canary)];
        let kept = kept.map(|name| name.unwrap_or_default().to_owned());
        self.saved.known.retain(|name, known| {
            if release.versions.contains_key(name) || kept.contains(name) {
                known.gone = None;
                return true;
            }
            let since = *known.gone.get_or_insert(now.steady);
            now.steady.duration_since(since) < FORGOTTEN_AFTER
        });
    }

    /// Tells when a person or the calendar begins or ends to hold what is under way.
    fn note_held(&mut self, release: &Release, now: Now, turn: &mut Turn) {
        let state = self.saved.state.as_ref();
        let under_way = state.filter(|state| !is_over(state.phase()));
        let freeze = release
            .plan
            .frozen(now.calendar)
            .filter(|_| under_way.is_some());
        let held = Held {
            paused: under_way.is_some() && release.plan.hand.pause,
            frozen: freeze.is_some(),
        };
        if let Some(state) = under_way {
            let before = &self.saved.held;
            let canary = state.canary();
            let mut tell = |what, note: String| turn.notices.push(Notice::new(what, note));
            match (before.paused, held.paused) {
                (false, true) => tell(What::Paused, format!("a person holds {canary}")),
                (true, false) => tell(What::Resumed, format!("nobody holds {canary} any more")),
                _ => {}
            }
            match (before.frozen, freeze) {
                (false, Some(freeze)) => {
                    tell(What::Frozen, format!("nothing goes up during {freeze}"));
                }
                (true, None) => tell(What::Thawed, "the freeze is over".to_owned()),
                _ => {}
            }
        }
        self.saved.held = held;
    }
}

/// Whether a release has ended.
pub(crate) fn is_over(phase: Phase) -> bool {
    matches!(phase, Phase::Promoted | Phase::Aborted)
}

/// Whatever is there now is not new any more.
fn know(saved: &mut Saved, release: &Release) {
    for (name, version) in &release.versions {
        know_version(saved, name.clone(), version);
    }
}

fn know_version(saved: &mut Saved, name: String, version: &Version) {
    let known: &mut Known = saved.known.entry(name).or_default();
    known.hashes.extend(version.hashes.iter().cloned());
    if known.hashes.len() > HASHES_MAX {
        known.hashes.clone_from(&version.hashes);
    }
}

fn pair<'p>(release: &'p Release, stable: &'p str, canary: &'p str) -> Pair<'p> {
    Pair {
        release,
        stable,
        canary,
    }
}

/// What counts as slow from now on.
fn thresholds<'r>(release: &Release, stable: impl Iterator<Item = &'r Latency>) -> Vec<Threshold> {
    match &release.plan.latency {
        haldane_rollout::Latency::Ignored => Vec::new(),
        haldane_rollout::Latency::Objectives(objectives) => objectives.clone(),
        haldane_rollout::Latency::LikeStable => {
            let mut sum = Latency::default();
            stable.for_each(|latency| add(&mut sum, latency));
            Threshold::like_stable(&bounds(), &sum)
        }
    }
}
