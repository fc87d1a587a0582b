//! What the controller counts. Labels are closed sets, but for the names of proxies, of which there are few.

mod rollouts;

use super::name::{Kind, ObjectName};
use super::reason::Reason;
use crate::problem::{Problem, Severity};
use crate::rollouts::notice::What;
use crate::webhooks::Counts;
use haldane_rollout::report::RolloutReport;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use rollouts::RolloutMetrics;
use std::time::Duration;

/// Before the name of every metric.
const PREFIX: &str = "haldane_controller";

/// From what a small cluster takes to what the largest may, in seconds.
const BUILD_BUCKETS: [f64; 9] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

/// Every metric of the controller; a cheap clone.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    builds: IntCounterVec,
    build_seconds: Histogram,
    pending: IntGauge,
    problems: IntGaugeVec,
    watch_restarts: IntCounterVec,
    watch_errors: IntCounterVec,
    generation: IntGauge,
    term: IntGauge,
    proxies: IntGauge,
    proxy_lag: IntGaugeVec,
    writes: IntCounterVec,
    writes_pending: IntGauge,
    rollouts: RolloutMetrics,
    webhooks: Counts,
}

/// What came of a write to the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Written {
    Done,
    Forbidden,
    /// It would be refused again.
    Refused,
    /// It may be taken at another time.
    Failed,
}

impl Written {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

impl Metrics {
    /// Metrics with a registry of their own, where the process's own are, too.
    ///
    /// # Errors
    /// When two metrics have one name, or a name is none.
    pub(crate) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        let made = Maker(&registry);
        Ok(Self {
            builds: made.counters(
                "builds_total",
                "Tables built, by what came of it",
                &["result"],
            )?,
            build_seconds: made.histogram("build_seconds", "Time to build a table")?,
            pending: made.gauge("changes_pending", "Changes seen and not yet in a table")?,
            problems: made.gauges("problems", "Problems now", &["severity", "reason"])?,
            watch_restarts: made.counters(
                "watch_restarts_total",
                "Watches begun anew",
                &["kind"],
            )?,
            watch_errors: made.counters("watch_errors_total", "Faults of watches", &["kind"])?,
            generation: made.gauge("generation", "The newest table's number")?,
            term: made.gauge("term", "The term led; 0 while another leads")?,
            proxies: made.gauge("proxies", "Proxies connected")?,
            proxy_lag: made.gauges("proxy_lag", "Tables behind the newest", &["proxy"])?,
            writes: made.counters("writes_total", "Writes to the API", &["what", "result"])?,
            writes_pending: made
                .gauge("writes_pending", "Objects whose status is to be written")?,
            rollouts: RolloutMetrics::new(&made)?,
            webhooks: Counts::register(&registry)?,
            registry,
        })
    }

    /// Everything, in Prometheus's text format.
    pub(crate) fn text(&self) -> String {
        TextEncoder::new()
            .encode_to_string(&self.registry.gather())
            .unwrap_or_default()
    }

    pub(crate) fn built(&self, took: Duration, changed: bool) {
        let result = if changed { "changed" } else { "same" };
        self.builds.with_label_values(&[result]).inc();
        self.build_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn doubted(&self) {
        self.builds.with_label_values(&["doubted"]).inc();
    }

    pub(crate) fn pending(&self, changes: usize) {
        self.pending.set(count(changes));
    }

    pub(crate) fn problems(&self, problems: &[Problem]) {
        self.problems.reset();
        for problem in problems {
            let severity = match problem.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            let labels = [severity, Reason::of(problem).as_str()];
            self.problems.with_label_values(&labels).inc();
        }
    }

    pub(crate) fn watch_restarted(&self, kind: Kind) {
        self.watch_restarts
            .with_label_values(&[kind.as_str()])
            .inc();
    }

    pub(crate) fn watch_failed(&self, kind: Kind) {
        self.watch_errors.with_label_values(&[kind.as_str()]).inc();
    }

    pub(crate) fn generation(&self, term: Option<u64>, number: u64) {
        self.term
            .set(i64::try_from(term.unwrap_or(0)).unwrap_or(i64::MAX));
        self.generation
            .set(i64::try_from(number).unwrap_or(i64::MAX));
    }

    /// The proxies that are connected, each with how many tables it is behind.
    pub(crate) fn proxies<'p>(&self, lags: impl Iterator<Item = (&'p str, u64)>) {
        self.proxy_lag.reset();
        let mut proxies = 0;
        for (proxy, lag) in lags {
            let lag = i64::try_from(lag).unwrap_or(i64::MAX);
            self.proxy_lag.with_label_values(&[proxy]).set(lag);
            proxies += 1;
        }
        self.proxies.set(proxies);
    }

    pub(crate) fn wrote(&self, what: &'static str, result: Written) {
        self.writes
            .with_label_values(&[what, result.as_str()])
            .inc();
    }

    /// How calls of webhooks went.
    pub(crate) fn webhooks(&self) -> Counts {
        self.webhooks.clone()
    }

    /// Something happened to a rollout.
    pub(crate) fn rollout_moved(&self, object: &ObjectName, service: &str, what: What) {
        self.rollouts.moved(object, service, what);
    }

    /// Where all rollouts stand.
    pub(crate) fn rollouts(&self, reports: &[RolloutReport]) {
        self.rollouts.show(reports);
    }

    pub(crate) fn writes_pending(&self, objects: usize) {
        self.writes_pending.set(count(objects));
    }
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

struct Maker<'r>(&'r Registry);

impl Maker<'_> {
    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        let gauge = IntGauge::new(name, help)?;
        self.0.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntGaugeVec> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn floats(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        let gauges = GaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn histogram(&self, name: &str, help: &str) -> prometheus::Result<Histogram> {
        let options = HistogramOpts::new(name, help).buckets(BUILD_BUCKETS.to_vec());
        let histogram = Histogram::with_opts(options)?;
        self.0.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }
}
