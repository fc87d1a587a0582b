//! Look-up by path inside one host: where a path leads, and which rule stands there.
//!
//! Hosts of the same paths share one tree, however many hosts there are, and those whose rules stand in the table in the same
//! order share all but their first rule's place: what is walked is in the cache. Candidates are put in by precedence, so
//! every list is tried from its front and the first that holds wins.

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
    shape: Arc<Shape>,
    /// What the shape's entries count from.
    first: First,
}

/// What hosts of the same paths share.
#[derive(Debug, Default)]
struct Shape {
    tree: Arc<Tree>,
    /// By the tree's places.
    entries: Box<[Entry]>,
}

/// The lowest rule of a host, and the lowest alternative of any of its rules.
#[derive(Clone, Copy, Debug, Default)]
struct First {
    rule: u32,
    at: u16,
}

/// An alternative of a rule, both by their distance from the host's first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Entry {
    rule: u32,
    at: u16,
    /// It asks for nothing but host and path, so that nobody needs to look.
    plain: bool,
}

/// The trees and shapes of one table, each made once.
#[derive(Default)]
pub(super) struct Shapes<'r> {
    trees: HashMap<Vec<Way<'r>>, Arc<Tree>>,
    /// By their trees, which are kept and so have an address each.
    shapes: HashMap<(*const Tree, Box<[Entry]>), Arc<Shape>>,
}

impl<'r> Candidate<'r> {
    pub(super) fn alternative(&self) -> &'r Alternative {
        &self.rule.alternatives()[self.at]
    }

    fn way(&self) -> Way<'r> {
        Way::of(&self.alternative().path)
    }

    fn at(&self) -> u16 {
        u16::try_from(self.at).expect("a rule has fewer than 2^16 alternatives")
    }

    fn entry(&self, first: First) -> Entry {
        Entry {
            rule: self.index.number() - first.rule,
            at: self.at() - first.at,
            plain: self.alternative().conditions.is_empty(),
        }
    }
}

impl First {
    fn of(candidates: &[Candidate<'_>]) -> Self {
        let rules = candidates.iter().map(|one| one.index.number());
        Self {
            rule: rules.min().unwrap_or_default(),
            at: candidates
                .iter()
                .map(Candidate::at)
                .min()
                .unwrap_or_default(),
        }
    }
}

impl<'r> Shapes<'r> {
    fn of(&mut self, ways: Vec<Way<'r>>, entries: Box<[Entry]>) -> Arc<Shape> {
        let new = |ways: &Vec<Way<'r>>| Arc::new(Tree::new(ways));
        let tree = self.trees.entry(ways).or_insert_with_key(new);
        let known = self.shapes.entry((Arc::as_ptr(tree), entries));
        let shape = known.or_insert_with_key(|(_, entries)| {
            Arc::new(Shape {
                tree: tree.clone(),
                entries: entries.clone(),
            })
        });
        shape.clone()
    }
}

impl Paths {
    /// `candidates` come by precedence, the first first.
    pub(super) fn new<'r>(candidates: &[Candidate<'r>], shapes: &mut Shapes<'r>) -> Self {
        let first = First::of(candidates);
        let ways = candidates.iter().map(Candidate::way).collect();
        let entries = candidates.iter().map(|one| one.entry(first)).collect();
        Self {
            shape: shapes.of(ways, entries),
            first,
        }
    }

    pub(super) fn find<'t>(
        &self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        let Shape { tree, entries } = &*self.shape;
        let found = |place: Place| entries[place.index()].found(self.first, rules, request);
        tree.find(request.path, found).or_else(|| {
            let mut likely = tree.likely(request.path).filter_map(found);
            likely.find(|found| found.path().matches(request.path))
        })
    }
}

impl Entry {
    /// The rule, where its conditions hold; host and path are not looked at.
    fn found<'t>(
        self,
        first: First,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        let index = RuleIndex::of(first.rule + self.rule);
        let (rule, at) = (&rules[index.index()], usize::from(first.at + self.at));
        let holds = self.plain || all_hold(&rule.alternatives()[at].conditions, request);
        holds.then_some(Found { index, rule, at })
    }
}

#[cfg(test)]
mod tests {
    use crate::Table;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    /// How many trees and how many shapes the hosts of these rules have, each a host and a path.
    #[track_caller]
    fn check(rules: &[(&str, &str)], trees: usize, shapes: usize) {
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
        let paths = || table.hosts.exact();
        let seen: BTreeSet<_> = paths().map(|paths| Arc::as_ptr(&paths.shape)).collect();
        assert_eq!(seen.len(), shapes);
        let seen: BTreeSet<_> = paths()
            .map(|paths| Arc::as_ptr(&paths.shape.tree))
            .collect();
        assert_eq!(seen.len(), trees);
    }

    #[test]
    fn hosts_of_the_same_paths_share_a_tree() {
        check(&[("a", "/x"), ("a", "/y"), ("b", "/x"), ("b", "/y")], 1, 1);
        check(&[("a", "/x"), ("b", "/y")], 2, 2);
        check(&[("a", "/x"), ("b", "/x"), ("b", "/y")], 2, 2);
    }

    #[test]
    fn hosts_whose_rules_stand_otherwise_in_the_table_share_a_tree_all_the_same() {
        check(&[("a", "/x"), ("b", "/x"), ("b", "/y"), ("a", "/y")], 1, 2);
    }
}
