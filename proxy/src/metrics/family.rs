//! Named metrics as the registry wants them: a description each, and samples with labels.

use prometheus::core::Desc;
use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use std::collections::HashMap;
use std::time::Duration;

use super::histogram::HistogramTotals;

/// A metric's name, kind and labels. What it means is told once more, at length, in `docs/metrics.md`.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) kind: MetricType,
    pub(super) labels: &'static [&'static str],
}

impl Family {
    pub(super) fn desc(&self) -> Desc {
        let labels = self
            .labels
            .iter()
            .map(|label| (*label).to_owned())
            .collect();
        Desc::new(
            self.name.to_owned(),
            self.help.to_owned(),
            labels,
            HashMap::new(),
        )
        .expect("names and labels are well formed and differ")
    }

    /// The family with these samples.
    pub(super) fn with(&self, samples: impl IntoIterator<Item = Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(self.kind);
        family.set_metric(samples.into_iter().collect());
        family
    }

    /// A sample of a counter or gauge.
    pub(super) fn number(&self, values: &[&str], number: u64) -> Metric {
        #[expect(
            clippy::cast_precision_loss,
            reason = "the text format has floating point numbers only; 2^53 is exact"
        )]
        let number = number as f64;
        let mut sample = self.sample(values);
        if self.kind == MetricType::GAUGE {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            sample.set_gauge(gauge);
        } else {
            let mut counter = Counter::default();
            counter.set_value(number);
            sample.set_counter(counter);
        }
        sample
    }

    /// A sample of a histogram.
    pub(super) fn histogram(&self, values: &[&str], totals: &HistogramTotals) -> Metric {
        self.histogram_at(values, totals, |_| true)
    }

    /// The same with only those of the bounds, in microseconds, that are wanted.
    pub(super) fn histogram_at(
        &self,
        values: &[&str],
        totals: &HistogramTotals,
        wanted: impl Fn(u64) -> bool,
    ) -> Metric {
        let mut histogram = Histogram::default();
        let buckets = totals.cumulative().filter(|(us, _)| wanted(*us));
        histogram.set_bucket(buckets.map(bucket).collect());
        histogram.set_sample_count(totals.count());
        histogram.set_sample_sum(totals.sum_seconds());
        let mut sample = self.sample(values);
        sample.set_histogram(histogram);
        sample
    }

    fn sample(&self, values: &[&str]) -> Metric {
        debug_assert_eq!(self.labels.len(), values.len(), "{}", self.name);
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }
}

fn bucket((bound_us, count): (u64, u64)) -> Bucket {
    let mut bucket = Bucket::default();
    bucket.set_upper_bound(Duration::from_micros(bound_us).as_secs_f64());
    bucket.set_cumulative_count(count);
    bucket
}
