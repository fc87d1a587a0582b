//! What holds a version up beside its evidence: what is there of its pods, and of stable's requests.
//!
//! Nothing here holds up an abort.

use super::reading::Reading;
use super::saved::Known;
use crate::release::{Release, Version};
use haldane_rollout::{Latency, Now, Phase, State};
use jiff::SignedDuration;
use std::collections::{BTreeMap, BTreeSet};

/// How long a version waits for the end of the pods that it replaces: as long as a Deployment may go without progress by
/// default. Pods that are there still are to stay, such as those of a second Deployment under the same name.
const REPLACED_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Why a version gets nothing more, whoever asks.
pub(super) fn absent(state: &State, release: &Release) -> Option<String> {
    let canary = state.canary();
    (!release.versions.contains_key(canary)).then(|| format!("{canary} has no ready pod"))
}

/// Why answers would not be the version's own: pods of before share its requests.
pub(super) fn mixed(
    state: &State,
    replaces: &BTreeSet<String>,
    release: &Release,
    now: Now,
) -> Option<String> {
    let canary = state.canary();
    let sharing = &release.versions.get(canary)?.sharing;
    // When none but those are there, somebody went back to them.
    let mixed = !sharing.is_disjoint(replaces) && !sharing.is_subset(replaces);
    let waits = mixed && now.steady.duration_since(state.started()) < REPLACED_MAX;
    waits.then(|| format!("pods that {canary} replaces are still ready, and get its requests"))
}

/// Why nothing can be slow yet: the measure is stable's own latency, and there is none.
pub(super) fn unmeasured(state: &State, release: &Release, readings: &[Reading]) -> Option<String> {
    let mut counts = readings.iter().flat_map(|reading| reading.stable);
    let silent = is_unmeasured(state, release) && counts.all(|count| count == 0);
    let stable = state.stable();
    silent.then(|| format!("{stable}, whose latency is the measure, has had no request"))
}

/// Whether what counts as slow is still to be found out.
pub(super) fn is_unmeasured(state: &State, release: &Release) -> bool {
    let like_stable = release.plan.latency == Latency::LikeStable;
    like_stable && state.phase() == Phase::Waiting && state.terms().thresholds.is_empty()
}

/// The templates known before whose pods get the requests of a version that has others now.
pub(super) fn replaced(
    known: &BTreeMap<String, Known>,
    version: Option<&Version>,
) -> BTreeSet<String> {
    let known: BTreeSet<_> = known.values().flat_map(|known| &known.hashes).collect();
    let sharing = version.into_iter().flat_map(|version| &version.sharing);
    let (before, new): (BTreeSet<_>, BTreeSet<_>) =
        sharing.cloned().partition(|hash| known.contains(hash));
    if new.is_empty() {
        BTreeSet::new()
    } else {
        before
    }
}
