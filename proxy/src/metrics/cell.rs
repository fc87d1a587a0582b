//! Numbers that one thread writes and any thread reads, without a locked instruction and without a shared cache line.
//!
//! Nothing here adds up: sums over workers are made by whoever reads.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Keeps a worker's numbers off the cache lines of the others. 128 bytes, because CPUs fetch lines of 64 in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Own<T>(pub(super) T);

/// A number that one thread at a time writes.
///
/// A load and a store are a third of the price of an atomic addition. Two writers would lose counts; nothing else.
#[derive(Debug, Default)]
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(super) fn add(&self, count: u64) {
        self.set(self.get().wrapping_add(count));
    }

    /// For gauges: one less. Never below zero, as every decrement belongs to an increment before it.
    pub(super) fn decrement(&self) {
        self.set(self.get().saturating_sub(1));
    }
}
