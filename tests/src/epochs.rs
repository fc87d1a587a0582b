//! Which of a row of changes a request saw: a number that grows as changes begin and end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Even while nothing changes, odd while a change is under way.
#[derive(Clone, Debug, Default)]
pub struct Epochs(Arc<AtomicU64>);

impl Epochs {
    /// Now.
    pub fn now(&self) -> u64 {
        self.0.load(SeqCst)
    }

    /// A change begins, or is in force.
    pub fn advance(&self) {
        self.0.fetch_add(1, SeqCst);
    }
}
