//! Look-up by path inside one host: where a path leads, and which rule stands there.
//!
//! Hosts of the same paths share one tree, however many hosts there are, so that what is walked is in the cache and a host's
//! own are only its entries. Candidates are put in by precedence, so every list is tried from its front and the first that
//! holds wins.

mod tree;

use super::Found;
use crate::condition::all_hold;
use crate::index::RuleIndex;
use crate::request::RequestView;
use crate::rule::{Alternative, Rule};
use foldhash::HashMap;
use std::sync::Arc;
use tree::{Place, Tree, Way};

/// An alternative of a rule that is to be found.
pub(super) struct Candidate<'r> {
    pub(super) rule: &'r Rule,
    pub(super) index: RuleIndex,
    pub(super) at: usize,
}

/// The paths of one host.
#[derive(Debug, Default)]
pub(super) struct Paths {
    tree: Arc<Tree>,
    /// By the tree's places.
    entries: Box<[Entry]>,
}

/// The trees of one table, each made once.
#[derive(Default)]
pub(super) struct Trees<'r>(HashMap<Vec<Way<'r>>, Arc<Tree>>);

/// An alternative of a rule, by place.
#[derive(Clone, Copy, Debug)]
struct Entry {
    rule: RuleIndex,
    at: u16,
    /// It asks for nothing but host and path, so that nobody needs to look.
    plain: bool,
}

impl<'r> Candidate<'r> {
    pub(super) fn alternative(&self) -> &'r Alternative {
        &self.rule.alternatives()[self.at]
    }

    fn entry(&self) -> Entry {
        Entry {
            rule: self.index,
            at: u16::try_from(self.at).expect("a rule has fewer than 2^16 alternatives"),
            plain: self.alternative().conditions.is_empty(),
        }
    }
}

impl<'r> Trees<'r> {
    fn of(&mut self, ways: Vec<Way<'r>>) -> Arc<Tree> {
        let new = |ways: &Vec<Way<'r>>| Arc::new(Tree::new(ways));
        let known = self.0.entry(ways);
        Arc::clone(known.or_insert_with_key(new))
    }
}

impl Paths {
    /// `candidates` come by precedence, the first first.
    pub(super) fn new<'r>(candidates: &[Candidate<'r>], trees: &mut Trees<'r>) -> Self {
        let ways = candidates
            .iter()
            .map(|one| Way::of(&one.alternative().path));
        Self {
            tree: trees.of(ways.collect()),
            entries: candidates.iter().map(Candidate::entry).collect(),
        }
    }

    pub(super) fn find<'t>(
        &self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        let found = |place: Place| self.entries[place.index()].found(rules, request);
        self.tree.find(request.path, found).or_else(|| {
            let mut likely = self.tree.likely(request.path).filter_map(found);
            likely.find(|found| found.path().matches(request.path))
        })
    }
}

impl Entry {
    /// The rule, where its conditions hold; host and path are not looked at.
    fn found<'t>(self, rules: &'t [Arc<Rule>], request: &RequestView<'_>) -> Option<Found<'t>> {
        let (rule, at) = (&rules[self.rule.index()], usize::from(self.at));
        let holds = self.plain || all_hold(&rule.alternatives()[at].conditions, request);
        holds.then_some(Found {
            index: self.rule,
            rule,
            at,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Table;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// How many trees the hosts of these rules have, each a host and a path.
    #[track_caller]
    fn check(rules: &[(&str, &str)], trees: usize) {
        let spec = |(at, (host, path)): (usize, &(&str, &str))| {
            serde_json::json!({
                "id": at.to_string(), "origin": {},
                "matches": [{"host": {"exact": host}, "path": {"prefix": path}}],
                "action": {"respond": {"status": 200, "body": ""}},
            })
        };
        let rules: Vec<_> = rules.iter().enumerate().map(spec).collect();
        let spec = serde_json::json!({ "rules": rules });
        let spec = serde_json::from_value(spec).expect("a table");
        let table = Table::build(&spec, None, 7).expect("no fault");
        let seen: BTreeSet<_> = table
            .hosts
            .exact()
            .map(|paths| Arc::as_ptr(&paths.tree))
            .collect();
        assert_eq!(seen.len(), trees);
    }

    #[test]
    fn hosts_of_the_same_paths_share_a_tree() {
        check(&[("a", "/x"), ("b", "/x"), ("b", "/y"), ("a", "/y")], 1);
        check(&[("a", "/x"), ("b", "/y")], 2);
        check(&[("a", "/x"), ("b", "/x"), ("b", "/y")], 2);
    }
}
