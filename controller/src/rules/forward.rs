//! The part of a rule that passes requests on: versions, shares, forced routing, endpoints.

use super::Maker;
use crate::annotations::split::SplitSettings;
use crate::annotations::upstream::UpstreamSettings;
use crate::canary::{self, Accepted, Attached, Candidate};
use crate::places::{Place, Purpose};
use crate::service::{Asker, Resolved, resolve};
use crate::shares::{self, Part, Parts, shares, warn_missing};
use haldane_routing::spec::{
    AffinitySpec, ForcedSpec, ForwardSpec, MirrorSpec, StickySpec, VersionSpec,
};
use k8s_openapi::api::networking::v1::IngressBackend;

/// What the name of a session cookie gets for the cookie that keeps the version.
const VERSION_COOKIE: &str = "-version";

impl Maker<'_, '_> {
    /// `None` if there is nothing to pass requests on to, which is reported.
    pub(super) fn forward(
        &mut self,
        place: &Place<'_>,
        backend: &IngressBackend,
    ) -> Option<ForwardSpec> {
        let main = self.resolve_main(place, backend)?;
        if self.scene.lookup.knows_endpoints() && !place.owner.settings.upstream.service_upstream {
            warn_missing(&main.groups, &main.split, self.problems);
        }
        let rollout = self.rollout(&main.split);
        if let Some(problem) = shares::preview_alone(&main.split).filter(|_| rollout.is_none()) {
            self.problems.push(problem);
            return None;
        }
        let parts = match &rollout {
            Some(asked) => self.decided_parts(asked, &main),
            None => shares(main.groups.clone(), &main.service, &main.split),
        };
        let mut parts = self.or_report(place, parts)?;
        if matches!(place.purpose, Purpose::Preview(_)) {
            return self.preview(place, &main, parts);
        }
        let stable = heaviest(&parts);
        let candidates = place
            .canaries
            .iter()
            .filter_map(|attached| self.candidate(place, &main, attached))
            .collect();
        if let Some(asked) = &rollout {
            self.note_versions(place, asked, &main, &parts);
        }
        let accepted = canary::mix(&mut parts, candidates, self.problems);
        self.note_canaries(place, &accepted, &stable);
        let mut forward = self.forward_to(place, &main, &parts, &accepted);
        forward.forced.extend(canary::forced(&accepted, &stable));
        forward.sticky = sticky(place, &main.split, &parts, &accepted);
        Some(forward)
    }

    fn resolve_main(&mut self, place: &Place<'_>, backend: &IngressBackend) -> Option<Resolved> {
        let owner = &place.owner;
        let asker = Asker {
            namespace: owner.namespace(),
            name: owner.name(),
            split: &owner.settings.split,
            upstream: &owner.settings.upstream,
            otherwise: "requests get 503",
        };
        let spot = owner.subject.at(backend_field(place));
        resolve(self.scene, asker, backend, &spot, self.problems)
    }

    /// The version to test alone.
    fn preview(&mut self, place: &Place<'_>, main: &Resolved, parts: Parts) -> Option<ForwardSpec> {
        let preview = main.split.preview.as_ref()?;
        let part = parts
            .parts
            .into_iter()
            .find(|part| part.name == preview.value)?;
        let parts = Parts {
            parts: vec![Part { weight: 1, ..part }],
            by_endpoints: false,
        };
        let mut forward = self.forward_to(place, main, &parts, &[]);
        forward.forced.clear();
        forward.mirrors.clear();
        Some(forward)
    }

    /// A canary is reached as its main is, but for what is its own; one of the same Service changes nothing.
    fn candidate(
        &mut self,
        place: &Place<'_>,
        main: &Resolved,
        attached: &Attached<'_>,
    ) -> Option<Candidate> {
        let settings = attached.settings()?;
        let service = &attached.backend.service.as_ref()?.name;
        let settings = self.decided_canary(settings, service);
        let split = self.canary_split(&settings, service);
        let upstream = UpstreamSettings {
            service_upstream: attached.ingress.settings.upstream.service_upstream,
            ..place.owner.settings.upstream.clone()
        };
        let name = format!("{} of {}", attached.ingress.name(), place.owner.name());
        let asker = Asker {
            namespace: attached.ingress.namespace(),
            name: &name,
            split: &split,
            upstream: &upstream,
            otherwise: "the canary gets nothing here",
        };
        let spot = attached
            .ingress
            .subject
            .at(format!("{}.backend", attached.field));
        let resolved = resolve(self.scene, asker, attached.backend, &spot, self.problems)?;
        let upstream = canary::upstream_name(attached.ingress.namespace(), attached.backend);
        (resolved.title != main.title).then_some(Candidate {
            settings,
            resolved,
            upstream,
        })
    }

    fn forward_to(
        &mut self,
        place: &Place<'_>,
        main: &Resolved,
        parts: &Parts,
        accepted: &[Accepted],
    ) -> ForwardSpec {
        let upstream = &place.owner.settings.upstream;
        let versions = parts
            .parts
            .iter()
            .map(|part| self.version(place, main, part, accepted))
            .collect::<Vec<_>>();
        ForwardSpec {
            forced: main
                .split
                .forced
                .iter()
                .map(|forced| to_spec(&forced.value))
                .collect(),
            sticky: main.split.sticky.clone(),
            on_empty: main.split.on_empty.unwrap_or_default(),
            mirrors: mirrors(&main.split, &versions),
            versions,
            balance: upstream.balance.clone().unwrap_or_default(),
            affinity: place
                .owner
                .settings
                .affinity
                .as_ref()
                .map(|affinity| self.affinity(place, affinity)),
            timeouts: upstream.timeouts,
            retry: upstream.retry,
        }
    }

    fn version(
        &mut self,
        place: &Place<'_>,
        main: &Resolved,
        part: &Part,
        accepted: &[Accepted],
    ) -> VersionSpec {
        let canary = accepted.iter().find(|canary| canary.name == part.name);
        let canary = canary.map(|canary| &canary.candidate);
        let (resolved, version) = match canary.map(|canary| &canary.resolved) {
            Some(resolved) => (resolved, canary_backend(resolved)),
            None => (main, part.name.as_str()),
        };
        let tls = &place.owner.settings.upstream.tls;
        VersionSpec {
            name: part.name.clone(),
            weight: part.weight,
            backend: self.backends.add(resolved, version, &part.endpoints, tls),
            canary: canary.map_or_else(String::new, |canary| canary.upstream.clone()),
        }
    }

    /// Without a path of its own the cookie is for the rule's, as there; a regular expression is no path.
    fn affinity(&self, place: &Place<'_>, affinity: &AffinitySpec) -> AffinitySpec {
        let own = Some(affinity.path.clone()).filter(|path| !path.is_empty());
        let literal = self.patterned.cause(place).is_none() && !place.key.path.contains(';');
        let of_rule = Some(place.key.path.clone()).filter(|_| literal);
        AffinitySpec {
            path: own.or(of_rule).unwrap_or_else(|| "/".to_owned()),
            ..affinity.clone()
        }
    }
}

/// All versions of a canary's Service are one version of the rule.
fn canary_backend(resolved: &Resolved) -> &str {
    match resolved.groups.as_slice() {
        [] => &resolved.service,
        [group] => &group.name,
        _ => "*",
    }
}

fn to_spec(forced: &crate::annotations::split::Forced) -> ForcedSpec {
    ForcedSpec {
        version: forced.version.clone(),
        any_of: forced.any_of.clone(),
    }
}

/// Where `never` leads: the version that gets most of what is not the canary's.
fn heaviest(parts: &Parts) -> String {
    // The first of several: `max_by_key` would take the last.
    let heaviest = parts.parts.iter().rev().max_by_key(|part| part.weight);
    heaviest.map(|part| part.name.clone()).unwrap_or_default()
}

fn mirrors(split: &SplitSettings, versions: &[VersionSpec]) -> Vec<MirrorSpec> {
    let asked = split.mirrors.iter().flat_map(|given| &given.value);
    let mirror = |(name, per_10000): &(String, u16)| {
        let version = versions.iter().find(|version| version.name == *name)?;
        Some(MirrorSpec {
            backend: version.backend.clone(),
            per_10000: *per_10000,
        })
    };
    asked.filter_map(mirror).collect()
}

/// Whoever asks that users stay on an endpoint asks that they stay on its version, unless every canary says otherwise.
fn sticky(
    place: &Place<'_>,
    split: &SplitSettings,
    parts: &Parts,
    accepted: &[Accepted],
) -> Option<StickySpec> {
    let legacy = !accepted.is_empty()
        && accepted
            .iter()
            .all(|canary| !canary.candidate.settings.sticky);
    let affinity = place
        .owner
        .settings
        .affinity
        .as_ref()
        .filter(|_| parts.parts.len() > 1 && !legacy);
    let implied =
        affinity.map(|affinity| StickySpec::Cookie(format!("{}{VERSION_COOKIE}", affinity.cookie)));
    split.sticky.clone().or(implied)
}

fn backend_field(place: &Place<'_>) -> String {
    let written = place.owner.written.iter().find(|written| {
        matches!(place.purpose, Purpose::Forward(backend) | Purpose::Preview(backend) if std::ptr::eq(written.backend, backend))
    });
    written.map_or_else(
        || "spec.defaultBackend".to_owned(),
        |written| format!("{}.backend", written.field),
    )
}
