//! What a worker counts outside of any rule: connections, refusals, retries, ejections.

use super::cell::{Cell, Own};
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

/// Reasons that one worker tells apart: twice as many as the proxy has. What comes after them counts as `other`.
const REASONS_MAX: usize = 64;

/// Where a downstream connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// HTTP in clear.
    Http,
    /// HTTPS.
    Https,
    /// Metrics, probes, explanations.
    Admin,
}

impl Listener {
    pub(super) const ALL: [Self; 3] = [Self::Http, Self::Https, Self::Admin];

    /// The label's value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Admin => "admin",
        }
    }
}

/// What an upstream connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamState {
    /// Nothing.
    Idle,
    /// It carries at least one request.
    Busy,
}

impl UpstreamState {
    pub(super) const ALL: [Self; 2] = [Self::Idle, Self::Busy];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
        }
    }
}

/// One worker's counters. Fields are read by the collector in this crate's metrics module.
#[derive(Debug, Default)]
pub(super) struct WorkerCells {
    pub(super) connections: [Cell; Listener::ALL.len()],
    pub(super) connections_total: [Cell; Listener::ALL.len()],
    pub(super) upstream_connections: [Cell; UpstreamState::ALL.len()],
    pub(super) upstream_connects: Cell,
    pub(super) upstream_connect_errors: Cell,
    pub(super) retries: Cell,
    pub(super) retry_budget_exhausted: Cell,
    pub(super) ejections: Cell,
    pub(super) mirrored: Cell,
    pub(super) refused: Reasons,
}

/// A worker's handle on its own counters; only its thread may count.
#[derive(Clone, Debug, Default)]
pub struct WorkerMetrics(Arc<Own<WorkerCells>>);

impl WorkerMetrics {
    pub(super) fn cells(&self) -> &WorkerCells {
        &self.0.0
    }

    /// A downstream connection was accepted; it counts as open until the guard is dropped.
    #[must_use]
    pub fn connection(&self, listener: Listener) -> OpenConnection {
        self.cells().connections[listener as usize].add(1);
        self.cells().connections_total[listener as usize].add(1);
        OpenConnection {
            worker: self.clone(),
            listener,
        }
    }

    /// A request, or a connection, was refused before any rule was found for it.
    ///
    /// `reason` becomes a label: the name of a variant of a closed enum, never a text made at run time.
    pub fn refused(&self, reason: &'static str) {
        self.cells().refused.count(reason);
    }

    /// A connection to an endpoint was made; it counts, as busy at first, until the guard is dropped.
    #[must_use]
    pub fn upstream_connected(&self) -> UpstreamConnection {
        self.cells().upstream_connects.add(1);
        self.cells().upstream_connections[UpstreamState::Busy as usize].add(1);
        UpstreamConnection {
            worker: self.clone(),
            state: UpstreamState::Busy,
        }
    }

    /// A connection to an endpoint could not be made.
    pub fn upstream_connect_failed(&self) {
        self.cells().upstream_connect_errors.add(1);
    }

    /// A request is tried again.
    pub fn retried(&self) {
        self.cells().retries.add(1);
    }

    /// A request could have been tried again, but the retry budget was used up.
    pub fn retry_budget_exhausted(&self) {
        self.cells().retry_budget_exhausted.add(1);
    }

    /// An endpoint was taken out of rotation.
    pub fn ejected(&self) {
        self.cells().ejections.add(1);
    }

    /// A copy of a request was sent.
    pub fn mirrored(&self) {
        self.cells().mirrored.add(1);
    }
}

/// An open downstream connection. Dropped by the thread that made it.
#[derive(Debug)]
pub struct OpenConnection {
    worker: WorkerMetrics,
    listener: Listener,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.worker.cells().connections[self.listener as usize].decrement();
    }
}

/// An open upstream connection. Moved between states and dropped by the thread that made it.
#[derive(Debug)]
pub struct UpstreamConnection {
    worker: WorkerMetrics,
    state: UpstreamState,
}

impl UpstreamConnection {
    /// It is busy or idle from now on.
    pub fn set(&mut self, state: UpstreamState) {
        let cells = &self.worker.cells().upstream_connections;
        cells[self.state as usize].decrement();
        cells[state as usize].add(1);
        self.state = state;
    }
}

impl Drop for UpstreamConnection {
    fn drop(&mut self) {
        self.worker.cells().upstream_connections[self.state as usize].decrement();
    }
}

/// Counts by reason. A reason takes the next free slot when it is first counted.
#[derive(Debug)]
pub(super) struct Reasons {
    slots: Box<[(OnceLock<&'static str>, Cell)]>,
    other: Cell,
}

impl Default for Reasons {
    fn default() -> Self {
        let slots = (0..REASONS_MAX).map(|_| Default::default());
        Self {
            slots: slots.collect(),
            other: Cell::default(),
        }
    }
}

impl Reasons {
    fn count(&self, reason: &'static str) {
        let is_its =
            |(name, _): &&(OnceLock<&'static str>, Cell)| *name.get_or_init(|| reason) == reason;
        let slot = self.slots.iter().find(is_its);
        slot.map_or(&self.other, |(_, cell)| cell).add(1);
    }

    pub(super) fn add_to(&self, totals: &mut BTreeMap<&'static str, u64>) {
        let named = self
            .slots
            .iter()
            .filter_map(|(name, cell)| Some((*name.get()?, cell.get())));
        let other = Some(("other", self.other.get())).filter(|(_, count)| *count > 0);
        for (reason, count) in named.chain(other) {
            *totals.entry(reason).or_default() += count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_connection_is_in_one_state_until_it_closes() {
        let worker = WorkerMetrics::default();
        let counts = || {
            worker
                .cells()
                .upstream_connections
                .each_ref()
                .map(Cell::get)
        };
        let mut one = worker.upstream_connected();
        let other = worker.upstream_connected();
        assert_eq!(counts(), [0, 2]);
        one.set(UpstreamState::Idle);
        assert_eq!(counts(), [1, 1]);
        one.set(UpstreamState::Idle);
        drop(other);
        assert_eq!(counts(), [1, 0]);
        one.set(UpstreamState::Busy);
        assert_eq!(counts(), [0, 1]);
        drop(one);
        assert_eq!(counts(), [0, 0]);
        assert_eq!(worker.cells().upstream_connects.get(), 2);
    }

    #[test]
    fn reasons_are_bounded() {
        let reasons = Reasons::default();
        let names: Vec<&'static str> = (0..=REASONS_MAX).map(|n| &*n.to_string().leak()).collect();
        for name in names.iter().chain(&names) {
            reasons.count(name);
        }
        let mut totals = BTreeMap::new();
        reasons.add_to(&mut totals);
        assert_eq!(totals.len(), REASONS_MAX + 1);
        assert!(totals.values().all(|count| *count == 2));
        assert!(
            totals.contains_key("other") && totals.contains_key("63") && !totals.contains_key("64")
        );
    }
}
