//! From a spec to a table, with all that is still valid of the table before.

use super::hosts::Hosts;
use super::paths::Candidate;
use super::{Table, uses_country};
use crate::backend::Backend;
use crate::common::Common;
use crate::fault::{Fault, Faults, unique};
use crate::forward::Resolver;
use crate::index::{BackendIndex, RuleIndex};
use crate::parse;
use crate::precedence::Precedence;
use crate::rule::Rule;
use crate::spec::{BackendSpec, CertificateSpec, RuleSpec, TableSpec};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The most rules of a table: several times what the largest clusters are known to have.
const RULES_MAX: usize = 500_000;

/// The most backends of a table.
const BACKENDS_MAX: usize = 500_000;

/// The most certificates of a table: they are read and held by every proxy.
const CERTIFICATES_MAX: usize = 50_000;

/// The most hosts of one certificate. Public authorities put 100 names into one.
const CERTIFICATE_HOSTS_MAX: usize = 1_000;

/// Every name of a backend, with its place, and the backend unless it is at fault.
type Named<'a> = HashMap<&'a str, (BackendIndex, Option<Arc<Backend>>)>;

pub(super) fn build(
    spec: &TableSpec,
    previous: Option<&Table>,
    seed: u64,
) -> Result<Table, Vec<Fault>> {
    let nothing = Table::empty();
    let previous = previous.unwrap_or(&nothing);
    let mut faults = Faults::default();
    let (named, backends) = backends(&spec.backends, previous, &mut faults);
    let rules = rules(&spec.rules, previous, &named, seed, &mut faults);
    let certificates = certificates(&spec.certificates, previous, &mut faults);
    match (rules, backends, certificates) {
        (Some(rules), Some(backends), Some(certificates)) => Ok(Table {
            hosts: hosts(&rules, previous),
            uses_country: uses_country(&rules),
            rules: rules.into(),
            backends: backends.into(),
            certificates,
        }),
        _ => Err(faults.into_found()),
    }
}

fn backends<'a>(
    specs: &'a [BackendSpec],
    previous: &Table,
    faults: &mut Faults,
) -> (Named<'a>, Option<Vec<Arc<Backend>>>) {
    let old = previous.backends.iter().enumerate();
    let old: HashMap<&str, usize> = old.map(|(at, backend)| (backend.name(), at)).collect();
    let places = places(specs, &old).into_iter().map(BackendIndex::new);
    let names = specs.iter().map(|spec| &*spec.name);
    let mut named: Named<'a> = names.zip(places.map(|place| (place, None))).collect();
    let mut seen = HashSet::new();
    let parsed = faults.each("backends", specs, BACKENDS_MAX, |spec, faults| {
        let before = old.get(&*spec.name).map(|&at| &previous.backends[at]);
        faults.named(&spec.name, |faults| {
            let unique = faults.check("name", unique(&spec.name, &mut seen));
            let backend = unique.and(next_backend(spec, before, faults))?;
            let (place, entry) = named.get_mut(&*spec.name)?;
            *entry = Some(backend.clone());
            Some((*place, backend))
        })
    });
    (named, parsed.map(in_place))
}

/// A place for each backend: the one it had, where the table is still long enough, else one that is free. Rules name
/// backends by place, so a backend that comes or goes leaves all other rules as they are.
fn places(specs: &[BackendSpec], old: &HashMap<&str, usize>) -> Vec<usize> {
    let had = |spec: &BackendSpec| old.get(&*spec.name).copied().filter(|&at| at < specs.len());
    let kept: Vec<Option<usize>> = specs.iter().map(had).collect();
    let taken: HashSet<usize> = kept.iter().flatten().copied().collect();
    let mut free = (0..specs.len()).filter(|at| !taken.contains(at));
    let place = |kept: Option<usize>| kept.or_else(|| free.next());
    kept.into_iter().map_while(place).collect()
}

fn in_place(mut backends: Vec<(BackendIndex, Arc<Backend>)>) -> Vec<Arc<Backend>> {
    backends.sort_unstable_by_key(|(place, _)| *place);
    backends.into_iter().map(|(_, backend)| backend).collect()
}

fn next_backend(
    spec: &BackendSpec,
    before: Option<&Arc<Backend>>,
    faults: &mut Faults,
) -> Option<Arc<Backend>> {
    match before {
        Some(before) if before.is_of(spec) => Some(before.clone()),
        _ => Backend::parse(spec, faults).map(Arc::new),
    }
}

fn rules(
    specs: &[RuleSpec],
    previous: &Table,
    backends: &Named<'_>,
    seed: u64,
    faults: &mut Faults,
) -> Option<Vec<Arc<Rule>>> {
    let old = previous.rules.iter().map(|rule| (rule.id(), rule));
    let old: HashMap<&str, &Arc<Rule>> = old.collect();
    let (mut seen, common) = (HashSet::new(), Common::default());
    faults.each("rules", specs, RULES_MAX, |spec, faults| {
        faults.named(&spec.id, |faults| {
            let resolver = Resolver {
                backends,
                rule: &spec.id,
                seed,
                common: &common,
            };
            let unique = faults.check("id", unique(&spec.id, &mut seen));
            let before = old.get(&*spec.id).copied();
            unique.and(Rule::next(spec, before, &resolver, faults))
        })
    })
}

fn certificates(
    specs: &[CertificateSpec],
    previous: &Table,
    faults: &mut Faults,
) -> Option<Arc<[CertificateSpec]>> {
    if *specs == *previous.certificates {
        return Some(previous.certificates.clone());
    }
    let mut seen = HashSet::new();
    let valid = faults.each("certificates", specs, CERTIFICATES_MAX, |spec, faults| {
        faults.named(&spec.name, |faults| {
            let unique = faults.check("name", unique(&spec.name, &mut seen));
            let hosts = faults.each(
                "hosts",
                &spec.hosts,
                CERTIFICATE_HOSTS_MAX,
                |host, faults| {
                    let name = host.strip_prefix("*.").unwrap_or(host);
                    faults.note(parse::host(name)).map(drop)
                },
            );
            unique.and(hosts).map(drop)
        })
    });
    valid.map(|_| specs.into())
}

/// Puts every alternative of every rule where requests look for it, by precedence. Endpoints change far more often than
/// what rules match, so this is kept where it can be.
fn hosts(rules: &[Arc<Rule>], previous: &Table) -> Arc<Hosts> {
    let mut pairs = rules.iter().zip(&previous.rules);
    if rules.len() == previous.rules.len() && pairs.all(|(new, old)| new.matches_as(old)) {
        return previous.hosts.clone();
    }
    let mut candidates: Vec<Candidate<'_>> = rules.iter().enumerate().flat_map(of_rule).collect();
    candidates.sort_by_cached_key(|c| Precedence::of(c.rule, c.at, c.alternative()));
    Arc::new(Hosts::new(candidates.into_iter()))
}

fn of_rule((index, rule): (usize, &Arc<Rule>)) -> impl Iterator<Item = Candidate<'_>> {
    let index = RuleIndex::new(index);
    (0..rule.alternatives().len()).map(move |at| Candidate { rule, index, at })
}
