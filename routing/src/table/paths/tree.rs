//! The paths of a host by their elements, and regular expressions beside them. It knows places in a list and no rules.

use crate::path::{PathMatch, elements};
use crate::pattern;
use foldhash::HashMap;

/// How many children are compared one by one: as many comparisons cost about as much as hashing an element.
const FEW_MAX: usize = 8;

/// A path as it is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way<'r> {
    /// This path only.
    Exact(&'r str),
    /// This path and all below it.
    Prefix(&'r str),
    /// Every path that may match this expression, whatever the case of its letters.
    Regex(&'r str),
}

/// The place of a path in the list that a tree was made from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u32);

/// Where paths lead.
#[derive(Debug)]
pub(super) struct Tree {
    /// The first stands for the empty prefix, from which every path descends.
    nodes: Vec<Node>,
    /// In the order in which they are tried.
    regexes: Vec<Expression>,
}

/// A path, by its elements.
#[derive(Debug, Default)]
struct Node {
    children: Children,
    /// For this path only.
    exact: Vec<Place>,
    /// For this path and all below it.
    prefix: Vec<Place>,
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
    place: Place,
    /// Every path that matches starts with this text, but for the case of its letters.
    literal: Box<str>,
}

impl<'r> Way<'r> {
    pub(super) fn of(path: &'r PathMatch) -> Self {
        match path {
            PathMatch::Exact(path) => Self::Exact(path),
            PathMatch::Prefix(prefix) => Self::Prefix(prefix),
            PathMatch::Regex(regex) => Self::Regex(pattern::path_pattern(regex)),
        }
    }
}

impl Place {
    fn new(at: usize) -> Self {
        Self(u32::try_from(at).expect("a table has fewer than 2^32 alternatives"))
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
            regexes: Vec::new(),
        }
    }
}

impl Tree {
    /// Of paths that lead to the same, the first is tried first.
    pub(super) fn new(ways: &[Way<'_>]) -> Self {
        let mut tree = Self::default();
        for (at, way) in ways.iter().enumerate() {
            tree.insert(*way, Place::new(at));
        }
        tree
    }

    fn insert(&mut self, way: Way<'_>, place: Place) {
        match way {
            Way::Exact(path) => self.node_of(path).exact.push(place),
            Way::Prefix(prefix) => self.node_of(prefix).prefix.push(place),
            Way::Regex(pattern) => {
                let literal = pattern::literal_prefix(pattern);
                self.regexes.push(Expression { place, literal });
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

    /// What is `found` first at the places of a path, from the most specific on; expressions are not looked at.
    ///
    /// Descends as far as the tree knows the path, then looks back up for prefixes.
    pub(super) fn find<T>(&self, path: &str, found: impl Fn(Place) -> Option<T>) -> Option<T> {
        if !path.starts_with('/') {
            return None;
        }
        let (deepest, whole) = self.descend(path);
        let first = |places: &[Place]| places.iter().find_map(|place| found(*place));
        let exact = whole.then(|| first(&deepest.exact)).flatten();
        exact.or_else(|| {
            let mut upwards =
                std::iter::successors(Some(deepest), |node| Some(&self.nodes[node.parent?]));
            upwards.find_map(|node| first(&node.prefix))
        })
    }

    /// The last node on the way, and whether it is the whole path's.
    fn descend(&self, path: &str) -> (&Node, bool) {
        let mut deepest = &self.nodes[0];
        for element in elements(path) {
            let Some(child) = deepest.children.find(element) else {
                return (deepest, false);
            };
            deepest = &self.nodes[child];
        }
        (deepest, true)
    }

    /// The places of expressions that may match.
    pub(super) fn likely(&self, path: &str) -> impl Iterator<Item = Place> {
        let likely = self.regexes.iter().filter(|regex| regex.may_match(path));
        likely.map(|regex| regex.place)
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
