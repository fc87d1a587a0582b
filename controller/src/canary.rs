//! Canary Ingresses: to which places they attach, and what they take there.

use crate::annotations::canary::{CanarySettings, HeaderRule};
use crate::annotations::weights::gcd;
use crate::ingress::{Key, KnownIngress, Written};
use crate::places::{Place, Places, Purpose};
use crate::problem::{Problem, Refused};
use crate::service::Resolved;
use crate::shares::{Part, Parts, reduce_parts, rounded};
use haldane_routing::schedule::{PERIOD_MAX, VERSIONS_MAX};
use haldane_routing::spec::{ConditionSpec, EndpointSpec, ForcedSpec, TestSpec};
use k8s_openapi::api::networking::v1::IngressBackend;
use std::rc::Rc;

/// How many canaries one rule may have: their headers and cookies are held against every request in turn.
const CANARIES_MAX: usize = 16;

/// A canary on one place.
#[derive(Clone, Debug)]
pub(crate) struct Attached<'a> {
    pub(crate) ingress: Rc<KnownIngress<'a>>,
    pub(crate) backend: &'a IngressBackend,
    /// Where the backend stands.
    pub(crate) field: String,
}

impl Attached<'_> {
    pub(crate) fn settings(&self) -> Option<&CanarySettings> {
        self.ingress.settings.canary.as_ref()
    }
}

/// Attaches a canary to the places it names: same namespace, same host, same path as written. Paths that nobody serves
/// are reported and stay unserved; the others work.
pub(crate) fn attach<'a>(
    canary: &Rc<KnownIngress<'a>>,
    places: &mut Places<'a>,
    problems: &mut Vec<Problem>,
) {
    let default = canary.default_backend.map(|backend| Written {
        key: Key::root(""),
        field: "spec.defaultBackend".to_owned(),
        backend,
    });
    for written in canary.written.iter().chain(&default) {
        let attached = Attached {
            ingress: Rc::clone(canary),
            backend: written.backend,
            field: written.field.clone(),
        };
        let spot = canary.subject.at(written.field.as_str());
        match place_of(canary, &written.key, places) {
            // Tools copy whole rules, so a canary often names places that it does not change.
            Ok(place) if is_same(place, written.backend) => {}
            Ok(place) => place.canaries.push(attached),
            Err(Unattached::Foreign(message)) => problems.push(spot.error(message)),
            Err(Unattached::Nowhere(message)) => problems.push(spot.warning(message)),
        }
    }
}

enum Unattached {
    Foreign(String),
    Nowhere(String),
}

fn place_of<'p, 'a>(
    canary: &KnownIngress<'_>,
    key: &Key,
    places: &'p mut Places<'a>,
) -> Result<&'p mut Place<'a>, Unattached> {
    let host = if key.host.is_empty() {
        "every host"
    } else {
        &key.host
    };
    let nowhere = |reason: &str| {
        Unattached::Nowhere(format!(
            "no Ingress serves {:?} on {host}{reason}",
            key.path
        ))
    };
    let Some(place) = places.get_mut(key) else {
        return Err(nowhere(
            " with this pathType, so there is nothing to be a canary of",
        ));
    };
    if place.owner.namespace() != canary.namespace() {
        let owner = place.owner.title();
        let message = format!(
            "{:?} on {host} belongs to Ingress {owner}: a canary must be in its main's namespace",
            key.path
        );
        return Err(Unattached::Foreign(message));
    }
    match (place.key.host == key.host, &place.purpose) {
        (true, Purpose::Forward(_)) => Ok(place),
        (false, _) => Err(nowhere(" by a rule of its own (an alias is no rule)")),
        (true, _) => Err(nowhere(" by passing requests on")),
    }
}

fn is_same(place: &Place<'_>, backend: &IngressBackend) -> bool {
    matches!(place.purpose, Purpose::Forward(main) if main == backend)
}

/// A canary whose Service was found.
pub(crate) struct Candidate {
    pub(crate) settings: CanarySettings,
    pub(crate) resolved: Resolved,
    /// See [`upstream_name`].
    pub(crate) upstream: String,
}

/// What ingress-nginx calls a backend in its metrics: `<namespace>-<service>-<port>`, the port as it is written.
pub(crate) fn upstream_name(namespace: &str, backend: &IngressBackend) -> String {
    let service = backend.service.as_ref();
    let port = service.and_then(|service| service.port.as_ref());
    let number = port.and_then(|port| port.number);
    let port = match number {
        Some(number) => number.to_string(),
        None => port.and_then(|port| port.name.clone()).unwrap_or_default(),
    };
    let service = service.map_or("", |service| &service.name);
    format!("{namespace}-{service}-{port}")
}

/// A canary that got its share.
pub(crate) struct Accepted {
    pub(crate) candidate: Candidate,
    /// The name of its version.
    pub(crate) name: String,
}

/// Adds the canaries, oldest first, to the versions of the main. One that does not fit is left out and reported; those
/// before it stay.
pub(crate) fn mix(
    parts: &mut Parts,
    candidates: Vec<Candidate>,
    problems: &mut Vec<Problem>,
) -> Vec<Accepted> {
    let main = parts.clone();
    let mut accepted: Vec<Accepted> = Vec::new();
    for candidate in candidates {
        let name = version_name(&candidate.resolved, &main, &accepted);
        accepted.push(Accepted { candidate, name });
        match mixed(&main, &accepted) {
            Ok(mixed) => parts.parts = mixed,
            Err(reason) => {
                let spot = accepted
                    .pop()
                    .map(|refused| refused.candidate.settings.weight_spot.clone());
                problems.extend(
                    spot.map(|spot| spot.error(format!("{reason}; the canary gets nothing here"))),
                );
            }
        }
    }
    accepted
}

/// A canary is one version, named by its pods' label if they share one and its main does not; else by its Service.
fn version_name(resolved: &Resolved, main: &Parts, accepted: &[Accepted]) -> String {
    let is_free = |name: &&str| {
        main.parts.iter().all(|part| part.name != *name)
            && accepted.iter().all(|other| other.name != *name)
    };
    let labelled = match resolved.groups.as_slice() {
        [group] => Some(group.name.as_str()),
        _ => None,
    };
    let port = resolved.title.rsplit(':').next().unwrap_or_default();
    let with_port = format!("{}-{port}", resolved.service);
    let candidates = labelled
        .into_iter()
        .chain([resolved.service.as_str(), with_port.as_str()]);
    let name = candidates
        .into_iter()
        .find(is_free)
        .unwrap_or(&resolved.title);
    name.to_owned()
}

/// Each canary takes its weight of its total, and the main's versions share the rest as they did before.
fn mixed(main: &Parts, canaries: &[Accepted]) -> Result<Vec<Part>, Refused> {
    if canaries.len() > CANARIES_MAX {
        return Refused::because(format!("the rule has more than {CANARIES_MAX} canaries"));
    }
    if main.parts.len() + canaries.len() > VERSIONS_MAX {
        return Refused::because(format!("the rule has more than {VERSIONS_MAX} versions"));
    }
    let (taken, total) = taken(canaries)?;
    let rest = total - taken.iter().sum::<u64>();
    let main_weights = main_weights(main, total);
    let sum = main_weights.iter().sum::<u64>();
    let mains = main
        .parts
        .iter()
        .zip(main_weights)
        .map(|(part, weight)| Part {
            weight: weight * rest,
            ..part.clone()
        });
    let canaries = canaries.iter().zip(taken).map(|(canary, weight)| Part {
        name: canary.name.clone(),
        weight: weight * sum,
        endpoints: canary.endpoints(),
    });
    let mut parts: Vec<_> = mains.chain(canaries).collect();
    reduce_parts(&mut parts)?;
    Ok(parts)
}

/// The canaries' weights over one common total, which is at most the longest period.
fn taken(canaries: &[Accepted]) -> Result<(Vec<u64>, u64), Refused> {
    let fractions: Vec<_> = canaries.iter().map(Accepted::fraction).collect();
    let total = fractions.iter().try_fold(1, |total, (_, own)| {
        let common = total / gcd(total, *own) * own;
        if common > PERIOD_MAX {
            Refused::because(format!(
                "the shares repeat only after {common} requests, at most {PERIOD_MAX} are possible"
            ))
        } else {
            Ok(common)
        }
    })?;
    let taken: Vec<_> = fractions
        .iter()
        .map(|(weight, own)| weight * (total / own))
        .collect();
    match taken.iter().sum::<u64>() {
        sum if sum > total => Refused::because(
            "together with the older canaries of this rule it asks for more than 100 %",
        ),
        _ => Ok((taken, total)),
    }
}

/// Weights that follow from numbers of endpoints are rounded until the whole fits one period.
fn main_weights(main: &Parts, total: u64) -> Vec<u64> {
    let weights: Vec<_> = main.parts.iter().map(|part| part.weight).collect();
    if main.by_endpoints {
        rounded(&weights, (PERIOD_MAX / total).max(weights.len() as u64))
    } else {
        weights
    }
}

impl Accepted {
    /// Weight and total in lowest terms; both are at most a million.
    fn fraction(&self) -> (u64, u64) {
        let CanarySettings { weight, total, .. } = self.candidate.settings;
        let divisor = gcd(weight, total);
        (weight / divisor, total / divisor)
    }

    fn endpoints(&self) -> Rc<[EndpointSpec]> {
        self.candidate
            .resolved
            .groups
            .iter()
            .flat_map(|group| group.endpoints.iter().cloned())
            .collect()
    }
}

/// First what headers force, then cookies, each oldest canary first; `stable` is where `never` leads.
pub(crate) fn forced(accepted: &[Accepted], stable: &str) -> Vec<ForcedSpec> {
    let headers = accepted
        .iter()
        .flat_map(|canary| canary.header_forced(stable));
    let cookies = accepted
        .iter()
        .flat_map(|canary| canary.cookie_forced(stable));
    headers.chain(cookies).collect()
}

impl Accepted {
    fn header_forced(&self, stable: &str) -> Vec<ForcedSpec> {
        let Some((name, rule)) = &self.candidate.settings.header else {
            return Vec::new();
        };
        let header = |test| ConditionSpec::Header(name.clone(), test);
        match rule {
            HeaderRule::Value(value) => {
                vec![to(&self.name, header(TestSpec::Equals(value.clone())))]
            }
            HeaderRule::Pattern(pattern) => {
                vec![to(&self.name, header(TestSpec::Matches(pattern.clone())))]
            }
            HeaderRule::Words => self.words(stable, header),
        }
    }

    fn cookie_forced(&self, stable: &str) -> Vec<ForcedSpec> {
        let cookie = self.candidate.settings.cookie.as_ref();
        let forced =
            |name: &String| self.words(stable, |test| ConditionSpec::Cookie(name.clone(), test));
        cookie.map(forced).unwrap_or_default()
    }

    fn words(
        &self,
        stable: &str,
        condition: impl Fn(TestSpec) -> ConditionSpec,
    ) -> Vec<ForcedSpec> {
        let word = |text: &str| condition(TestSpec::Equals(text.to_owned()));
        vec![to(&self.name, word("always")), to(stable, word("never"))]
    }
}

fn to(version: &str, condition: ConditionSpec) -> ForcedSpec {
    ForcedSpec {
        version: version.to_owned(),
        any_of: vec![vec![condition]],
    }
}
