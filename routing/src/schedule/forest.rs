//! Dependent rounding of a fractional matching, vertex by vertex, in small space.
//!
//! Vertices are slots and units, an edge's value is its probability in W-ths (integers, so nothing is ever
//! lost). Undecided edges always form a forest: as soon as one would close a cycle, probability is moved
//! round the cycle, one way or the other, until an edge is certain or impossible; the odds of the two ways
//! are such that no edge's probability changes on average. This keeps every vertex's sum.
//! (Gandhi, Khuller, Parthasarathy and Srinivasan, "Dependent rounding and its applications to approximation
//! algorithms", J. ACM 53 (2006).)
//!
//! A vertex to which no more edges will come and which two undecided edges are left of leaves no choice:
//! what one gains the other loses. Both are then spliced into one edge. So the forest has never more than a few
//! vertices for each version, however long the period is, and a cycle is short.

use super::VersionIndex;
use super::placement::{Group, Placement, Placements};
use rand::{Rng, RngExt};

/// The undecided edges, as trees whose vertices know the edge towards their root.
pub(super) struct Forest<'r, R> {
    /// The value of an edge that is certain: W.
    whole: u32,
    vertices: Vec<Vertex>,
    free: Vec<usize>,
    placements: Placements,
    random: &'r mut R,
    /// From a vertex towards its root; kept to spare allocations.
    path: Vec<usize>,
    /// Undecided edges of each vertex; kept to spare allocations.
    degrees: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Vertex {
    up: Option<Edge>,
    complete: bool,
}

/// An undecided edge from the vertex that holds it to `parent`.
#[derive(Clone, Copy)]
struct Edge {
    parent: usize,
    flow: Flow,
}

/// One edge of the matching, or a chain of them spliced together, seen in one direction.
#[derive(Clone, Copy)]
struct Flow {
    /// `1..whole` while undecided.
    value: u32,
    /// What comes true if the value reaches the whole.
    ahead: Group,
    /// What comes true if the value reaches zero.
    back: Group,
}

/// How far a cycle's values can move before one of its edges is decided.
#[derive(Clone, Copy)]
enum Push {
    Up(u32),
    Down(u32),
}

impl<'r, R: Rng> Forest<'r, R> {
    pub(super) fn new(whole: u32, random: &'r mut R) -> Self {
        Self {
            whole,
            vertices: Vec::new(),
            free: Vec::new(),
            placements: Placements::new(whole),
            random,
            path: Vec::new(),
            degrees: Vec::new(),
        }
    }

    pub(super) fn whole(&self) -> u32 {
        self.whole
    }

    /// A vertex without edges.
    pub(super) fn add_vertex(&mut self) -> usize {
        if let Some(vertex) = self.free.pop() {
            self.vertices[vertex] = Vertex::default();
            return vertex;
        }
        self.vertices.push(Vertex::default());
        self.vertices.len() - 1
    }

    /// No more edges will come to `vertex`: its values sum to the whole.
    pub(super) fn complete(&mut self, vertex: usize) {
        self.vertices[vertex].complete = true;
    }

    /// Adds the edge between a slot, which must be a root, and a unit; `statement` is what it stands for.
    pub(super) fn connect(&mut self, slot: usize, unit: usize, value: u32, statement: Placement) {
        let ahead = self.placements.add(statement);
        let mut flow = Flow {
            value,
            ahead,
            back: Group::default(),
        };
        if self.climb(unit) == slot {
            self.cancel(&mut flow);
        }
        if !self.decide(flow) {
            self.reroot(unit);
            self.vertices[unit].up = Some(Edge {
                parent: slot,
                flow: flow.reversed(self.whole),
            });
        }
    }

    /// Forgets complete vertices that no undecided edge is left of, and splices those that have two.
    pub(super) fn contract(&mut self) {
        self.count_degrees();
        for vertex in 0..self.vertices.len() {
            match self.degrees[vertex] {
                _ if !self.vertices[vertex].complete => continue,
                0 => {}
                2 => self.splice(vertex),
                _ => continue,
            }
            self.vertices[vertex].complete = false;
            self.free.push(vertex);
        }
    }

    /// The version of each slot. Every vertex that has edges must be complete and contracted.
    pub(super) fn into_order(self) -> Vec<VersionIndex> {
        debug_assert!(
            self.vertices.iter().all(|vertex| vertex.up.is_none()),
            "an edge is undecided"
        );
        self.placements.into_order()
    }

    /// Writes down the way from `vertex` to its root, without the root, and returns the root.
    fn climb(&mut self, vertex: usize) -> usize {
        self.path.clear();
        let mut current = vertex;
        while let Some(edge) = &self.vertices[current].up {
            self.path.push(current);
            current = edge.parent;
        }
        current
    }

    /// Moves probability round the cycle of the climbed path and `closing`, until an edge of it is decided.
    fn cancel(&mut self, closing: &mut Flow) {
        let push = self.draw_push(closing.value);
        push.apply(&mut closing.value);
        for place in 0..self.path.len() {
            let vertex = self.path[place];
            let mut edge = self.vertices[vertex]
                .up
                .expect("each vertex of a path has an edge upwards");
            push.apply(&mut edge.flow.value);
            let decided = self.decide(edge.flow);
            self.vertices[vertex].up = (!decided).then_some(edge);
        }
    }

    /// Upwards by `up` with probability `down / (up + down)`, else downwards by `down`: zero on average.
    fn draw_push(&mut self, closing: u32) -> Push {
        let values = self
            .path
            .iter()
            .filter_map(|&vertex| self.vertices[vertex].up)
            .map(|edge| edge.flow.value);
        let (down, largest) = values.fold((closing, closing), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let up = self.whole - largest;
        if self.random.random_range(0..up + down) < down {
            Push::Up(up)
        } else {
            Push::Down(down)
        }
    }

    /// Whether the value leaves no doubt; what follows from it is then written down.
    fn decide(&mut self, flow: Flow) -> bool {
        let group = match flow.value {
            0 => flow.back,
            value if value == self.whole => flow.ahead,
            _ => return false,
        };
        self.placements.decide(group);
        true
    }

    /// Turns the edges between `vertex` and its root, which makes it the root.
    fn reroot(&mut self, vertex: usize) {
        let mut child = vertex;
        let mut edge = self.vertices[vertex].up.take();
        while let Some(Edge { parent, flow }) = edge {
            let turned = Edge {
                parent: child,
                flow: flow.reversed(self.whole),
            };
            edge = self.vertices[parent].up.replace(turned);
            child = parent;
        }
    }

    fn count_degrees(&mut self) {
        self.degrees.clear();
        self.degrees.resize(self.vertices.len(), 0);
        for (vertex, state) in self.vertices.iter().enumerate() {
            if let Some(edge) = &state.up {
                self.degrees[vertex] += 1;
                self.degrees[edge.parent] += 1;
            }
        }
    }

    /// Makes one edge of the two that `middle` has.
    fn splice(&mut self, middle: usize) {
        if self.vertices[middle].up.is_none() {
            self.reroot(self.child_of(middle));
        }
        let child = self.child_of(middle);
        let below = self.vertices[child]
            .up
            .take()
            .expect("a child has an edge upwards");
        let above = self.vertices[middle]
            .up
            .take()
            .expect("the middle is no root");
        debug_assert_eq!(
            below.flow.value, above.flow.value,
            "the middle's values sum to the whole"
        );
        let flow = Flow {
            value: above.flow.value,
            ahead: self.placements.join(below.flow.ahead, above.flow.ahead),
            back: self.placements.join(below.flow.back, above.flow.back),
        };
        self.vertices[child].up = Some(Edge {
            parent: above.parent,
            flow,
        });
    }

    fn child_of(&self, parent: usize) -> usize {
        self.vertices
            .iter()
            .position(|vertex| vertex.up.is_some_and(|edge| edge.parent == parent))
            .expect("a vertex of two edges has a child")
    }
}

impl Flow {
    /// The same edge seen from its other end: what flows one way is wanting the other way.
    fn reversed(self, whole: u32) -> Self {
        Self {
            value: whole - self.value,
            ahead: self.back,
            back: self.ahead,
        }
    }
}

impl Push {
    fn apply(self, value: &mut u32) {
        match self {
            Self::Up(by) => *value += by,
            Self::Down(by) => *value -= by,
        }
    }
}
