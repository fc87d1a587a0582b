//! A list that would take most routes away is asked for again before it is believed.
//!
//! An API server that lost its data, or answers from an empty cache, looks like one whose users deleted everything. Only
//! lists are doubted: who deletes object by object means it.

use super::change::Scope;
use haldane_routing::spec::{ActionSpec, BackendSpec, RuleSpec, TableSpec};
use std::collections::{BTreeSet, HashMap, HashSet};

/// The answer of a rule whose Service is not there: nothing is served by it.
const UNAVAILABLE: u16 = 503;

/// Which lists have come in since the last table, and which of them twice.
#[derive(Debug, Default)]
pub(crate) struct Doubt {
    listed: BTreeSet<Scope>,
    asked: BTreeSet<Scope>,
    confirmed: BTreeSet<Scope>,
}

/// Whether a table may be published.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Believe,
    /// Not before these have been listed again. Empty: they have been asked for already.
    Ask(Vec<Scope>),
}

impl Doubt {
    /// A list came in that is not the first of its kind.
    pub(crate) fn listed(&mut self, scope: Scope) {
        if self.asked.remove(&scope) {
            self.confirmed.insert(scope.clone());
        }
        self.listed.insert(scope);
    }

    /// Whether a list came in since the last table.
    pub(crate) fn is_open(&self) -> bool {
        !self.listed.is_empty()
    }

    /// Decides about the table that is to follow the one in force.
    pub(crate) fn judge(&mut self, before: &TableSpec, after: &TableSpec) -> Verdict {
        let open: Vec<_> = self.listed.difference(&self.confirmed).cloned().collect();
        if open.is_empty() || !loses_most(before, after) {
            *self = Self::default();
            return Verdict::Believe;
        }
        let unasked = |scope: &Scope| self.asked.insert(scope.clone());
        Verdict::Ask(open.into_iter().filter(unasked).collect())
    }
}

/// Whether more than half of what is served now would not be any more.
fn loses_most(before: &TableSpec, after: &TableSpec) -> bool {
    let (before, after) = (served(before), served(after));
    before.difference(&after).count() * 2 > before.len()
}

/// Each rule with each of its versions that has an endpoint; a rule without versions by itself.
fn served<'t>(table: &'t TableSpec) -> HashSet<(&'t str, &'t str)> {
    let named = |backend: &'t BackendSpec| (backend.name.as_str(), !backend.endpoints.is_empty());
    let reachable = table.backends.iter().map(named).collect();
    table
        .rules
        .iter()
        .flat_map(|rule| served_by(rule, &reachable))
        .collect()
}

fn served_by<'t>(rule: &'t RuleSpec, reachable: &HashMap<&str, bool>) -> Vec<(&'t str, &'t str)> {
    match &rule.action {
        ActionSpec::Forward(forward) => forward
            .versions
            .iter()
            .filter(|version| reachable.get(version.backend.as_str()) == Some(&true))
            .map(|version| (rule.id.as_str(), version.name.as_str()))
            .collect(),
        ActionSpec::Respond { status, .. } if *status == UNAVAILABLE => Vec::new(),
        ActionSpec::Respond { .. } | ActionSpec::Redirect(_) => vec![(rule.id.as_str(), "")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::name::Kind;
    use haldane_routing::spec::{
        Address, EndpointSpec, EndpointState, ForwardSpec, OriginSpec, VersionSpec,
    };

    fn scope(kind: Kind) -> Scope {
        Scope::all(kind, None)
    }

    /// Rules `0..rules` of two versions each, of which the first `served` rules have endpoints.
    fn table(rules: usize, served: usize) -> TableSpec {
        let mut table = TableSpec::default();
        for index in 0..rules {
            let name = format!("web {index}");
            let version = |version: &str| VersionSpec {
                name: version.to_owned(),
                weight: 1,
                backend: name.clone(),
                ..VersionSpec::default()
            };
            let forward = ForwardSpec {
                versions: vec![version("a"), version("b")],
                ..ForwardSpec::default()
            };
            table.rules.push(RuleSpec {
                id: format!("rule {index}"),
                origin: OriginSpec::default(),
                matches: Vec::new(),
                action: ActionSpec::Forward(Box::new(forward)),
                filters: haldane_routing::spec::FiltersSpec::default(),
            });
            let endpoint = EndpointSpec {
                address: Address::Socket(([10, 0, 0, 1], 80).into()),
                state: EndpointState::Ready,
            };
            table.backends.push(BackendSpec {
                name: name.clone(),
                endpoints: vec![endpoint; usize::from(index < served)],
                ..BackendSpec::default()
            });
        }
        table
    }

    #[test]
    fn half_may_go_and_no_more() {
        // rules and served before, rules and served after, loses most
        let cases = [
            ((4, 4), (4, 4), false),
            ((4, 4), (2, 2), false),
            ((4, 4), (1, 1), true),
            ((4, 4), (4, 1), true),
            ((4, 4), (0, 0), true),
            ((0, 0), (4, 4), false),
            ((4, 1), (4, 1), false),
        ];
        for (before, after, expected) in cases {
            let lost = loses_most(&table(before.0, before.1), &table(after.0, after.1));
            assert_eq!(lost, expected, "{before:?} -> {after:?}");
        }
    }

    #[test]
    fn a_list_that_empties_the_table_is_asked_for_once_more() {
        let mut doubt = Doubt::default();
        doubt.listed(scope(Kind::Ingress));
        let (before, after) = (table(4, 4), table(0, 0));
        let ask = Verdict::Ask(vec![scope(Kind::Ingress)]);
        assert_eq!(doubt.judge(&before, &after), ask);
        // Something else changes meanwhile.
        assert_eq!(doubt.judge(&before, &after), Verdict::Ask(Vec::new()));
        doubt.listed(scope(Kind::Ingress));
        assert_eq!(doubt.judge(&before, &after), Verdict::Believe);
    }

    #[test]
    fn each_list_needs_its_own_confirmation() {
        let mut doubt = Doubt::default();
        doubt.listed(scope(Kind::Ingress));
        let (before, after) = (table(4, 4), table(0, 0));
        doubt.judge(&before, &after);
        doubt.listed(scope(Kind::Ingress));
        doubt.listed(scope(Kind::EndpointSlice));
        let ask = Verdict::Ask(vec![scope(Kind::EndpointSlice)]);
        assert_eq!(doubt.judge(&before, &after), ask);
    }

    #[test]
    fn deletions_and_harmless_lists_are_believed_at_once() {
        let mut doubt = Doubt::default();
        assert_eq!(doubt.judge(&table(4, 4), &table(0, 0)), Verdict::Believe);
        doubt.listed(scope(Kind::Ingress));
        assert_eq!(doubt.judge(&table(4, 4), &table(3, 3)), Verdict::Believe);
        // What was believed is not doubted later.
        assert_eq!(doubt.judge(&table(3, 3), &table(0, 0)), Verdict::Believe);
    }
}
