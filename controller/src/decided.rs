//! Decided shares: what a rollout has let a version have, as an input of translation beside the objects.
//!
//! What was decided stands in an annotation of the object that asked, so every controller makes the same table of it. The
//! one that decides holds its own newest decisions over that. Nothing here decides.

use crate::annotations::rollout::Asked;
use crate::annotations::split::SplitSettings;
use crate::rollouts::saved::Saved;
use haldane_rollout::Stratum;
use std::collections::{BTreeMap, BTreeSet};

/// Which rollout: the versions of a Service, as one object asks for them to be released.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ReleaseKey {
    /// The object, such as `Service shop/web`.
    pub(crate) object: String,
    /// The Service's name.
    pub(crate) service: String,
}

impl ReleaseKey {
    pub(crate) fn new(asked: &Asked, service: &str) -> Self {
        Self {
            object: asked.object.clone(),
            service: service.to_owned(),
        }
    }
}

/// The shares of one rollout. Versions that are not named get nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// The label that names versions, as it was when the rollout began: what comes later must not rename them.
    pub(crate) label: Option<String>,
    pub(crate) stable: String,
    /// The version that is released, if any.
    pub(crate) canary: Option<String>,
    /// The canary's share.
    pub(crate) share: Stratum,
    /// The versions that were aborted: they get nothing whatever happens.
    pub(crate) aborted: BTreeSet<String>,
}

impl Shares {
    /// Whether a version has requests.
    pub(crate) fn gives(&self, version: &str) -> bool {
        let stable = self.stable == version && self.share != Stratum::ALL;
        stable || self.canary.as_deref() == Some(version) && self.share != Stratum::NONE
    }
}

/// What the controller that decides has decided; empty elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decided(pub(crate) BTreeMap<ReleaseKey, Shares>);

impl Decided {
    /// The shares of a rollout; `None` where nothing was decided yet.
    pub(crate) fn shares(&self, asked: &Asked, service: &str) -> Option<Shares> {
        let decided = self.0.get(&ReleaseKey::new(asked, service)).cloned();
        decided.or_else(|| {
            let saved = Saved::read(asked.state.as_deref()?, service)?;
            Some(saved.shares())
        })
    }

    /// Settings that name versions by the label that a rollout knows them by, unless they choose one.
    pub(crate) fn named(&self, mut settings: SplitSettings, service: &str) -> SplitSettings {
        if settings.version_label.is_none()
            && let Some(asked) = &settings.rollout
        {
            settings.version_label = self.shares(asked, service).and_then(|shares| shares.label);
        }
        settings
    }
}
