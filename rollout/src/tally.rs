//! The three counts of a stratum that a bet depends on.

use serde::{Deserialize, Serialize};

/// How many requests of one stratum ended in which way. A good outcome weighs the same on either version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Bad ones of the canary.
    pub canary_bad: u64,
    /// Bad ones of stable.
    pub stable_bad: u64,
    /// Good ones of either.
    pub good: u64,
}

impl Tally {
    /// All of them.
    pub fn requests(self) -> u64 {
        let bad = self.canary_bad.saturating_add(self.stable_bad);
        bad.saturating_add(self.good)
    }
}
