//! What of a rollout is written down at its object, so that any controller can go on where another one stopped.

use super::cleanup::Cleanup;
use crate::decided::Shares;
use haldane_rollout::{Phase, State, Stratum};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The decisions of one rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The label that names versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// The version that has all as long as there is no state.
    pub(crate) stable: String,
    /// The versions that have been seen and are not new.
    pub(crate) known: BTreeMap<String, Known>,
    /// Templates of pods that the version which is released replaces, and that got its requests when it began.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) replaces: BTreeSet<String>,
    /// Since when the stable version has had no ready pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stable_gone: Option<Timestamp>,
    /// What has been told of what holds it.
    #[serde(default, skip_serializing_if = "Held::is_none")]
    pub(crate) held: Held,
    /// The release that is under way, or was last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<State>,
    /// What is still to be done to the pods of a version that was aborted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cleanup: Option<Cleanup>,
}

/// A version that has been seen.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// The templates of its pods.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) hashes: BTreeSet<String>,
    /// Since when it has had no ready pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone: Option<Timestamp>,
    /// Whether it was aborted, and has not begun again since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) aborted: bool,
}

/// What holds a rollout from outside.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Held {
    #[serde(default)]
    pub(crate) paused: bool,
    #[serde(default)]
    pub(crate) frozen: bool,
}

impl Held {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

impl Saved {
    /// What the annotation of an object says about the versions of a Service; `None` where it says nothing that can be
    /// read.
    pub(crate) fn read(text: &str, service: &str) -> Option<Self> {
        of_service(text, service)
    }

    /// The version that has all when nothing is being released.
    pub(crate) fn stable_now(&self) -> &str {
        match &self.state {
            Some(state) if state.phase() == Phase::Promoted => state.canary(),
            Some(state) => state.stable(),
            None => &self.stable,
        }
    }

    /// Who gets what.
    pub(crate) fn shares(&self) -> Shares {
        let state = self.state.as_ref();
        Shares {
            label: self.label.clone(),
            stable: state.map_or(self.stable.clone(), |state| state.stable().to_owned()),
            canary: state.map(|state| state.canary().to_owned()),
            share: state.map_or(Stratum::NONE, State::share),
            aborted: self.aborted(),
        }
    }

    /// The versions that were aborted, as far as they are remembered. Earlier forms of what is written know the last one only,
    /// by the state.
    pub(crate) fn aborted(&self) -> BTreeSet<String> {
        let last = self.state.iter();
        let last = last.filter(|state| state.phase() == Phase::Aborted);
        let last = last.map(|state| state.canary().to_owned());
        let known = self.known.iter().filter(|(_, known)| known.aborted);
        known.map(|(name, _)| name.clone()).chain(last).collect()
    }
}

/// The value of one Service in an annotation that holds one for each.
pub(crate) fn of_service<T: DeserializeOwned>(text: &str, service: &str) -> Option<T> {
    let mut all: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    serde_json::from_value(all.remove(service)?).ok()
}
