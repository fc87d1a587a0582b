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
    /// Adds others.
    pub fn add(&mut self, others: Self) {
        self.canary_bad = self.canary_bad.saturating_add(others.canary_bad);
        self.stable_bad = self.stable_bad.saturating_add(others.stable_bad);
        self.good = self.good.saturating_add(others.good);
    }

    /// What is left when others are taken away; nothing where there are more of them.
    pub fn without(self, others: Self) -> Self {
        Self {
            canary_bad: self.canary_bad.saturating_sub(others.canary_bad),
            stable_bad: self.stable_bad.saturating_sub(others.stable_bad),
            good: self.good.saturating_sub(others.good),
        }
    }

    /// Whether none of the three is larger than in `other`.
    pub(crate) fn is_within(self, other: Self) -> bool {
        self.parts()
            .into_iter()
            .zip(other.parts())
            .all(|(own, other)| own <= other)
    }

    pub(crate) fn is_zero(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn parts(self) -> [u64; 3] {
        [self.canary_bad, self.stable_bad, self.good]
    }

    /// All of them.
    pub fn requests(self) -> u64 {
        let bad = self.canary_bad.saturating_add(self.stable_bad);
        bad.saturating_add(self.good)
    }
}
