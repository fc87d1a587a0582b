//! Look-up by host: exact names and wildcard suffixes by hash, from the most specific to the least.

use super::Found;
use super::paths::{Candidate, Paths, Shapes};
use crate::host::HostMatch;
use crate::request::RequestView;
use crate::rule::Rule;
use compact_str::CompactString;
use foldhash::HashMap;
use std::sync::Arc;

/// The paths of every host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    /// Names of up to 24 bytes are in the map itself, so that comparing one reads no other memory.
    exact: HashMap<CompactString, Paths>,
    /// By suffix.
    wildcard: HashMap<Box<str>, Wildcard>,
    /// The most labels of any such suffix: longer ones of a request need no look-up, however many labels it has.
    suffix_labels_max: usize,
    any: Paths,
}

/// The paths of one suffix.
#[derive(Debug, Default)]
struct Wildcard {
    one_label: Paths,
    many_labels: Paths,
}

impl Hosts {
    /// `candidates` come by precedence, the first first.
    pub(super) fn new<'r>(candidates: impl Iterator<Item = Candidate<'r>>) -> Self {
        let mut by_host = HashMap::<&HostMatch, Vec<Candidate<'r>>>::default();
        for candidate in candidates {
            let of_host = by_host.entry(&candidate.alternative().host).or_default();
            of_host.push(candidate);
        }
        let (mut hosts, mut shapes) = (Self::default(), Shapes::default());
        for (host, candidates) in by_host {
            *hosts.of(host) = Paths::new(&candidates, &mut shapes);
        }
        hosts
    }

    #[cfg(test)]
    pub(super) fn exact(&self) -> impl Iterator<Item = &Paths> {
        self.exact.values()
    }

    fn of(&mut self, host: &HostMatch) -> &mut Paths {
        match host {
            HostMatch::Any => &mut self.any,
            HostMatch::Exact(name) => self.exact.entry((**name).into()).or_default(),
            HostMatch::OneLabel(suffix) => &mut self.of_suffix(suffix).one_label,
            HostMatch::ManyLabels(suffix) => &mut self.of_suffix(suffix).many_labels,
        }
    }

    fn of_suffix(&mut self, suffix: &str) -> &mut Wildcard {
        self.suffix_labels_max = self.suffix_labels_max.max(labels(suffix));
        self.wildcard.entry(suffix.into()).or_default()
    }

    pub(super) fn find<'t>(
        &'t self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        let exact = self.exact.get(request.host);
        exact
            .and_then(|paths| paths.find(rules, request))
            .or_else(|| self.find_wildcard(rules, request))
            .or_else(|| self.any.find(rules, request))
    }

    fn find_wildcard<'t>(
        &'t self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        // A name that starts with a dot has no label there.
        if self.wildcard.is_empty() || request.host.starts_with('.') {
            return None;
        }
        let below_first = labels(request.host) - 1;
        let suffixes = suffixes(request.host).zip((1..=below_first).rev());
        let mut known = suffixes.filter(|(_, labels)| *labels <= self.suffix_labels_max);
        known.find_map(|(suffix, labels)| {
            self.find_suffix(suffix, labels == below_first, rules, request)
        })
    }

    fn find_suffix<'t>(
        &'t self,
        suffix: &str,
        takes_one: bool,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        let wildcard = self.wildcard.get(suffix)?;
        let one = takes_one.then(|| wildcard.one_label.find(rules, request));
        one.flatten()
            .or_else(|| wildcard.many_labels.find(rules, request))
    }
}

/// What stands behind each dot, the longest first.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    let dots = host.match_indices('.');
    dots.map(|(dot, _)| &host[dot + 1..])
}

fn labels(host: &str) -> usize {
    host.split('.').count()
}
