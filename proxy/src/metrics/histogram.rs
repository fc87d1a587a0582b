//! Durations in buckets whose bounds are the same everywhere, so that histograms can be added and compared.

use super::cell::Cell;
use haldane_wire::LATENCY_BOUNDS_US as BOUNDS_US;
use std::time::Duration;

/// How many bounds there are; one more bucket holds what is above the last.
const BOUNDS: usize = BOUNDS_US.len();

/// One worker's histograms of the same requests; a `T` has one cell for each. What they count in the same bucket stands side
/// by side, mostly in one line of the cache, for it often is the same bucket.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct HistogramCells<T> {
    sums_ns: T,
    buckets: [T; BOUNDS + 1],
}

impl<T> HistogramCells<T> {
    pub(super) fn observe(&self, cell: impl Fn(&T) -> &Cell, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        cell(&self.buckets[bucket_of(ns)]).add(1);
        cell(&self.sums_ns).add(ns);
    }
}

fn bucket_of(ns: u64) -> usize {
    BOUNDS_US.partition_point(|bound| bound * 1_000 < ns)
}

/// What was observed, over all workers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistogramTotals {
    counts: [u64; BOUNDS + 1],
    sum_ns: u64,
}

impl HistogramTotals {
    pub(super) fn add<T>(&mut self, cells: &HistogramCells<T>, cell: impl Fn(&T) -> &Cell) {
        for (count, bucket) in self.counts.iter_mut().zip(&cells.buckets) {
            *count = count.wrapping_add(cell(bucket).get());
        }
        self.sum_ns = self.sum_ns.wrapping_add(cell(&cells.sums_ns).get());
    }

    pub(super) fn add_totals(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.wrapping_add(more);
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// How many durations were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many fell in each bucket, the one without a bound last.
    #[must_use]
    pub fn buckets(&self) -> &[u64; BOUNDS + 1] {
        &self.counts
    }

    /// The sum of what was observed, in nanoseconds.
    #[must_use]
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The sum of what was observed, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_ns).as_secs_f64()
    }

    /// Each bucket's upper bound in microseconds, and how many durations are at most that long.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let running = self.counts.iter().scan(0_u64, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        BOUNDS_US.into_iter().zip(running)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ns: u64, bucket: usize) {
        assert_eq!(bucket_of(ns), bucket, "{ns} ns");
    }

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        check(0, 0);
        check(500_000, 0);
        check(500_001, 1);
        check(1_000_000, 1);
        check(60_000_000_000, BOUNDS - 1);
        check(60_000_000_001, BOUNDS);
        check(u64::MAX, BOUNDS);
    }

    #[test]
    fn bounds_grow() {
        assert!(BOUNDS_US.is_sorted());
    }

    #[test]
    fn buckets_add_up() {
        let cells = HistogramCells::<[Cell; 2]>::default();
        for ms in [0, 1, 2, 70_000] {
            cells.observe(|[_, one]| one, Duration::from_millis(ms));
        }
        let mut totals = HistogramTotals::default();
        totals.add(&cells, |[_, one]| one);
        totals.add(&cells, |[_, one]| one);
        totals.add(&cells, |[other, _]| other);
        assert_eq!(totals.count(), 8);
        assert!((totals.sum_seconds() - 140.006).abs() < 1e-9);
        let three: Vec<_> = totals.cumulative().take(3).collect();
        assert_eq!(three, [(500, 2), (1_000, 4), (2_500, 6)]);
        assert_eq!(totals.cumulative().last(), Some((60_000_000, 6)));
    }
}
