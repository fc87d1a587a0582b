//! What is counted, and how it is read.
//!
//! Workers count in cells of their own (see [`SeriesShard`], [`WorkerMetrics`]); a scrape adds them up. Counting takes
//! no lock, no locked instruction and no cache line that another worker writes. Nothing here decides anything.

mod cell;
mod code;
mod cohort;
mod collect;
mod family;
mod histogram;
mod key;
mod nginx;
mod outcome;
mod series;
mod table;
mod worker;

pub use code::Code;
pub use cohort::{ANSWER_MAX, Cohort};
pub use histogram::HistogramTotals;
pub use key::{Place, SeriesKey};
pub use outcome::{ErrorClass, Outcome, Side};
pub use series::{Series, SeriesShard, Share, Totals};
pub use table::{FORGET_AFTER, SERIES_MAX};
pub use worker::{Listener, OpenConnection, UpstreamConnection, UpstreamState, WorkerMetrics};

use collect::{SeriesCollector, WorkerCollector};
use prometheus::core::Collector;
use prometheus::{IntCounter, IntGauge, Opts, Registry, TextEncoder};
use std::sync::Arc;
use std::time::Instant;
use table::SeriesTable;

/// The `Content-Type` of [`Metrics::render`].
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// Everything one process counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    names: Vec<String>,
    series: Arc<SeriesTable>,
    workers: Arc<[WorkerMetrics]>,
    process: ProcessMetrics,
}

/// What is counted once for the process, away from requests.
#[derive(Clone, Debug)]
struct ProcessMetrics {
    generation: IntGauge,
    tables_rejected: IntCounter,
    endpoints_ejected: IntGauge,
    access_log_dropped: IntCounter,
    pushed: PushedMetrics,
}

/// How far this process follows its controller.
#[derive(Clone, Debug)]
pub(crate) struct PushedMetrics {
    pub(crate) connected: IntGauge,
    pub(crate) term: IntGauge,
    pub(crate) number: IntGauge,
    pub(crate) snapshot_stale: IntGauge,
    pub(crate) snapshot_write_errors: IntCounter,
}

impl Metrics {
    /// Counters for `workers` threads (at least 1).
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        Self::with(workers, true)
    }

    /// The same without those that have ingress-nginx's names.
    #[must_use]
    pub fn without_nginx_names(workers: usize) -> Arc<Self> {
        Self::with(workers, false)
    }

    fn with(workers: usize, nginx_names: bool) -> Arc<Self> {
        let workers = workers.max(1);
        let mut metrics = Self {
            registry: Registry::new(),
            names: Vec::new(),
            series: Arc::new(SeriesTable::new(workers, SERIES_MAX)),
            workers: (0..workers).map(|_| WorkerMetrics::default()).collect(),
            process: ProcessMetrics::new(),
        };
        metrics.register_all(nginx_names);
        Arc::new(metrics)
    }

    fn register_all(&mut self, nginx_names: bool) {
        let series = Arc::clone(&self.series);
        self.register(SeriesCollector::new(series, nginx_names));
        self.register(WorkerCollector::new(Arc::clone(&self.workers)));
        let process = self.process.clone();
        self.register(process.generation);
        self.register(process.tables_rejected);
        self.register(process.endpoints_ejected);
        self.register(process.access_log_dropped);
        let pushed = process.pushed;
        self.register(pushed.connected);
        self.register(pushed.term);
        self.register(pushed.number);
        self.register(pushed.snapshot_stale);
        self.register(pushed.snapshot_write_errors);
        self.register(build_info());
        #[cfg(target_os = "linux")]
        self.register(prometheus::process_collector::ProcessCollector::for_self());
    }

    fn register(&mut self, collector: impl Collector + 'static) {
        let names: Vec<_> = collector
            .desc()
            .into_iter()
            .map(|desc| desc.fq_name.clone())
            .collect();
        self.names.extend(names);
        self.registry
            .register(Box::new(collector))
            .expect("names differ, so nothing is registered twice");
    }

    /// The counters of a key, made where there are none yet; its rule asks for `place` now. Takes a lock: callers keep what they get.
    ///
    /// Beyond [`SERIES_MAX`] keys, one series labelled `(other)` takes all that are new.
    #[must_use]
    pub fn series(&self, key: &SeriesKey<impl AsRef<str>>, place: &Place<'_>) -> Arc<Series> {
        self.series.series(&key.borrowed(), place)
    }

    /// Whether it is the one for all that there is no room for.
    pub(crate) fn is_other(&self, series: &Arc<Series>) -> bool {
        self.series.is_other(series)
    }

    /// The counters that worker `worker` writes. A number beyond the last shares the last.
    #[must_use]
    pub fn worker(&self, worker: usize) -> WorkerMetrics {
        self.workers[worker.min(self.workers.len() - 1)].clone()
    }

    /// Tells which keys can still be counted under; called when a table was installed. The others are forgotten at the
    /// first scrape that comes [`FORGET_AFTER`] later.
    pub fn forget(&self, live: impl Fn(&SeriesKey) -> bool) {
        self.series.mark(live, Instant::now());
    }

    /// All of it, in Prometheus' text format ([`TEXT_FORMAT`]).
    #[must_use]
    pub fn render(&self) -> String {
        self.series.sweep(Instant::now());
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_else(|error| {
                tracing::error!(%error, "metrics cannot be written");
                String::new()
            })
    }

    /// The request counters as numbers: every key that ever had a request.
    #[must_use]
    pub fn totals(&self) -> Vec<(SeriesKey, Totals)> {
        let counted = self.series.counted().into_iter();
        counted
            .map(|counted| (counted.key, counted.totals))
            .collect()
    }

    /// Ends cohorts of requests that have their answers: [`Metrics::by_share`] tells of no others. To be called before it, and
    /// by one thread alone.
    pub fn settle(&self) {
        self.series.settle(Instant::now());
    }

    /// The same apart for each share that a version had lately: what a controller weighs. Requests that arrived with one that
    /// still waits for an answer, or after it, are left out, for [`ANSWER_MAX`] at most.
    #[must_use]
    pub fn by_share(&self) -> Vec<(SeriesKey, Vec<(Share, haldane_wire::Totals)>)> {
        self.series.by_share()
    }

    /// The names of all metrics, whether they have samples or not.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// A table was put in force.
    pub fn set_generation(&self, generation: u64) {
        self.process
            .generation
            .set(i64::try_from(generation).unwrap_or(i64::MAX));
    }

    /// A table was not put in force.
    pub fn table_rejected(&self) {
        self.process.tables_rejected.inc();
    }

    /// How many endpoints are out of rotation; set before a scrape is answered, as time alone readmits them.
    pub fn set_endpoints_ejected(&self, count: usize) {
        self.process
            .endpoints_ejected
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// What tells how far a controller is followed.
    pub(crate) fn pushed(&self) -> PushedMetrics {
        self.process.pushed.clone()
    }

    /// What counts the access log's lost entries.
    #[must_use]
    pub fn access_log_dropped(&self) -> IntCounter {
        self.process.access_log_dropped.clone()
    }
}

fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("the name is well formed")
}

fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect("the name is well formed")
}

impl PushedMetrics {
    fn new() -> Self {
        Self {
            connected: gauge(
                "haldane_push_connected",
                "1 while a controller is followed.",
            ),
            term: gauge("haldane_push_term", "The term of the table in force."),
            number: gauge(
                "haldane_push_number",
                "The number of the table in force within its term.",
            ),
            snapshot_stale: gauge(
                "haldane_push_snapshot_stale",
                "1 while the table in force is not the one on disk.",
            ),
            snapshot_write_errors: counter(
                "haldane_push_snapshot_write_errors_total",
                "Tables that could not be written to disk.",
            ),
        }
    }
}

impl ProcessMetrics {
    fn new() -> Self {
        Self {
            generation: gauge("haldane_generation", "The number of the table in force."),
            tables_rejected: counter(
                "haldane_table_rejected_total",
                "Tables that were not put in force.",
            ),
            endpoints_ejected: gauge(
                "haldane_endpoints_ejected",
                "Endpoints that are out of rotation.",
            ),
            access_log_dropped: counter(
                "haldane_access_log_dropped_total",
                "Access log entries that were lost.",
            ),
            pushed: PushedMetrics::new(),
        }
    }
}

fn build_info() -> IntGauge {
    let opts = Opts::new(
        "haldane_build_info",
        "Always 1; the label tells the version that runs.",
    );
    let info = IntGauge::with_opts(opts.const_label("version", env!("CARGO_PKG_VERSION")))
        .expect("name and label are well formed");
    info.set(1);
    info
}

#[cfg(test)]
mod tests;
