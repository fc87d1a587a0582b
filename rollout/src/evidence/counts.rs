//! Counts of one version in one stratum, and of both side by side.

use crate::tally::Tally;
use serde::{Deserialize, Serialize};

/// One of the two versions of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arm {
    /// The version that is being judged.
    Canary,
    /// The version it is held against.
    Stable,
}

/// How many requests were assigned to a version, and how they went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests with a known outcome.
    pub requests: u64,
    /// Those that went wrong by the version's or our own fault.
    pub bad: u64,
    /// For each latency threshold of the rollout, those that took longer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<u64>,
}

impl Counts {
    /// Whether requests can have gone so.
    pub(super) fn is_possible(&self) -> bool {
        self.bad <= self.requests && self.slow.iter().all(|slow| *slow <= self.requests)
    }

    /// The share of bad ones; `None` without a request.
    pub fn rate(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.bad as f64 / self.requests as f64)
    }

    fn pairs<'c>(&'c self, other: &'c Self) -> impl Iterator<Item = (u64, u64)> {
        let slow = self.slow.iter().copied().zip(other.slow.iter().copied());
        let plain = [(self.requests, other.requests), (self.bad, other.bad)];
        plain.into_iter().chain(slow)
    }

    fn add_growth(&mut self, from: &Self, to: &Self) {
        self.slow.resize(to.slow.len(), 0);
        grow(&mut self.requests, from.requests, to.requests);
        grow(&mut self.bad, from.bad, to.bad);
        for (index, (sum, to)) in self.slow.iter_mut().zip(&to.slow).enumerate() {
            grow(sum, from.slow.get(index).copied().unwrap_or(0), *to);
        }
    }
}

fn grow(sum: &mut u64, from: u64, to: u64) {
    *sum = sum.saturating_add(to.saturating_sub(from));
}

/// The two versions side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arms {
    /// The version that is being judged.
    pub canary: Counts,
    /// The version it is held against.
    pub stable: Counts,
    /// Those of the above that came while stable itself was failing. They never speak for the canary: beside a version of
    /// which everything fails, any other looks good. Against it they speak with half a voice.
    #[serde(default, skip_serializing_if = "Tally::is_zero")]
    pub troubled: Tally,
}

impl Arms {
    /// One of the two.
    pub fn arm_mut(&mut self, arm: Arm) -> &mut Counts {
        match arm {
            Arm::Canary => &mut self.canary,
            Arm::Stable => &mut self.stable,
        }
    }

    /// Both, canary first.
    pub(super) fn both(&self) -> [&Counts; 2] {
        [&self.canary, &self.stable]
    }

    /// Requests of either version with a known outcome.
    pub fn requests(&self) -> u64 {
        self.canary.requests.saturating_add(self.stable.requests)
    }

    /// Adds the outcomes of others to these.
    pub fn add(&mut self, others: &Self) {
        self.add_growth(&Self::default(), others);
    }

    /// How errors are bet on.
    pub fn errors(&self) -> Tally {
        self.tally(self.canary.bad, self.stable.bad)
    }

    /// How errors are bet on by those who do not bet while stable fails.
    pub fn calm_errors(&self) -> Tally {
        self.errors().without(self.troubled)
    }

    /// Whether outcomes can be such.
    pub(super) fn is_possible(&self) -> bool {
        let apart = self.troubled.is_within(self.errors());
        apart && self.both().into_iter().all(Counts::is_possible)
    }

    /// How "slower than the threshold at this place" is bet on.
    pub fn slow(&self, threshold: usize) -> Tally {
        let slow = |counts: &Counts| counts.slow.get(threshold).copied().unwrap_or(0);
        self.tally(slow(&self.canary), slow(&self.stable))
    }

    fn tally(&self, canary_bad: u64, stable_bad: u64) -> Tally {
        Tally {
            canary_bad,
            stable_bad,
            good: self
                .requests()
                .saturating_sub(canary_bad)
                .saturating_sub(stable_bad),
        }
    }

    /// Whether any count of `newer` is larger than here, and whether any is smaller.
    pub(super) fn compare(&self, newer: &Self) -> (bool, bool) {
        let canary = self.canary.pairs(&newer.canary);
        let stable = self.stable.pairs(&newer.stable);
        let troubled = self
            .troubled
            .parts()
            .into_iter()
            .zip(newer.troubled.parts());
        let pairs: Vec<_> = canary.chain(stable).chain(troubled).collect();
        (
            pairs.iter().any(|(old, new)| new > old),
            pairs.iter().any(|(old, new)| new < old),
        )
    }

    pub(super) fn add_growth(&mut self, from: &Self, to: &Self) {
        self.canary.add_growth(&from.canary, &to.canary);
        self.stable.add_growth(&from.stable, &to.stable);
        self.troubled.add(to.troubled.without(from.troubled));
    }
}

/// Totals as a list of pairs: a share is no key of a JSON object.
pub(super) mod listed {
    use super::Arms;
    use crate::evidence::Totals;
    use crate::stratum::Stratum;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(in crate::evidence) fn serialize<S: Serializer>(
        totals: &Totals,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(totals)
    }

    pub(in crate::evidence) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Totals, D::Error> {
        let pairs = Vec::<(Stratum, Arms)>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}
