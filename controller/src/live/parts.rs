//! Which generation brought each object's part of the table: what its status tells.
//!
//! An object's part is its rules, with versions and shares. Endpoints come and go without changing it, so that a rolling
//! update is not a write for every pod.

mod canaries;

use super::name::{Kind, ObjectName};
use super::store::Store;
use crate::problem::Problem;
use crate::translate::Options;
use haldane_routing::spec::{RuleSpec, TableSpec};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What is known of an object that is served, or should be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    /// By what the API server tells it from a later object of the same name.
    pub(crate) uid: String,
    /// The number of the generation in which its rules last changed; `None` if it has none.
    pub(crate) since: Option<u64>,
    /// How many problems it has.
    pub(crate) problems: usize,
    /// Whether it is served as it was when it was last valid.
    pub(crate) held: bool,
}

/// The objects by name.
pub(crate) type Parts = BTreeMap<ObjectName, Part>;

/// A problem of an object, and what the API server knows the object by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub(crate) struct Fault {
    #[serde(flatten)]
    pub(crate) problem: Problem,
    #[serde(skip)]
    pub(crate) object: ObjectName,
    #[serde(skip)]
    pub(crate) uid: String,
    /// Whether the object is served as it was when it was last valid.
    pub(crate) held: bool,
}

/// The problems of objects that are there.
pub(crate) fn faults(
    problems: &[Problem],
    store: &Store,
    held: &BTreeSet<ObjectName>,
) -> Vec<Fault> {
    let fault = |problem: &Problem| {
        let object: ObjectName = problem.object.parse().ok()?;
        let metadata = store.metadata(&object)?;
        Some(Fault {
            problem: problem.clone(),
            uid: metadata.uid.clone().unwrap_or_default(),
            held: held.contains(&object),
            object,
        })
    };
    problems.iter().filter_map(fault).collect()
}

/// What follows from a table that takes the place of another.
pub(crate) struct Step<'a> {
    pub(crate) before: &'a TableSpec,
    pub(crate) after: &'a TableSpec,
    pub(crate) number: u64,
    pub(crate) problems: &'a [Problem],
    pub(crate) held: &'a BTreeSet<ObjectName>,
    pub(crate) options: &'a Options,
}

impl Step<'_> {
    /// The parts after this step. An object that is not served any more is told so for as long as it is there.
    pub(crate) fn parts(&self, before: &Parts, store: &Store) -> Parts {
        let mut parts: Parts = before
            .keys()
            .map(|name| (name.clone(), Part::default()))
            .collect();
        self.add_owners(&mut parts, before);
        canaries::add(&mut parts, self.after, store, self.options);
        self.count_problems(&mut parts);
        parts.retain(|name, part| describe(name, part, store, self.held));
        parts
    }

    fn add_owners(&self, parts: &mut Parts, before: &Parts) {
        let changed = changed(self.before, self.after);
        let since = |name: &ObjectName| match before.get(name).and_then(|part| part.since) {
            Some(since) if !changed.contains(name) => since,
            _ => self.number,
        };
        for owner in self.after.rules.iter().flat_map(owners) {
            let since = since(&owner);
            parts.entry(owner).or_default().since = Some(since);
        }
    }

    fn count_problems(&self, parts: &mut Parts) {
        for problem in self.problems {
            let Ok(name) = problem.object.parse::<ObjectName>() else {
                continue;
            };
            let known = parts.contains_key(&name);
            if known || problem.is_error() && matches!(name.kind, Kind::Ingress | Kind::Service) {
                parts.entry(name).or_default().problems += 1;
            }
        }
    }
}

/// False if there is no such object.
fn describe(
    name: &ObjectName,
    part: &mut Part,
    store: &Store,
    held: &BTreeSet<ObjectName>,
) -> bool {
    part.held = held.contains(name);
    let metadata = store.metadata(name);
    match metadata.and_then(|metadata| metadata.uid.clone()) {
        Some(uid) => part.uid = uid,
        None => return false,
    }
    true
}

/// The objects whose rules are not the same in both.
fn changed(before: &TableSpec, after: &TableSpec) -> BTreeSet<ObjectName> {
    let (old, new) = (by_id(before), by_id(after));
    let is_new = |rule: &&RuleSpec| old.get(rule.id.as_str()) != Some(rule);
    let is_gone = |rule: &&RuleSpec| !new.contains_key(rule.id.as_str());
    let appeared = after.rules.iter().filter(is_new);
    let vanished = before.rules.iter().filter(is_gone);
    appeared.chain(vanished).flat_map(owners).collect()
}

fn by_id(table: &TableSpec) -> HashMap<&str, &RuleSpec> {
    let rules = table.rules.iter();
    rules.map(|rule| (rule.id.as_str(), rule)).collect()
}

/// The Ingress that a rule was written in, and the Service behind it.
fn owners(rule: &RuleSpec) -> Vec<ObjectName> {
    let origin = &rule.origin;
    let ingress = ObjectName::new(Kind::Ingress, &origin.namespace, &origin.name);
    let service = ObjectName::new(Kind::Service, &origin.namespace, &origin.service);
    let mut owners = vec![ingress];
    owners.extend(Some(service).filter(|service| !service.name.is_empty()));
    owners
}
