//! Turns a place into the rule that serves it.

mod forward;
mod release;

use crate::annotations::auth;
use crate::annotations::filters::{self, HttpsRedirect};
use crate::annotations::values;
use crate::backends::Backends;
use crate::endpoints::Scene;
use crate::ingress::KnownIngress;
use crate::lookup::Found;
use crate::pattern;
use crate::places::{Place, Places, Purpose};
use crate::problem::{Problem, Refused};
use crate::release::Releases;
use crate::tls::Covered;
use haldane_routing::spec::{
    ActionSpec, BackendSpec, FiltersSpec, HostSpec, MatchSpec, OriginSpec, PathSpec, RewriteSpec,
    RuleSpec,
};
use k8s_openapi::api::networking::v1::IngressBackend;
use std::collections::BTreeMap;

/// The answer of a place whose Service is not there.
const UNAVAILABLE: u16 = 503;

/// What came of all places.
pub(crate) struct Made {
    pub(crate) rules: Vec<RuleSpec>,
    pub(crate) backends: Vec<BackendSpec>,
    pub(crate) releases: Releases,
}

/// Makes all rules, and the backends they name.
pub(crate) fn rules(
    scene: Scene<'_, '_>,
    places: &Places<'_>,
    covered: &Covered,
    problems: &mut Vec<Problem>,
) -> Made {
    let patterned = Patterned::new(places);
    let mut maker = Maker {
        scene,
        covered,
        patterned,
        backends: Backends::default(),
        releases: Releases::default(),
        problems,
    };
    let rules = places
        .iter()
        .filter_map(|place| maker.rule(place))
        .collect();
    Made {
        rules,
        backends: maker.backends.into_specs(),
        releases: maker.releases,
    }
}

/// The hosts whose paths are all regular expressions, and for each namespace the Ingress because of which. As in
/// ingress-nginx one Ingress decides for its host, but here only about paths of its own namespace.
struct Patterned(BTreeMap<String, BTreeMap<String, String>>);

impl Patterned {
    fn new(places: &Places<'_>) -> Self {
        let mut hosts = BTreeMap::<_, BTreeMap<_, _>>::new();
        for place in places.iter().filter(|place| asks_for_pattern(place)) {
            for host in std::iter::once(&place.key.host).chain(&place.aliases) {
                let causes = hosts.entry(host.clone()).or_default();
                let namespace = place.owner.namespace().to_owned();
                causes
                    .entry(namespace)
                    .or_insert_with(|| place.owner.title());
            }
        }
        Self(hosts)
    }

    /// The Ingress that makes this place's path a regular expression.
    fn cause(&self, place: &Place<'_>) -> Option<&str> {
        let causes = self
            .0
            .get(&place.key.host)
            .filter(|_| is_patternable(place))?;
        causes.get(place.owner.namespace()).map(String::as_str)
    }

    /// Whether the place stands beside regular expressions of another namespace.
    fn beside(&self, place: &Place<'_>) -> bool {
        self.0.contains_key(&place.key.host) && self.cause(place).is_none()
    }
}

fn is_patternable(place: &Place<'_>) -> bool {
    !matches!(place.purpose, Purpose::Redirect(..))
}

/// A target that is the path itself rewrites nothing.
fn asks_for_pattern(place: &Place<'_>) -> bool {
    let settings = &place.owner.settings.path;
    let rewrites = settings
        .rewrite_target
        .as_ref()
        .is_some_and(|target| *target != place.key.path);
    is_patternable(place) && (settings.use_regex || rewrites)
}

struct Maker<'s, 'a> {
    scene: Scene<'s, 'a>,
    covered: &'s Covered,
    patterned: Patterned,
    backends: Backends,
    releases: Releases,
    problems: &'s mut Vec<Problem>,
}

impl Maker<'_, '_> {
    /// `None` if the place cannot be served as asked, which is reported.
    fn rule(&mut self, place: &Place<'_>) -> Option<RuleSpec> {
        let matches = self.or_report(place, self.matches(place))?;
        let filters = self.filters(place);
        let filters = self.or_report(place, filters)?;
        self.warn_of_pattern(place);
        let (action, service) = self.action(place);
        Some(RuleSpec {
            id: id(place),
            origin: origin(&place.owner, service),
            matches,
            action,
            filters,
        })
    }

    fn or_report<T>(&mut self, place: &Place<'_>, result: Result<T, Refused>) -> Option<T> {
        result
            .map_err(|reason| self.problems.push(place.spot.error(reason.to_string())))
            .ok()
    }

    fn matches(&self, place: &Place<'_>) -> Result<Vec<MatchSpec>, Refused> {
        let path = self.path(place)?;
        let hosts = std::iter::once(&place.key.host).chain(&place.aliases);
        let matching = |name: &String| MatchSpec {
            host: host(name),
            path: path.clone(),
            conditions: Vec::new(),
        };
        Ok(hosts.map(matching).collect())
    }

    fn path(&self, place: &Place<'_>) -> Result<PathSpec, Refused> {
        let path = &place.key.path;
        if self.patterned.cause(place).is_some() {
            pattern::path_groups(path)?;
            return Ok(PathSpec::Regex {
                pattern: path.clone(),
                ignore_case: true,
            });
        }
        values::path(path)?;
        match (place.key.exact, path.trim_end_matches('/')) {
            (true, _) => Ok(PathSpec::Exact(path.clone())),
            // Prefixes come before regular expressions; written as one, this prefix takes its turn by its length.
            (false, elements) if self.patterned.beside(place) => Ok(PathSpec::Regex {
                pattern: prefix_pattern(elements),
                ignore_case: false,
            }),
            (false, "") => Ok(PathSpec::Prefix("/".to_owned())),
            // A prefix is matched element by element, so the slash at its end says nothing.
            (false, elements) => Ok(PathSpec::Prefix(elements.to_owned())),
        }
    }

    /// Who did not ask for regular expressions should know that the neighbour did.
    fn warn_of_pattern(&mut self, place: &Place<'_>) {
        let own = place.owner.title();
        if let Some(cause) = self.patterned.cause(place).filter(|cause| *cause != own) {
            let message = format!(
                "{:?} is matched as a regular expression, without case, because Ingress {cause} asks for that on {}",
                place.key.path, place.key.host
            );
            self.problems.push(place.spot.warning(message));
        }
    }

    fn filters(&mut self, place: &Place<'_>) -> Result<FiltersSpec, Refused> {
        if matches!(place.purpose, Purpose::Redirect(..)) {
            return Ok(FiltersSpec::default());
        }
        let settings = &place.owner.settings;
        let host = Some(place.key.host.as_str())
            .filter(|host| !host.is_empty() && !host.starts_with("*."));
        let external = settings.filters.external_auth.as_ref();
        Ok(FiltersSpec {
            https_redirect: self.https_redirect(place),
            external_auth: external
                .map(|spec| auth::for_host(spec, host))
                .transpose()?,
            rewrite: self.rewrite(place)?,
            ..settings.filters.clone()
        })
    }

    fn https_redirect(&self, place: &Place<'_>) -> Option<u16> {
        /// Permanent, with the method kept, as there.
        const STATUS: u16 = 308;
        let wanted = match place.owner.settings.https {
            HttpsRedirect::Never => false,
            HttpsRedirect::Always => true,
            HttpsRedirect::WithCertificate => self
                .covered
                .covers(place.owner.namespace(), &place.key.host),
        };
        wanted.then_some(STATUS)
    }

    fn rewrite(&mut self, place: &Place<'_>) -> Result<Option<RewriteSpec>, Refused> {
        let target = place.owner.settings.path.rewrite_target.as_ref();
        let Some(target) = target.filter(|target| **target != place.key.path) else {
            return Ok(None);
        };
        let groups = pattern::path_groups(&place.key.path)?;
        let target = filters::with_groups(target, groups).unwrap_or_else(|shorter| {
            let path = &place.key.path;
            let message =
                format!("{path:?} has {groups} groups, so {target:?} means {shorter:?} here");
            self.problems.push(place.spot.warning(message));
            shorter
        });
        Ok(Some(RewriteSpec::Path(target)))
    }

    /// What is done, and for which Service.
    fn action(&mut self, place: &Place<'_>) -> (ActionSpec, String) {
        let redirect = place.owner.settings.redirect.as_ref();
        match (&place.purpose, redirect) {
            (Purpose::Redirect(redirect, _), _) | (_, Some(redirect)) => {
                (ActionSpec::Redirect(redirect.clone()), String::new())
            }
            (Purpose::Forward(backend) | Purpose::Preview(backend), None) => {
                let forward = self
                    .forward(place, backend)
                    .map(|forward| ActionSpec::Forward(Box::new(forward)));
                let service = self.service_name(place, backend);
                (forward.unwrap_or_else(unavailable), service)
            }
        }
    }

    /// Empty unless there is such a Service: a name that nothing checked stands nowhere.
    fn service_name(&self, place: &Place<'_>, backend: &IngressBackend) -> String {
        let name = backend
            .service
            .as_ref()
            .map(|service| service.name.as_str())
            .unwrap_or_default();
        match self.scene.lookup.service(place.owner.namespace(), name) {
            Found::Service(_) | Found::Invalid => name.to_owned(),
            Found::Nothing => String::new(),
        }
    }
}

/// Matches what the prefix of these elements matches.
fn prefix_pattern(elements: &str) -> String {
    match elements {
        "" => "/".to_owned(),
        elements => format!("{}(/|$)", regex::escape(elements)),
    }
}

/// Not left out: then a rule for a shorter path would get these requests.
fn unavailable() -> ActionSpec {
    ActionSpec::Respond {
        status: UNAVAILABLE,
        body: "no service".to_owned(),
    }
}

fn host(name: &str) -> HostSpec {
    match (name, name.strip_prefix("*.")) {
        ("", _) => HostSpec::Any,
        (_, Some(suffix)) => HostSpec::OneLabel(suffix.to_owned()),
        (name, None) => HostSpec::Exact(name.to_owned()),
    }
}

/// Such as `shop/web shop.example.com/cart (Prefix)`: follows from what is written alone, so that a split keeps its
/// position over updates.
fn id(place: &Place<'_>) -> String {
    let host = if place.key.host.is_empty() {
        "*"
    } else {
        &place.key.host
    };
    let kind = match (&place.purpose, place.key.exact) {
        (Purpose::Redirect(_, why), _) => why,
        (_, true) => "Exact",
        (_, false) => "Prefix",
    };
    format!("{} {host}{} ({kind})", place.owner.title(), place.key.path)
}

fn origin(owner: &KnownIngress<'_>, service: String) -> OriginSpec {
    OriginSpec {
        namespace: owner.namespace().to_owned(),
        name: owner.name().to_owned(),
        service,
        created: owner.created,
    }
}
