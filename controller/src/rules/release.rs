//! Rules whose versions are being released: shares as they were decided, and a note of what is there to decide about.

use super::{Maker, id};
use crate::annotations::HALDANE;
use crate::annotations::canary::CanarySettings;
use crate::annotations::rollout::Asked;
use crate::annotations::split::SplitSettings;
use crate::canary::Accepted;
use crate::decided::ReleaseKey;
use crate::places::Place;
use crate::problem::{Refused, Subject};
use crate::release::{self, Release, Version};
use crate::rollouts::saved::Saved;
use crate::service::Resolved;
use crate::shares::{self, Parts};
use crate::versions::Group;
use haldane_rollout::{OnAbort, Plan};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Maker<'_, '_> {
    /// The rollout that has a say. Without a cluster nobody decides, and shares are what is written.
    pub(super) fn rollout(&self, split: &SplitSettings) -> Option<Asked> {
        let asked = split.rollout.clone();
        asked.filter(|_| !self.scene.options.standalone)
    }

    /// The versions of a Service with the shares that were decided.
    pub(super) fn decided_parts(&self, asked: &Asked, main: &Resolved) -> Result<Parts, Refused> {
        let decided = self.scene.decided.shares(asked, &main.service);
        shares::decided(main, decided.as_ref())
    }

    /// The plan, as far as this controller may carry it out.
    fn plan(&mut self, asked: &Asked) -> Arc<Plan> {
        if asked.plan.on_abort == OnAbort::Hold || self.scene.options.on_abort_writes {
            return asked.plan.clone();
        }
        let subject = Subject {
            file: None,
            object: asked.object.clone(),
        };
        let spot = subject.annotation(&format!("{HALDANE}on-abort"));
        let message =
            "means hold: this controller does not write to Deployments (--on-abort-writes)";
        self.problems.push(spot.warning(message));
        Arc::new(Plan {
            on_abort: OnAbort::Hold,
            ..Plan::clone(&asked.plan)
        })
    }

    /// Notes what there is to decide about a Service.
    pub(super) fn note_versions(
        &mut self,
        place: &Place<'_>,
        asked: &Asked,
        main: &Resolved,
        parts: &Parts,
    ) {
        let decided = self.scene.decided.shares(asked, &main.service);
        let canary = decided.and_then(|decided| decided.canary);
        let stable = parts.parts.first().map(|part| part.name.clone());
        let versions = main.groups.iter().filter(|group| group.ready.pods > 0);
        let found = Release {
            key: ReleaseKey::new(asked, &main.service),
            plan: self.plan(asked),
            label: main.label.clone(),
            settled: main.settled,
            recorded: recorded(asked, &main.service),
            by_canary: false,
            versions: versions.map(version).collect(),
            first: stable.unwrap_or_default(),
            rules: BTreeMap::from([(id(place), canary)]),
        };
        release::add(&mut self.releases, found);
    }

    /// Notes what there is to decide about canary Ingresses.
    pub(super) fn note_canaries(&mut self, place: &Place<'_>, accepted: &[Accepted], stable: &str) {
        for canary in accepted {
            let Some(asked) = &canary.candidate.settings.rollout else {
                continue;
            };
            let resolved = &canary.candidate.resolved;
            let found = Release {
                key: ReleaseKey::new(asked, &resolved.service),
                plan: self.plan(asked),
                label: resolved.label.clone(),
                settled: resolved.settled,
                recorded: recorded(asked, &resolved.service),
                by_canary: true,
                versions: canary_version(&resolved.groups).into_iter().collect(),
                first: stable.to_owned(),
                rules: BTreeMap::from([(id(place), Some(canary.name.clone()))]),
            };
            release::add(&mut self.releases, found);
        }
    }

    /// A canary whose weight is decided gets what was decided, and until then nothing.
    pub(super) fn decided_canary(&self, written: &CanarySettings, service: &str) -> CanarySettings {
        let mut settings = written.clone();
        settings.rollout = settings.rollout.filter(|_| !self.scene.options.standalone);
        if let Some(asked) = &settings.rollout {
            let decided = self.scene.decided.shares(asked, service);
            let share = decided.map_or(haldane_rollout::Stratum::NONE, |decided| decided.share);
            settings.weight = share.weight().into();
            settings.total = share.period().into();
        }
        settings
    }

    /// How the versions of a canary's Service are told apart.
    pub(super) fn canary_split(&self, canary: &CanarySettings, service: &str) -> SplitSettings {
        let split = SplitSettings {
            rollout: canary.rollout.clone(),
            ..SplitSettings::default()
        };
        self.scene.decided.named(split, service)
    }
}

/// Whether what was decided stands in the object that asks.
fn recorded(asked: &Asked, service: &str) -> bool {
    let text = asked.state.as_deref();
    text.is_some_and(|text| Saved::read(text, service).is_some())
}

fn version(group: &Group) -> (String, Version) {
    let version = Version {
        ready: group.ready.pods,
        hashes: group.ready.hashes.clone(),
        sharing: group.ready.hashes.clone(),
        born: group.ready.born,
    };
    (group.name.clone(), version)
}

/// While a canary's pods are replaced its Service has two versions for a moment: the newer is meant, and both get its
/// requests.
fn canary_version(groups: &[Group]) -> Option<(String, Version)> {
    let ready = groups.iter().filter(|group| group.ready.pods > 0);
    let (name, mut youngest) = version(ready.clone().max_by_key(|group| group.ready.born)?);
    let all = ready.flat_map(|group| &group.ready.hashes);
    youngest.sharing.extend(all.cloned());
    Some((name, youngest))
}
