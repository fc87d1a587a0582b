//! Requests by version, as three parties count them: the clients, the pods, the proxy. Pure numbers.

use std::collections::BTreeMap;

/// A version's name in the demo.
pub(crate) type Name = &'static str;

/// Requests by version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts(BTreeMap<Name, u64>);

impl Counts {
    /// Counts some more.
    pub(crate) fn add(&mut self, version: Name, requests: u64) {
        *self.0.entry(version).or_default() += requests;
    }

    /// Those of one version.
    pub(crate) fn of(&self, version: Name) -> u64 {
        self.0.get(version).copied().unwrap_or(0)
    }

    /// Those of all versions.
    pub(crate) fn sum(&self) -> u64 {
        self.0.values().sum()
    }

    /// What came on top of `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let later = self
            .0
            .iter()
            .map(|(version, count)| (*version, count.saturating_sub(earlier.of(version))));
        Self(later.collect())
    }
}

impl<const N: usize> From<[(Name, u64); N]> for Counts {
    fn from(counts: [(Name, u64); N]) -> Self {
        let mut all = Self::default();
        counts
            .into_iter()
            .for_each(|(version, count)| all.add(version, count));
        all
    }
}

/// The proxy's counters: requests by the version they are charged to and by what decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Charged(BTreeMap<(String, &'static str), u64>);

impl Charged {
    /// Counts some more.
    pub(crate) fn add(&mut self, version: &str, by: &'static str, requests: u64) {
        *self.0.entry((version.to_owned(), by)).or_default() += requests;
    }

    /// Those charged to a version for one reason.
    pub(crate) fn of(&self, version: &str, by: &'static str) -> u64 {
        self.0.get(&(version.to_owned(), by)).copied().unwrap_or(0)
    }

    /// Those that were decided in one way.
    pub(crate) fn by(&self, by: &str) -> u64 {
        self.0
            .iter()
            .filter(|((_, decided), _)| *decided == by)
            .map(|(_, count)| count)
            .sum()
    }

    /// What came on top of `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |key| earlier.0.get(key).copied().unwrap_or(0);
        let later = self
            .0
            .iter()
            .map(|(key, count)| (key.clone(), count.saturating_sub(before(key))));
        Self(later.collect())
    }

    /// Who served them, of two versions: a request that failed over is charged to one and served by the other.
    pub(crate) fn served(&self, versions: [Name; 2]) -> Counts {
        let mut served = Counts::default();
        for ((version, by), count) in &self.0 {
            let due = usize::from(version == versions[1]);
            let server = if *by == "failover" { 1 - due } else { due };
            served.add(versions[server], *count);
        }
        served
    }
}

/// What the clients, the pods and the proxy counted of the same requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    /// Requests sent.
    pub(crate) sent: u64,
    /// Of these, how many were not answered with 200 by a known version.
    pub(crate) failed: u64,
    /// By the version that the answer named.
    pub(crate) clients: Counts,
    /// By the pod that it reached.
    pub(crate) pods: Counts,
    /// By the proxy's metrics, as served.
    pub(crate) proxy: Counts,
    /// By the proxy's metrics, as charged.
    pub(crate) charged: Charged,
}

impl Observed {
    /// Whether all three counted the same, and every request was answered.
    pub(crate) fn agrees(&self) -> bool {
        let same = |version| {
            let count = self.clients.of(version);
            self.pods.of(version) == count && self.proxy.of(version) == count
        };
        let versions = [&self.clients, &self.pods, &self.proxy]
            .into_iter()
            .flat_map(|counts| counts.0.keys());
        self.failed == 0 && self.clients.sum() == self.sent && versions.copied().all(same)
    }

    /// Of two stretches together.
    pub(crate) fn and(mut self, other: &Self) -> Self {
        self.sent += other.sent;
        self.failed += other.failed;
        for (counts, more) in [
            (&mut self.clients, &other.clients),
            (&mut self.pods, &other.pods),
            (&mut self.proxy, &other.proxy),
        ] {
            more.0
                .iter()
                .for_each(|(version, count)| counts.add(version, *count));
        }
        other
            .charged
            .0
            .iter()
            .for_each(|((version, by), count)| self.charged.add(version, by, *count));
        self
    }
}

/// How far the canary's count ever was from its share, in requests, over all prefixes of answers in the order they
/// were asked for. `canaries` holds whether each was the canary's.
pub(crate) fn worst_prefix(canaries: &[bool], share: f64) -> f64 {
    let mut count = 0.0;
    let mut worst: f64 = 0.0;
    let mut length = 0.0;
    for canary in canaries {
        length += 1.0;
        count += f64::from(u8::from(*canary));
        worst = worst.max((count - length * share).abs());
    }
    worst
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(sent: u64, failed: u64, counts: [u64; 3]) -> Observed {
        let of = |canary| Counts::from([("stable", 9), ("canary", canary)]);
        let [clients, pods, proxy] = counts.map(of);
        Observed {
            sent,
            failed,
            clients,
            pods,
            proxy,
            charged: Charged::default(),
        }
    }

    #[test]
    fn three_counts_agree_only_if_all_are_the_same_and_nothing_failed() {
        let cases = [
            (observed(10, 0, [1, 1, 1]), true),
            (observed(10, 0, [1, 2, 1]), false),
            (observed(10, 0, [1, 1, 0]), false),
            (observed(11, 0, [1, 1, 1]), false),
            (observed(10, 1, [1, 1, 1]), false),
        ];
        for (seen, expected) in cases {
            assert_eq!(seen.agrees(), expected, "{seen:?}");
        }
    }

    #[test]
    fn a_version_that_only_pods_saw_is_a_difference() {
        let mut seen = observed(10, 0, [1, 1, 1]);
        seen.pods.add("green", 1);
        assert!(!seen.agrees());
    }

    #[test]
    fn failed_over_requests_are_served_by_the_other_version() {
        let mut charged = Charged::default();
        charged.add("stable", "split", 90);
        charged.add("canary", "split", 4);
        charged.add("canary", "failover", 6);
        assert_eq!(
            charged.served(["stable", "canary"]),
            Counts::from([("stable", 96), ("canary", 4)])
        );
        assert_eq!((charged.by("failover"), charged.by("split")), (6, 94));
    }

    #[test]
    fn the_worst_prefix_is_found_wherever_it_is() {
        let even = [false, true, false, true];
        assert!((worst_prefix(&even, 0.5) - 0.5).abs() < 1e-9);
        let lumped = [true, true, false, false];
        assert!((worst_prefix(&lumped, 0.5) - 1.0).abs() < 1e-9);
        assert!(worst_prefix(&[], 0.5).abs() < 1e-9);
    }

    #[test]
    fn later_counts_leave_out_what_was_there_before() {
        let before = Counts::from([("stable", 5)]);
        let after = Counts::from([("stable", 8), ("canary", 2)]);
        assert_eq!(
            after.since(&before),
            Counts::from([("stable", 3), ("canary", 2)])
        );
    }
}
