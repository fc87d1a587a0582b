//! The route table: built whole or not at all, then only read.

mod build;
mod hosts;
mod paths;

use crate::backend::Backend;
use crate::condition::Condition;
use crate::fault::Fault;
use crate::index::RuleIndex;
use crate::path::PathMatch;
use crate::request::RequestView;
use crate::rule::Rule;
use crate::spec::{CertificateSpec, TableSpec};
use hosts::Hosts;
use http::HeaderName;
use std::sync::Arc;

/// All rules, backends and certificates of one generation.
#[derive(Debug, Default)]
pub struct Table {
    rules: Box<[Arc<Rule>]>,
    backends: Box<[Arc<Backend>]>,
    certificates: Arc<[CertificateSpec]>,
    hosts: Arc<Hosts>,
    uses_country: bool,
}

/// The rule that a request falls under.
#[derive(Clone, Copy, Debug)]
pub struct Found<'t> {
    /// The rule's place in the table.
    pub index: RuleIndex,
    /// The rule.
    pub rule: &'t Arc<Rule>,
    /// The alternative by which it falls under it.
    pub(crate) at: usize,
}

impl<'t> Found<'t> {
    /// The path pattern that matched, for rewrites.
    #[must_use]
    pub fn path(&self) -> &'t PathMatch {
        &self.rule.alternatives()[self.at].path
    }
}

impl Table {
    /// Checks everything and builds a table.
    ///
    /// What did not change since `previous` is kept: backends and rules keep their identity (`Arc::ptr_eq`), and a split
    /// whose rule id, version names and weights are the same goes on where it was. A rule whose backends changed is
    /// another one, but keeps its split. `seed` is what new splits are drawn from; replicas want different ones.
    ///
    /// # Errors
    ///
    /// Every fault of the spec, at once.
    pub fn build(spec: &TableSpec, previous: Option<&Self>, seed: u64) -> Result<Self, Vec<Fault>> {
        build::build(spec, previous, seed)
    }

    /// The table that answers no request.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// The rule that a request falls under: of those that match, the first by precedence.
    ///
    /// Costs a few look-ups by hash for the host and one for each element of the path, however many rules there are; only regular expressions of the same host are tried one by one. Allocates nothing, unless a
    /// condition joins the lines of a header or decodes a parameter.
    #[must_use]
    pub fn find<'t>(&'t self, request: &RequestView<'_>) -> Option<Found<'t>> {
        self.hosts.find(&self.rules, request)
    }

    /// The rules; a [`RuleIndex`] is a place here.
    #[must_use]
    pub fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// The place of the rule of this id. Looks at one rule after the other.
    #[must_use]
    pub fn index_of(&self, id: &str) -> Option<RuleIndex> {
        let at = self.rules.iter().position(|rule| rule.id() == id);
        at.map(RuleIndex::new)
    }

    /// The backends; a [`crate::BackendIndex`] is a place here. A backend keeps its place over updates where it can.
    #[must_use]
    pub fn backends(&self) -> &[Arc<Backend>] {
        &self.backends
    }

    /// The certificates, as written; keys and chains are parsed where TLS is.
    #[must_use]
    pub fn certificates(&self) -> &[CertificateSpec] {
        &self.certificates
    }

    /// Whether any condition asks for the client's country.
    #[must_use]
    pub fn uses_country(&self) -> bool {
        self.uses_country
    }

    /// Whether any condition asks for a header whose name `is` one of those meant.
    #[must_use]
    pub fn asks_header(&self, is: impl Fn(&HeaderName) -> bool) -> bool {
        let mut conditions = self.rules.iter().flat_map(|rule| rule.conditions());
        conditions.any(|condition| matches!(condition, Condition::Header(name, _) if is(name)))
    }
}

fn uses_country(rules: &[Arc<Rule>]) -> bool {
    let mut conditions = rules.iter().flat_map(|rule| rule.conditions());
    conditions.any(|condition| matches!(condition, Condition::Country(_)))
}
