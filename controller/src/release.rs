//! What translation finds where a rollout is asked for: the versions that are there, and the rules that split between them.

use crate::decided::ReleaseKey;
use haldane_rollout::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One rollout that is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Release {
    pub(crate) key: ReleaseKey,
    pub(crate) plan: Arc<Plan>,
    /// The label that names versions.
    pub(crate) label: Option<String>,
    /// Whether the pod of every ready endpoint is known, so that no version is missing or has a wrong name.
    pub(crate) settled: bool,
    /// Whether the object says what was decided.
    pub(crate) recorded: bool,
    /// Whether a canary Ingress asks: then its Service's version is to be released from the first sight on.
    pub(crate) by_canary: bool,
    /// The versions that could be released, by name.
    pub(crate) versions: BTreeMap<String, Version>,
    /// Who is the stable version as long as nothing was decided.
    pub(crate) first: String,
    /// The rules that lead to the versions: the id of each, and what the canary is called there, if there is one.
    pub(crate) rules: BTreeMap<String, Option<String>>,
}

/// A version as it is there now.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Version {
    /// Its ready pods.
    pub(crate) ready: u64,
    /// The templates that those were made from.
    pub(crate) hashes: BTreeSet<String>,
    /// The templates of all ready pods that get its requests: a canary Ingress's share goes to every pod of its Service.
    pub(crate) sharing: BTreeSet<String>,
    /// When the youngest of them was created, in seconds since 1970.
    pub(crate) born: Option<i64>,
}

/// All that were found.
pub(crate) type Releases = BTreeMap<ReleaseKey, Release>;

/// Adds what one rule shows of a rollout to what others do: several rules may split between the same versions.
pub(crate) fn add(releases: &mut Releases, found: Release) {
    match releases.get_mut(&found.key) {
        None => {
            releases.insert(found.key.clone(), found);
        }
        Some(known) => {
            known.settled &= found.settled;
            known.rules.extend(found.rules);
            for (name, version) in found.versions {
                known.versions.entry(name).or_default().join(version);
            }
        }
    }
}

impl Version {
    /// Another port of the Service may show pods that are not ready on this one.
    fn join(&mut self, other: Self) {
        self.ready = self.ready.max(other.ready);
        self.hashes.extend(other.hashes);
        self.sharing.extend(other.sharing);
        self.born = self.born.max(other.born);
    }
}
