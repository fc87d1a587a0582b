//! What holds a version up beside its evidence: what is there of its pods, and of stable's requests.
//!
//! Nothing here holds up an abort.

use super::reading::Reading;
use super::saved::Known;
use crate::release::{Release, Version};
use haldane_rollout::{Latency, Phase, State};
use std::collections::{BTreeMap, BTreeSet};

/// Why a version gets nothing more, whatever its evidence says.
pub(super) fn obstacle(
    state: &State,
    replaces: &BTreeSet<String>,
    release: &Release,
) -> Option<String> {
    let canary = state.canary();
    let Some(version) = release.versions.get(canary) else {
        return Some(format!("{canary} has no ready pod"));
    };
    // When none but those are there, somebody went back to them.
    let mixed = !version.sharing.is_disjoint(replaces) && !version.sharing.is_subset(replaces);
    mixed.then(|| format!("pods that {canary} replaces are still ready, and get its requests"))
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
