//! What proxies counted, added up: never less than it was, whoever restarts or comes back.
//!
//! Every report has totals since its process began. What one process has told is kept, so that a total that comes again
//! adds nothing and a new process of a proxy adds from zero.

use haldane_wire::{Series, SeriesId, Totals};
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// Series that are added up. A rollout of ten steps makes forty for each rule, and 2 500 rules roll out at once.
const SERIES_MAX: usize = 100_000;

/// Series that are remembered for processes, all together: at 250 bytes each 100 MB.
const TOLD_MAX: usize = 400_000;

/// At a bound, this part of what moved longest ago is forgotten at once, so that room is not made for each newcomer.
const FORGOTTEN_SHARE: usize = 8;

/// All that was told.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sums: HashMap<Arc<SeriesId>, Sum>,
    processes: HashMap<String, Process>,
    told: usize,
    /// Counts reports; stands for time.
    now: u64,
}

#[derive(Debug, Default)]
struct Sum {
    totals: Totals,
    moved: u64,
}

/// What one process has told.
#[derive(Debug)]
struct Process {
    told: HashMap<Arc<SeriesId>, Totals>,
    heard: u64,
    at: Timestamp,
}

/// What one process of a proxy has counted since it began.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    /// The process.
    pub(crate) instance: String,
    /// When it was heard of last, by the steady clock.
    pub(crate) at: Timestamp,
    /// What was asked for of what it told.
    pub(crate) series: Vec<Series>,
}

impl Ledger {
    /// Takes a report of a process.
    pub(super) fn report(
        &mut self,
        instance: &str,
        at: Timestamp,
        series: impl IntoIterator<Item = Series>,
    ) {
        self.now += 1;
        let process = self.processes.entry(instance.to_owned());
        let process = process.or_insert_with(|| Process {
            told: HashMap::new(),
            heard: self.now,
            at,
        });
        (process.heard, process.at) = (self.now, at);
        for series in series {
            self.add(instance, series);
        }
    }

    /// What was told by all, in no order.
    pub(super) fn all(&self) -> Vec<Series> {
        let series = self.sums.iter().map(|(id, sum)| Series {
            id: SeriesId::clone(id),
            totals: sum.totals,
        });
        series.collect()
    }

    /// What each process told of the series that are `wanted`.
    pub(super) fn heard(&self, wanted: impl Fn(&SeriesId) -> bool) -> Vec<Heard> {
        let heard = |(instance, process): (&String, &Process)| {
            let told = process.told.iter().filter(|(id, _)| wanted(id));
            let series = told.map(|(id, totals)| Series {
                id: SeriesId::clone(id),
                totals: *totals,
            });
            Heard {
                instance: instance.clone(),
                at: process.at,
                series: series.collect(),
            }
        };
        self.processes.iter().map(heard).collect()
    }

    fn add(&mut self, instance: &str, series: Series) {
        let id = self.known(series.id);
        let Some(process) = self.processes.get_mut(instance) else {
            return;
        };
        let before = process.told.insert(id.clone(), series.totals);
        self.told += usize::from(before.is_none());
        let sum = self.sums.entry(id).or_default();
        sum.totals += &series.totals.since(&before.unwrap_or_default());
        sum.moved = self.now;
        self.make_room(instance);
    }

    /// The id as it is kept, so that it is kept once.
    fn known(&self, id: SeriesId) -> Arc<SeriesId> {
        let known = self.sums.get_key_value(&id).map(|(known, _)| known.clone());
        known.unwrap_or_else(|| Arc::new(id))
    }

    fn make_room(&mut self, reporting: &str) {
        while self.told > TOLD_MAX && self.forget_process(reporting) {}
        if self.sums.len() > SERIES_MAX {
            self.forget_sums();
        }
    }

    /// Forgets the process that was not heard of for longest: one that is gone, where there are any. `false` where
    /// nobody else is left.
    fn forget_process(&mut self, reporting: &str) -> bool {
        let others = self.processes.iter().filter(|(name, _)| *name != reporting);
        let oldest = others.min_by_key(|(_, process)| process.heard);
        let Some(name) = oldest.map(|(name, _)| name.clone()) else {
            return false;
        };
        let forgotten = self.processes.remove(&name);
        self.told -= forgotten.map_or(0, |process| process.told.len());
        true
    }

    fn forget_sums(&mut self) {
        let mut moved: Vec<u64> = self.sums.values().map(|sum| sum.moved).collect();
        let (_, &mut limit, _) = moved.select_nth_unstable(SERIES_MAX / FORGOTTEN_SHARE);
        // Those of this very report stay, so that the newest are always there.
        self.sums
            .retain(|_, sum| sum.moved > limit || sum.moved == self.now);
        let sums = &self.sums;
        for process in self.processes.values_mut() {
            process.told.retain(|id, _| sums.contains_key(id));
        }
        self.told = self
            .processes
            .values()
            .map(|process| process.told.len())
            .sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use haldane_routing::By;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn series(rule: &str, requests: u64) -> Series {
        let mut totals = Totals::default();
        totals.outcomes[0] = requests;
        let id = SeriesId {
            rule: rule.to_owned(),
            version: "1.14".to_owned(),
            by: By::Split,
            weight: 9,
            period: 10,
        };
        Series { id, totals }
    }

    fn sums(ledger: &Ledger) -> Vec<(String, u64)> {
        let all = ledger.all().into_iter();
        let mut sums: Vec<_> = all.map(|s| (s.id.rule, s.totals.requests())).collect();
        sums.sort();
        sums
    }

    #[track_caller]
    fn check(reports: &[(&str, u64)], sum: u64) {
        let mut ledger = Ledger::default();
        let mut before = 0;
        for (instance, requests) in reports {
            ledger.report(instance, NOW, [series("r", *requests)]);
            let now = sums(&ledger)[0].1;
            assert!(now >= before, "{reports:?}: {now} after {before}");
            before = now;
        }
        assert_eq!(before, sum, "{reports:?}");
    }

    #[test]
    fn totals_of_processes_are_added_up_and_never_shrink() {
        check(&[("a", 5)], 5);
        check(&[("a", 5), ("a", 5), ("a", 7)], 7);
        check(&[("a", 5), ("b", 3), ("a", 6)], 9);
        // A process that restarts is another instance and counts from zero.
        check(&[("a", 5), ("a2", 1), ("a2", 2)], 7);
        // A total that shrinks is nonsense, and what comes after it counts from there.
        check(&[("a", 5), ("a", 2), ("a", 3)], 6);
    }

    #[test]
    fn series_are_kept_apart() {
        let mut ledger = Ledger::default();
        ledger.report("a", NOW, [series("r", 1), series("s", 2)]);
        let mut raised = series("r", 4);
        raised.id.weight = 5;
        ledger.report("a", NOW, [raised]);
        assert_eq!(sums(&ledger), [("r", 1), ("r", 4), ("s", 2)].map(owned));
    }

    fn owned((rule, requests): (&str, u64)) -> (String, u64) {
        (rule.to_owned(), requests)
    }

    #[test]
    fn at_the_bound_what_moved_longest_ago_goes() {
        let mut ledger = Ledger::default();
        for index in 0..SERIES_MAX + 100 {
            ledger.report(
                "a",
                NOW,
                [series(&index.to_string(), 1), series("busy", index as u64)],
            );
        }
        assert!(ledger.sums.len() <= SERIES_MAX && ledger.told <= SERIES_MAX);
        let all = sums(&ledger);
        assert!(all.contains(&owned(("busy", SERIES_MAX as u64 + 99))));
        assert!(!all.contains(&owned(("0", 1))));
    }

    #[test]
    fn processes_that_are_gone_make_room() {
        let mut ledger = Ledger::default();
        let rules: Vec<String> = (0..1_000).map(|index| index.to_string()).collect();
        for instance in 0..TOLD_MAX / 1_000 + 2 {
            ledger.report(
                &instance.to_string(),
                NOW,
                rules.iter().map(|rule| series(rule, 1)),
            );
        }
        assert!(ledger.told <= TOLD_MAX);
        assert!(!ledger.processes.contains_key("0"));
        let requests: u64 = sums(&ledger).iter().map(|(_, requests)| requests).sum();
        assert_eq!(requests, TOLD_MAX as u64 + 2_000);
    }
}
