//! What workers counted, as it is sent: the series that moved since they were sent last.

use crate::metrics::{Metrics, SeriesKey, Share};
use haldane_routing::By;
use haldane_wire::{Series, SeriesId, Totals};
use std::collections::HashMap;

/// What one stream was told. There are as many series as the process keeps, and no more.
#[derive(Debug, Default)]
pub(super) struct Told {
    finished: HashMap<SeriesId, u64>,
}

impl Told {
    /// Series that moved since they were told last, `series_max` at most; the others are told the next time.
    pub(super) fn moved(&mut self, metrics: &Metrics, series_max: usize) -> Vec<Series> {
        metrics.settle();
        let before = std::mem::take(&mut self.finished);
        let mut moved = Vec::new();
        // What is not kept any more is forgotten here too.
        for (id, totals) in by_id(metrics) {
            let finished = totals.requests();
            let told = before.get(&id).copied().unwrap_or_default();
            if finished != told && moved.len() < series_max {
                self.finished.insert(id.clone(), finished);
                moved.push(Series { id, totals });
            } else {
                self.finished.insert(id, told);
            }
        }
        moved
    }
}

/// A version that first a canary Ingress brought and then its main has two keys here and one name there.
fn by_id(metrics: &Metrics) -> HashMap<SeriesId, Totals> {
    let mut all = HashMap::<_, Totals>::new();
    for Series { id, totals } in metrics.by_share().into_iter().flat_map(series) {
        *all.entry(id).or_default() += &totals;
    }
    all
}

/// A key's series; none where no version was assigned.
fn series((key, shares): (SeriesKey, Vec<(Share, Totals)>)) -> Vec<Series> {
    let all = [By::Match, By::Sticky, By::Split, By::Failover];
    let Some(by) = all.into_iter().find(|by| by.as_str() == key.by) else {
        return Vec::new();
    };
    let at = |(share, totals): (Share, Totals)| Series {
        id: SeriesId {
            rule: key.rule.clone(),
            version: key.version.clone(),
            by,
            weight: share.weight,
            period: share.period,
        },
        totals,
    };
    shares.into_iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Outcome, Place};
    use std::time::Duration;

    fn count(metrics: &Metrics, version: &str, by: &'static str, weight: u64) {
        count_as(metrics, version, "", by, weight);
    }

    fn count_as(metrics: &Metrics, version: &str, canary: &str, by: &'static str, weight: u64) {
        let key = SeriesKey {
            namespace: "shop".to_owned(),
            ingress: "web".to_owned(),
            rule: "shop/web".to_owned(),
            service: "web".to_owned(),
            version: version.to_owned(),
            canary: canary.to_owned(),
            by,
        };
        let period = 100;
        let shard = metrics
            .series(&key, &Place::default())
            .shard(Share { weight, period }, 0);
        let cohort = shard.begin();
        shard.answered(cohort);
        shard.finish(
            cohort,
            &Outcome {
                status: 500,
                total: Duration::from_millis(3),
                ..Outcome::default()
            },
        );
    }

    #[track_caller]
    fn check(told: &mut Told, metrics: &Metrics, expected: &[(&str, u64, u64)]) {
        let moved = told.moved(metrics, usize::MAX);
        let mut moved: Vec<_> = moved
            .iter()
            .map(|series| {
                (
                    &*series.id.version,
                    series.id.weight,
                    series.totals.requests(),
                )
            })
            .collect();
        moved.sort_unstable();
        assert_eq!(moved, expected);
    }

    #[test]
    fn what_moved_is_told_with_its_total() {
        let (metrics, mut told) = (Metrics::new(1), Told::default());
        check(&mut told, &metrics, &[]);
        count(&metrics, "1.14", "split", 90);
        count(&metrics, "canary", "split", 10);
        count(&metrics, "", "none", 0);
        check(&mut told, &metrics, &[("1.14", 90, 1), ("canary", 10, 1)]);
        check(&mut told, &metrics, &[]);
        count(&metrics, "canary", "split", 10);
        count(&metrics, "canary", "split", 25);
        check(&mut told, &metrics, &[("canary", 10, 2), ("canary", 25, 1)]);
        let all: u64 = Told::default()
            .moved(&metrics, usize::MAX)
            .iter()
            .map(|s| s.totals.requests())
            .sum();
        assert_eq!(all, 4, "another stream is told all");
    }

    #[test]
    fn what_there_was_no_room_for_is_told_the_next_time() {
        let (metrics, mut told) = (Metrics::new(1), Told::default());
        for version in ["a", "b", "c"] {
            count(&metrics, version, "split", 1);
        }
        let mut all: Vec<String> = Vec::new();
        for expected in [2, 1, 0] {
            let moved = told.moved(&metrics, 2);
            assert_eq!(moved.len(), expected);
            all.extend(moved.into_iter().map(|series| series.id.version));
        }
        all.sort();
        assert_eq!(all, ["a", "b", "c"]);
    }

    #[test]
    fn a_version_that_was_a_canary_keeps_its_counts() {
        let (metrics, mut told) = (Metrics::new(1), Told::default());
        count_as(&metrics, "1.15", "shop-web-canary-80", "split", 10);
        check(&mut told, &metrics, &[("1.15", 10, 1)]);
        count(&metrics, "1.15", "split", 10);
        check(&mut told, &metrics, &[("1.15", 10, 2)]);
    }

    #[test]
    fn outcomes_and_durations_are_those_of_the_proxy() {
        let metrics = Metrics::new(1);
        count(&metrics, "1.14", "failover", 90);
        let series = Told::default().moved(&metrics, 1).remove(0);
        assert_eq!(series.id.by, By::Failover);
        assert_eq!(series.totals.of(haldane_wire::Outcome::ServerError), 1);
        assert_eq!(
            (series.totals.latency[3], series.totals.latency_sum_ns),
            (1, 3_000_000)
        );
    }
}
