//! Versions, and how the names of backends become places in a table.

use crate::backend::Backend;
use crate::common::Common;
use crate::fault::{FaultReason, Faults, unique};
use crate::index::BackendIndex;
use crate::schedule::VERSIONS_MAX;
use crate::spec::{Address, VersionSpec};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A version of a rule: its name, its share, its endpoints.
#[derive(Clone, Debug)]
pub struct Version {
    name: Box<str>,
    canary: Box<str>,
    weight: u64,
    index: BackendIndex,
    backend: Arc<Backend>,
}

impl Version {
    /// Such as `1.14` or `canary`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What metrics call the canary Ingress's upstream; empty where none brought this version.
    #[must_use]
    pub fn canary(&self) -> &str {
        &self.canary
    }

    /// Its share is this divided by the sum over the rule's versions.
    #[must_use]
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Its backend's place in the table.
    #[must_use]
    pub fn backend(&self) -> BackendIndex {
        self.index
    }

    /// Where new requests may go.
    #[must_use]
    pub fn endpoints(&self) -> &[Address] {
        self.backend.endpoints()
    }
}

impl Version {
    /// See [`Backend::is_ready`].
    pub(super) fn is_ready(&self) -> bool {
        self.backend.is_ready()
    }

    /// Whether the backend of its name is what and where it was.
    pub(super) fn stays(&self, resolver: &Resolver<'_>) -> bool {
        let now = resolver.backends.get(self.backend.name());
        now.is_some_and(|(index, backend)| {
            let same = |backend: &Arc<Backend>| Arc::ptr_eq(backend, &self.backend);
            *index == self.index && backend.as_ref().is_some_and(same)
        })
    }
}

/// What a rule needs to know of the rest of the table.
pub(crate) struct Resolver<'a> {
    /// Every name, with its place and its fate: `None` where the backend is at fault itself.
    pub(crate) backends: &'a HashMap<&'a str, (BackendIndex, Option<Arc<Backend>>)>,
    /// The rule's id.
    pub(crate) rule: &'a str,
    /// What schedules are drawn from.
    pub(crate) seed: u64,
    /// What rules share.
    pub(crate) common: &'a Common,
}

impl Resolver<'_> {
    /// The backend of this name. `None` without a new fault where that backend is at fault itself.
    pub(crate) fn backend(
        &self,
        name: &str,
        faults: &mut Faults,
    ) -> Option<(BackendIndex, Arc<Backend>)> {
        let Some((index, backend)) = self.backends.get(name) else {
            faults.add(FaultReason::UnknownBackend(name.to_owned()));
            return None;
        };
        Some((*index, backend.clone()?))
    }

    /// The place of the backend of this name.
    pub(crate) fn place(&self, name: &str) -> Option<BackendIndex> {
        self.backends.get(name).map(|(place, _)| *place)
    }

    /// Whether a backend has endpoints; one at fault counts as having some.
    pub(crate) fn is_live(&self, name: &str) -> bool {
        self.is_so(name, |backend| !backend.endpoints().is_empty())
    }

    /// Whether a backend has a ready endpoint; one at fault counts as having some.
    pub(crate) fn is_ready(&self, name: &str) -> bool {
        self.is_so(name, Backend::is_ready)
    }

    fn is_so(&self, name: &str, is_so: impl Fn(&Backend) -> bool) -> bool {
        let known = self.backends.get(name);
        let backend = known.and_then(|(_, backend)| backend.as_ref());
        backend.is_none_or(|backend| is_so(backend))
    }
}

pub(super) fn parse_all(
    specs: &[VersionSpec],
    resolver: &Resolver<'_>,
    faults: &mut Faults,
) -> Option<Arc<[Version]>> {
    let parse = || parse_each(specs, resolver, faults).map(Arc::from);
    resolver.common.versions.get(specs, parse)
}

fn parse_each(
    specs: &[VersionSpec],
    resolver: &Resolver<'_>,
    faults: &mut Faults,
) -> Option<Vec<Version>> {
    let mut names = HashSet::new();
    faults.each("versions", specs, VERSIONS_MAX, |spec, faults| {
        let name = faults.check("name", unique(&spec.name, &mut names));
        let backend = faults.within("backend", |faults| resolver.backend(&spec.backend, faults));
        let (index, backend) = backend?;
        Some(Version {
            name: name.map(|()| &*spec.name)?.into(),
            canary: spec.canary.as_str().into(),
            weight: spec.weight,
            index,
            backend,
        })
    })
}
