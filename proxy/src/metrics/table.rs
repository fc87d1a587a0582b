//! The series there are: found by key under a lock, bounded, and forgotten some time after their rule is gone.

use super::series::{Series, SeriesKey, Share, Totals};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Series that a process keeps. At about 0.9 KiB for each worker, 4 workers hold 36 MiB if no weight ever moves, and four
/// times as much at most; a scrape is then some tens of megabytes, which Prometheus still takes.
pub const SERIES_MAX: usize = 10_000;

/// How long a series outlives its rule: five scrapes at Prometheus' usual minute, so that the last counts are seen.
pub const FORGET_AFTER: Duration = Duration::from_secs(300);

/// Every series of the process.
#[derive(Debug)]
pub(super) struct SeriesTable {
    workers: usize,
    series_max: usize,
    known: Mutex<HashMap<SeriesKey, Known>>,
    other: Arc<Series>,
    overflows: AtomicU64,
}

#[derive(Debug)]
struct Known {
    series: Arc<Series>,
    dead_since: Option<Instant>,
}

impl SeriesTable {
    pub(super) fn new(workers: usize, series_max: usize) -> Self {
        Self {
            workers,
            series_max,
            known: Mutex::default(),
            other: Arc::new(Series::new(workers)),
            overflows: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SeriesKey, Known>> {
        // Nothing in here can panic half-way through a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn series(&self, key: &SeriesKey) -> Arc<Series> {
        let mut known = self.lock();
        if let Some(found) = known.get(key) {
            return Arc::clone(&found.series);
        }
        if known.len() >= self.series_max {
            self.overflows.fetch_add(1, Relaxed);
            return Arc::clone(&self.other);
        }
        let series = Arc::new(Series::new(self.workers));
        let entry = Known {
            series: Arc::clone(&series),
            dead_since: None,
        };
        known.insert(key.clone(), entry);
        series
    }

    /// Notes which series have lost their rule, and since when.
    pub(super) fn mark(&self, live: impl Fn(&SeriesKey) -> bool, now: Instant) {
        for (key, known) in self.lock().iter_mut() {
            known.dead_since = if live(key) {
                None
            } else {
                known.dead_since.or(Some(now))
            };
        }
    }

    /// Removes the series that lost their rule [`FORGET_AFTER`] ago and that nobody can count in any more.
    pub(super) fn sweep(&self, now: Instant) {
        self.lock().retain(|_, known| !known.is_over(now));
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// How many look-ups found no room.
    pub(super) fn overflows(&self) -> u64 {
        self.overflows.load(Relaxed)
    }

    /// Every series that was ever used, added up.
    pub(super) fn totals(&self) -> Vec<(SeriesKey, Totals)> {
        let mut list = self.list();
        list.push((SeriesKey::other(), Arc::clone(&self.other)));
        let totals = list.into_iter().map(|(key, series)| (key, series.totals()));
        totals.filter(|(_, totals)| totals.begun > 0).collect()
    }

    /// The same by share, without what found no room.
    pub(super) fn by_share(&self) -> Vec<(SeriesKey, Vec<(Share, Totals)>)> {
        let list = self.list().into_iter();
        list.map(|(key, series)| (key, series.by_share())).collect()
    }

    /// The lock is kept for the list alone, as workers that install a table wait for it.
    fn list(&self) -> Vec<(SeriesKey, Arc<Series>)> {
        let known = self.lock();
        let list = known.iter();
        list.map(|(key, known)| (key.clone(), Arc::clone(&known.series)))
            .collect()
    }
}

impl Known {
    fn is_over(&self, now: Instant) -> bool {
        let for_long = |since| now.saturating_duration_since(since) >= FORGET_AFTER;
        // Whoever holds the series can make shards: only when nobody does can the shards be looked at.
        self.dead_since.is_some_and(for_long)
            && Arc::strong_count(&self.series) == 1
            && !self.series.is_held()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Outcome;

    fn key(rule: &str) -> SeriesKey {
        SeriesKey {
            rule: rule.to_owned(),
            ..SeriesKey::other()
        }
    }

    fn rules(table: &SeriesTable) -> Vec<String> {
        let mut rules: Vec<_> = table
            .totals()
            .into_iter()
            .map(|(key, totals)| format!("{} {}", key.rule, totals.begun))
            .collect();
        rules.sort();
        rules
    }

    #[test]
    fn beyond_the_bound_one_series_takes_all() {
        let table = SeriesTable::new(1, 2);
        for rule in ["a", "b", "c", "a", "d"] {
            table.series(&key(rule)).shard(Share::default(), 0).begin();
        }
        assert_eq!(rules(&table), ["(other) 2", "a 2", "b 1"]);
        assert_eq!((table.len(), table.overflows()), (2, 2));
    }

    #[test]
    fn a_series_is_forgotten_some_time_after_its_rule() {
        let table = SeriesTable::new(1, 9);
        let shard = table.series(&key("held")).shard(Share::default(), 0);
        for rule in ["a", "b", "back", "held"] {
            table.series(&key(rule)).shard(Share::default(), 0).begin();
        }
        let start = Instant::now();
        table.mark(|key| key.rule == "a", start);
        table.mark(
            |key| key.rule == "a" || key.rule == "back",
            start + FORGET_AFTER / 2,
        );

        table.sweep(start + FORGET_AFTER - Duration::from_nanos(1));
        assert_eq!(rules(&table), ["a 1", "b 1", "back 1", "held 1"]);
        table.sweep(start + FORGET_AFTER);
        assert_eq!(rules(&table), ["a 1", "back 1", "held 1"]);
        shard.finish(&Outcome::default());
        drop(shard);
        table.sweep(start + FORGET_AFTER);
        assert_eq!(rules(&table), ["a 1", "back 1"]);
    }
}
