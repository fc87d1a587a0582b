//! The series there are: found by key under a lock, bounded, and forgotten some time after their rule is gone.

use super::cohort::{Clock, Cohorts};
use super::key::{Place, SeriesKey};
use super::series::{Series, Share, Totals};
use haldane_wire::Totals as Told;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Series that a process keeps. At about 1.1 KiB for each worker, 4 workers hold 44 MiB if no weight ever moves, and four
/// times as much at most; the sums of all the shares that a series ever had are up to 25 KiB more. A scrape is then some
/// tens of megabytes, which Prometheus still takes.
pub const SERIES_MAX: usize = 10_000;

/// How long a series outlives its rule: five scrapes at Prometheus' usual minute, so that the last counts are seen.
pub const FORGET_AFTER: Duration = Duration::from_secs(300);

/// Every series of the process.
#[derive(Debug)]
pub(super) struct SeriesTable {
    workers: usize,
    series_max: usize,
    known: Mutex<SeriesMap>,
    /// What tells the cohorts of each rule's requests apart, for all its series.
    clocks: Mutex<HashMap<String, Arc<Clock>>>,
    /// The cohorts themselves, which nobody waits for that makes series.
    cohorts: Mutex<HashMap<String, Cohorts>>,
    other: Arc<Series>,
    overflows: AtomicU64,
}

/// Can be asked by borrowed texts.
type SeriesMap = hashbrown::HashMap<SeriesKey, Known>;

#[derive(Debug)]
struct Known {
    kept: Kept,
    dead_since: Option<Instant>,
}

#[derive(Clone, Debug)]
struct Kept {
    series: Arc<Series>,
    place: Arc<Place<'static>>,
}

/// A series that was used, added up.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) key: SeriesKey,
    pub(super) place: Arc<Place<'static>>,
    pub(super) totals: Totals,
}

impl SeriesTable {
    pub(super) fn new(workers: usize, series_max: usize) -> Self {
        Self {
            workers,
            series_max,
            known: Mutex::default(),
            clocks: Mutex::default(),
            cohorts: Mutex::default(),
            other: Arc::new(Series::new(workers, Arc::default())),
            overflows: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, SeriesMap> {
        // Nothing in here can panic half-way through a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn series(&self, key: &SeriesKey<&str>, place: &Place<'_>) -> Arc<Series> {
        let mut known = self.lock();
        if let Some(found) = known.get_mut(key) {
            let kept = &mut found.kept;
            if *kept.place != *place {
                kept.place = Arc::new(place.to_owned());
            }
            return Arc::clone(&kept.series);
        }
        if known.len() >= self.series_max {
            self.overflows.fetch_add(1, Relaxed);
            return Arc::clone(&self.other);
        }
        let series = Arc::new(Series::new(self.workers, self.clock(key.rule)));
        let kept = Kept {
            series: Arc::clone(&series),
            place: Arc::new(place.to_owned()),
        };
        let entry = Known {
            kept,
            dead_since: None,
        };
        known.insert(key.into(), entry);
        series
    }

    pub(super) fn is_other(&self, series: &Arc<Series>) -> bool {
        Arc::ptr_eq(series, &self.other)
    }

    fn clock(&self, rule: &str) -> Arc<Clock> {
        // As above, here and below.
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(clocks.entry(rule.to_owned()).or_default())
    }

    /// Ends cohorts whose requests have their answers, so that they can be told.
    pub(super) fn settle(&self, now: Instant) {
        let list = self.list();
        let mut rules = HashMap::<&str, Vec<&Series>>::new();
        for (key, kept) in &list {
            rules.entry(&key.rule).or_default().push(&kept.series);
        }
        let mut cohorts = self.cohorts.lock().unwrap_or_else(PoisonError::into_inner);
        cohorts.retain(|rule, _| rules.contains_key(rule.as_str()));
        for (rule, series) in rules {
            let new = || Cohorts::new(self.clock(rule), now);
            let of_rule = cohorts.entry(rule.to_owned()).or_insert_with(new);
            of_rule.settle(&series, now);
        }
        // Series and cohorts have the others.
        let mut clocks = self.clocks.lock().unwrap_or_else(PoisonError::into_inner);
        clocks.retain(|_, clock| Arc::strong_count(clock) > 1);
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
    pub(super) fn counted(&self) -> Vec<Counted> {
        let mut list = self.list();
        let other = Kept {
            series: Arc::clone(&self.other),
            place: Arc::default(),
        };
        list.push((SeriesKey::other(), other));
        let counted = list.into_iter().map(|(key, kept)| Counted {
            key,
            totals: kept.series.totals(),
            place: kept.place,
        });
        counted.filter(|counted| counted.totals.begun > 0).collect()
    }

    /// The same by share, without what found no room.
    pub(super) fn by_share(&self) -> Vec<(SeriesKey, Vec<(Share, Told)>)> {
        let list = self.list().into_iter();
        list.map(|(key, kept)| (key, kept.series.by_share()))
            .collect()
    }

    /// The lock is kept for the list alone, as workers that install a table wait for it.
    fn list(&self) -> Vec<(SeriesKey, Kept)> {
        let known = self.lock();
        let list = known.iter();
        list.map(|(key, known)| (key.clone(), known.kept.clone()))
            .collect()
    }
}

impl Known {
    fn is_over(&self, now: Instant) -> bool {
        let for_long = |since| now.saturating_duration_since(since) >= FORGET_AFTER;
        // Whoever holds the series can make shards: only when nobody does can the shards be looked at.
        self.dead_since.is_some_and(for_long)
            && Arc::strong_count(&self.kept.series) == 1
            && !self.kept.series.is_held()
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

    fn series(table: &SeriesTable, rule: &str) -> Arc<Series> {
        table.series(&key(rule).borrowed(), &Place::default())
    }

    fn rules(table: &SeriesTable) -> Vec<String> {
        let mut rules: Vec<_> = table
            .counted()
            .into_iter()
            .map(|counted| format!("{} {}", counted.key.rule, counted.totals.begun))
            .collect();
        rules.sort();
        rules
    }

    #[test]
    fn beyond_the_bound_one_series_takes_all() {
        let table = SeriesTable::new(1, 2);
        for rule in ["a", "b", "c", "a", "d"] {
            series(&table, rule).shard(Share::default(), 0).begin();
        }
        assert_eq!(rules(&table), ["(other) 2", "a 2", "b 1"]);
        assert_eq!((table.len(), table.overflows()), (2, 2));
    }

    #[test]
    fn a_series_is_forgotten_some_time_after_its_rule() {
        let table = SeriesTable::new(1, 9);
        let shard = series(&table, "held").shard(Share::default(), 0);
        for rule in ["a", "b", "back"] {
            series(&table, rule).shard(Share::default(), 0).begin();
        }
        let held = shard.begin();
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
        shard.finish(held, &Outcome::default());
        drop(shard);
        table.sweep(start + FORGET_AFTER);
        assert_eq!(rules(&table), ["a 1", "back 1"]);
    }
}
