//! Look-up by path inside one host: a tree of path elements, then regular expressions.
//!
//! Candidates are put in by precedence, so every list here is tried from its front and the first that holds wins.

use super::Found;
use crate::condition::all_hold;
use crate::index::RuleIndex;
use crate::path::{PathMatch, elements};
use crate::pattern;
use crate::request::RequestView;
use crate::rule::{Alternative, Rule};
use foldhash::HashMap;
use std::sync::Arc;

/// How many children are compared one by one: as many comparisons cost about as much as hashing an element.
const FEW_MAX: usize = 8;

/// An alternative of a rule that is to be put into the tree.
pub(super) struct Candidate<'r> {
    pub(super) rule: &'r Rule,
    pub(super) index: RuleIndex,
    pub(super) at: usize,
}

/// An alternative of a rule, by place.
#[derive(Clone, Copy, Debug)]
struct Entry {
    rule: RuleIndex,
    at: u32,
}

/// The paths of one host.
#[derive(Debug)]
pub(super) struct Paths {
    /// The first stands for the empty prefix, from which every path descends.
    nodes: Vec<Node>,
    /// The longest expression first.
    regexes: Vec<Expression>,
}

/// A path, by its elements.
#[derive(Debug, Default)]
struct Node {
    children: Children,
    /// For this path only.
    exact: Vec<Entry>,
    /// For this path and all below it.
    prefix: Vec<Entry>,
    parent: Option<usize>,
}

/// Where the next element leads.
#[derive(Debug)]
enum Children {
    /// Compared one by one, in no order.
    Few(Vec<(Box<str>, usize)>),
    Many(HashMap<Box<str>, usize>),
}

#[derive(Debug)]
struct Expression {
    entry: Entry,
    /// Every path that matches starts with this text, but for the case of its letters.
    literal: Box<str>,
}

impl Candidate<'_> {
    pub(super) fn alternative(&self) -> &Alternative {
        &self.rule.alternatives()[self.at]
    }

    fn entry(&self) -> Entry {
        let at = u32::try_from(self.at).expect("a rule has fewer than 2^32 alternatives");
        Entry {
            rule: self.index,
            at,
        }
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            regexes: Vec::new(),
        }
    }
}

impl Paths {
    pub(super) fn insert(&mut self, candidate: &Candidate<'_>) {
        let entry = candidate.entry();
        match &candidate.alternative().path {
            PathMatch::Exact(path) => self.node_of(path).exact.push(entry),
            PathMatch::Prefix(prefix) => self.node_of(prefix).prefix.push(entry),
            PathMatch::Regex(regex) => {
                let literal = pattern::literal_prefix(pattern::path_pattern(regex));
                self.regexes.push(Expression { entry, literal });
            }
        }
    }

    fn node_of(&mut self, path: &str) -> &mut Node {
        let node = elements(path).fold(0, |node, element| self.child(node, element));
        &mut self.nodes[node]
    }

    fn child(&mut self, parent: usize, element: &str) -> usize {
        if let Some(child) = self.nodes[parent].children.find(element) {
            return child;
        }
        let child = self.nodes.len();
        self.nodes[parent].children.insert(element, child);
        self.nodes.push(Node {
            parent: Some(parent),
            ..Node::default()
        });
        child
    }

    pub(super) fn find<'t>(
        &self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        self.find_in_tree(rules, request)
            .or_else(|| self.find_regex(rules, request))
    }

    /// Descends as far as the tree knows the path, then looks back up for prefixes.
    fn find_in_tree<'t>(
        &self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        if !request.path.starts_with('/') {
            return None;
        }
        let mut deepest = &self.nodes[0];
        let mut left = elements(request.path);
        let whole = loop {
            let Some(element) = left.next() else {
                break true;
            };
            let Some(child) = deepest.children.find(element) else {
                break false;
            };
            deepest = &self.nodes[child];
        };
        let exact = whole
            .then(|| first(&deepest.exact, rules, request))
            .flatten();
        exact.or_else(|| {
            let mut upwards =
                std::iter::successors(Some(deepest), |node| Some(&self.nodes[node.parent?]));
            upwards.find_map(|node| first(&node.prefix, rules, request))
        })
    }

    fn find_regex<'t>(
        &self,
        rules: &'t [Arc<Rule>],
        request: &RequestView<'_>,
    ) -> Option<Found<'t>> {
        let likely = self
            .regexes
            .iter()
            .filter(|regex| regex.may_match(request.path));
        let mut found = likely.filter_map(|regex| regex.entry.found(rules, request));
        found.find(|found| found.path.matches(request.path))
    }
}

impl Default for Children {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Children {
    fn find(&self, element: &str) -> Option<usize> {
        match self {
            Self::Few(few) => {
                let mut few = few.iter();
                few.find_map(|(known, child)| (**known == *element).then_some(*child))
            }
            Self::Many(many) => many.get(element).copied(),
        }
    }

    /// The element must not be known.
    fn insert(&mut self, element: &str, child: usize) {
        match self {
            Self::Few(few) if few.len() < FEW_MAX => few.push((element.into(), child)),
            Self::Few(few) => {
                let known = few.drain(..);
                *self = Self::Many(known.chain([(element.into(), child)]).collect());
            }
            Self::Many(many) => {
                many.insert(element.into(), child);
            }
        }
    }
}

impl Expression {
    /// A path beyond ASCII may start with a letter whose other case is ASCII, and is left to the expression.
    fn may_match(&self, path: &str) -> bool {
        match path.as_bytes().get(..self.literal.len()) {
            Some(start) => start.eq_ignore_ascii_case(self.literal.as_bytes()) || !path.is_ascii(),
            None => !path.is_ascii(),
        }
    }
}

fn first<'t>(
    entries: &[Entry],
    rules: &'t [Arc<Rule>],
    request: &RequestView<'_>,
) -> Option<Found<'t>> {
    entries.iter().find_map(|entry| entry.found(rules, request))
}

impl Entry {
    /// The rule, where its conditions hold; host and path are not looked at.
    fn found<'t>(self, rules: &'t [Arc<Rule>], request: &RequestView<'_>) -> Option<Found<'t>> {
        let rule = &rules[self.rule.index()];
        let alternative = &rule.alternatives()[self.at as usize];
        all_hold(&alternative.conditions, request).then_some(Found {
            index: self.rule,
            rule,
            path: &alternative.path,
        })
    }
}
