//! What is counted for one version of one rule: a shard for each worker, added up when somebody reads.

use super::cell::{Cell, Own};
use super::code::{Code, CodeCells};
use super::histogram::{HistogramCells, HistogramTotals};
use super::outcome::{ErrorClass, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a series counts: the labels of every `haldane_request*` metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// The namespace of the object that the rule came from.
    pub namespace: String,
    /// The object's name.
    pub ingress: String,
    /// The rule's id.
    pub rule: String,
    /// The Service behind the rule; empty where there is none.
    pub service: String,
    /// The version assigned; empty where the rule answered by itself.
    pub version: String,
    /// What decided: `match`, `sticky`, `split`, `failover`, or `none` where no version was assigned.
    pub by: &'static str,
}

impl SeriesKey {
    /// The series that takes what has no room of its own.
    pub(super) fn other() -> Self {
        Self {
            namespace: String::new(),
            ingress: String::new(),
            rule: "(other)".to_owned(),
            service: String::new(),
            version: String::new(),
            by: "none",
        }
    }
}

/// The counters of one key.
#[derive(Debug)]
pub struct Series {
    shards: Box<[Arc<Own<Shard>>]>,
}

/// One worker's counters of one key.
#[derive(Debug, Default)]
struct Shard {
    begun: Cell,
    finished: Cell,
    codes: CodeCells,
    errors: [Cell; ErrorClass::ALL.len()],
    total: HistogramCells,
    head: HistogramCells,
    bytes_in: Cell,
    bytes_out: Cell,
}

impl Series {
    pub(super) fn new(workers: usize) -> Self {
        let shards = (0..workers.max(1)).map(|_| Arc::default());
        Self {
            shards: shards.collect(),
        }
    }

    /// The counters of worker `worker`, which it alone may write. A number beyond the last shares the last.
    #[must_use]
    pub fn shard(&self, worker: usize) -> SeriesShard {
        let shard = &self.shards[worker.min(self.shards.len() - 1)];
        SeriesShard(Arc::clone(shard))
    }

    /// Whether a worker holds a shard and may still count.
    pub(super) fn is_held(&self) -> bool {
        self.shards.iter().any(|shard| Arc::strong_count(shard) > 1)
    }

    pub(super) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        self.shards.iter().for_each(|shard| totals.add(&shard.0));
        totals
    }
}

/// A worker's handle on its own counters of one series.
///
/// Every [`SeriesShard::begin`] is followed by exactly one [`SeriesShard::finish`] or [`SeriesShard::withdraw`] on the
/// same thread.
#[derive(Clone, Debug)]
pub struct SeriesShard(Arc<Own<Shard>>);

impl SeriesShard {
    /// A request was assigned to this series.
    pub fn begin(&self) {
        self.0.0.begun.add(1);
    }

    /// It goes on under another series, and does not count here.
    pub fn withdraw(&self) {
        self.0.0.begun.decrement();
    }

    /// It is over.
    pub fn finish(&self, outcome: &Outcome) {
        let shard = &self.0.0;
        shard.finished.add(1);
        shard.codes.count(outcome.status);
        if let Some(error) = outcome.error {
            shard.errors[error.index()].add(1);
        }
        if let Some(head) = outcome.head {
            shard.head.observe(head);
        }
        shard.total.observe(outcome.total);
        shard.bytes_in.add(outcome.bytes_in);
        shard.bytes_out.add(outcome.bytes_out);
    }
}

/// A series added up over all workers.
///
/// Numbers are read one after the other while workers write: a request that ends meanwhile may be in some and not in
/// others. When nothing is written, they agree exactly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Requests that were assigned, finished or not.
    pub begun: u64,
    /// Requests that are over.
    pub finished: u64,
    /// Finished requests by status.
    pub codes: BTreeMap<Code, u64>,
    /// Finished requests that went wrong, in the order of [`ErrorClass::ALL`].
    pub errors: [u64; ErrorClass::ALL.len()],
    /// From the request head to the end of the response.
    pub duration: HistogramTotals,
    /// From the request head to the response head.
    pub head: HistogramTotals,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of response bodies.
    pub bytes_out: u64,
}

impl Totals {
    /// Requests that are not over.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.begun.saturating_sub(self.finished)
    }

    /// Finished requests whose status is of a class, 1 to 5.
    #[must_use]
    pub fn of_class(&self, class: u16) -> u64 {
        let in_class = self
            .codes
            .iter()
            .filter(|(code, _)| code.class() == Some(class));
        in_class.map(|(_, count)| count).sum()
    }

    /// Finished requests that went wrong in one way.
    #[must_use]
    pub fn of_error(&self, class: ErrorClass) -> u64 {
        self.errors[class.index()]
    }

    fn add(&mut self, shard: &Shard) {
        // `finished` first: a request that ends between the two reads is then in flight, never less than none.
        self.finished += shard.finished.get();
        self.begun += shard.begun.get();
        shard.codes.add_to(&mut self.codes);
        for (sum, cell) in self.errors.iter_mut().zip(&shard.errors) {
            *sum += cell.get();
        }
        self.duration.add(&shard.total);
        self.head.add(&shard.head);
        self.bytes_in = self.bytes_in.wrapping_add(shard.bytes_in.get());
        self.bytes_out = self.bytes_out.wrapping_add(shard.bytes_out.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const WORKERS: u16 = 4;
    const EACH: u16 = 10_000;

    fn work(shard: &SeriesShard, worker: u16) {
        for turn in 0..EACH {
            shard.begin();
            shard.finish(&Outcome {
                status: 200 + 100 * (turn % 4),
                error: (turn % 10 == 0).then_some(ErrorClass::ALL[usize::from(worker)]),
                head: (turn % 2 == 0).then_some(Duration::from_millis(1)),
                total: Duration::from_millis(2),
                bytes_in: 1,
                bytes_out: u64::from(worker),
            });
        }
        shard.begin();
    }

    #[test]
    fn what_threads_count_is_added_up_exactly() {
        let series = Series::new(WORKERS.into());
        std::thread::scope(|scope| {
            for worker in 0..WORKERS {
                let shard = series.shard(worker.into());
                scope.spawn(move || work(&shard, worker));
            }
        });
        let totals = series.totals();
        assert_eq!(
            (totals.begun, totals.finished, totals.in_flight()),
            (40_004, 40_000, 4)
        );
        assert_eq!(
            [2, 3, 4, 5, 1].map(|class| totals.of_class(class)),
            [10_000, 10_000, 10_000, 10_000, 0]
        );
        assert_eq!(totals.errors[..5], [1_000, 1_000, 1_000, 1_000, 0]);
        assert_eq!(
            (totals.duration.count(), totals.head.count()),
            (40_000, 20_000)
        );
        assert!((totals.duration.sum_seconds() - 80.0).abs() < 1e-9);
        assert_eq!((totals.bytes_in, totals.bytes_out), (40_000, 60_000));
    }

    #[test]
    fn a_series_is_held_while_a_shard_is() {
        let series = Series::new(2);
        assert!(!series.is_held());
        let shard = series.shard(7);
        assert!(series.is_held());
        drop(shard);
        assert!(!series.is_held());
    }
}
