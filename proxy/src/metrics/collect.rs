//! What a scrape sees: adds the workers' counters up, under the names that stand in `docs/metrics.md`.
//!
//! It reads; it never writes what workers count and never makes them wait.

use super::cell::Cell;
use super::family::Family;
use super::key::SeriesKey;
use super::nginx;
use super::outcome::ErrorClass;
use super::series::Totals;
use super::table::SeriesTable;
use super::worker::{Listener, UpstreamState, WorkerCells, WorkerMetrics};
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricType::{COUNTER, GAUGE, HISTOGRAM};
use prometheus::proto::{Metric, MetricFamily};
use std::collections::BTreeMap;
use std::sync::Arc;

const SERIES: &[&str] = &[
    "namespace",
    "ingress",
    "rule",
    "service",
    "version",
    "canary",
    "by",
];

const REQUESTS: Family = Family {
    name: "haldane_requests_total",
    help: "Requests that are over, by the status sent to the client.",
    kind: COUNTER,
    labels: &[
        "namespace",
        "ingress",
        "rule",
        "service",
        "version",
        "canary",
        "by",
        "code",
    ],
};
const ERRORS: Family = Family {
    name: "haldane_request_errors_total",
    help: "Requests that went wrong, by what went wrong and whose fault it was.",
    kind: COUNTER,
    labels: &[
        "namespace",
        "ingress",
        "rule",
        "service",
        "version",
        "canary",
        "by",
        "class",
        "side",
    ],
};
const DURATION: Family = Family {
    name: "haldane_request_duration_seconds",
    help: "From the request head to the end of the response.",
    kind: HISTOGRAM,
    labels: SERIES,
};
const HEAD: Family = Family {
    name: "haldane_response_head_seconds",
    help: "From the request head to the response head.",
    kind: HISTOGRAM,
    labels: SERIES,
};
const BYTES_IN: Family = Family {
    name: "haldane_request_bytes_total",
    help: "Bytes of request bodies.",
    kind: COUNTER,
    labels: SERIES,
};
const BYTES_OUT: Family = Family {
    name: "haldane_response_bytes_total",
    help: "Bytes of response bodies.",
    kind: COUNTER,
    labels: SERIES,
};
const IN_FLIGHT: Family = Family {
    name: "haldane_requests_in_flight",
    help: "Requests that are not over.",
    kind: GAUGE,
    labels: SERIES,
};
const SERIES_COUNT: Family = Family {
    name: "haldane_series",
    help: "Label sets of the request metrics that are kept.",
    kind: GAUGE,
    labels: &[],
};
const SERIES_OVERFLOWS: Family = Family {
    name: "haldane_series_overflows_total",
    help: "Look-ups of a label set that found no room and count in the rule (other).",
    kind: COUNTER,
    labels: &[],
};

const OF_SERIES: [&Family; 9] = [
    &REQUESTS,
    &ERRORS,
    &DURATION,
    &HEAD,
    &BYTES_IN,
    &BYTES_OUT,
    &IN_FLIGHT,
    &SERIES_COUNT,
    &SERIES_OVERFLOWS,
];

/// The request metrics.
pub(super) struct SeriesCollector {
    table: Arc<SeriesTable>,
    nginx_names: bool,
    descs: Vec<Desc>,
}

impl SeriesCollector {
    /// Of the series of a table, and with `nginx_names` once more under the names of ingress-nginx.
    pub(super) fn new(table: Arc<SeriesTable>, nginx_names: bool) -> Self {
        let more = nginx::ALL.iter().filter(|_| nginx_names);
        let descs = OF_SERIES.iter().chain(more).map(|family| family.desc());
        Self {
            table,
            nginx_names,
            descs: descs.collect(),
        }
    }
}

impl Collector for SeriesCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let all = self.table.counted();
        let each = |family: &Family, sample: fn(&Family, &SeriesKey, &Totals) -> Vec<Metric>| {
            family.with(
                all.iter()
                    .flat_map(|counted| sample(family, &counted.key, &counted.totals)),
            )
        };
        let mut families = vec![
            each(&REQUESTS, requests),
            each(&ERRORS, errors),
            each(&DURATION, |family, key, totals| {
                vec![family.histogram(&values(key), &totals.duration)]
            }),
            each(&HEAD, |family, key, totals| {
                vec![family.histogram(&values(key), &totals.head)]
            }),
            each(&BYTES_IN, |family, key, totals| {
                vec![family.number(&values(key), totals.bytes_in)]
            }),
            each(&BYTES_OUT, |family, key, totals| {
                vec![family.number(&values(key), totals.bytes_out)]
            }),
            each(&IN_FLIGHT, |family, key, totals| {
                vec![family.number(&values(key), totals.in_flight())]
            }),
            SERIES_COUNT.with([SERIES_COUNT.number(&[], self.table.len() as u64)]),
            SERIES_OVERFLOWS.with([SERIES_OVERFLOWS.number(&[], self.table.overflows())]),
        ];
        if self.nginx_names {
            families.extend(nginx::families(&all));
        }
        families
    }
}

fn values(key: &SeriesKey) -> [&str; SERIES.len()] {
    [
        &key.namespace,
        &key.ingress,
        &key.rule,
        &key.service,
        &key.version,
        &key.canary,
        key.by,
    ]
}

fn requests(family: &Family, key: &SeriesKey, totals: &Totals) -> Vec<Metric> {
    let [namespace, ingress, rule, service, version, canary, by] = values(key);
    let sample = |code: &str, count| {
        family.number(
            &[namespace, ingress, rule, service, version, canary, by, code],
            count,
        )
    };
    totals
        .codes
        .iter()
        .map(|(code, count)| sample(&code.to_string(), *count))
        .collect()
}

fn errors(family: &Family, key: &SeriesKey, totals: &Totals) -> Vec<Metric> {
    let [namespace, ingress, rule, service, version, canary, by] = values(key);
    let labels = |class: ErrorClass| {
        [
            namespace,
            ingress,
            rule,
            service,
            version,
            canary,
            by,
            class.as_str(),
            class.side().as_str(),
        ]
    };
    let seen = ErrorClass::ALL
        .into_iter()
        .filter(|class| totals.of_error(*class) > 0);
    seen.map(|class| family.number(&labels(class), totals.of_error(class)))
        .collect()
}

const CONNECTIONS: Family = Family {
    name: "haldane_connections",
    help: "Open downstream connections.",
    kind: GAUGE,
    labels: &["listener"],
};
const CONNECTIONS_TOTAL: Family = Family {
    name: "haldane_connections_total",
    help: "Downstream connections accepted.",
    kind: COUNTER,
    labels: &["listener"],
};
const REFUSED: Family = Family {
    name: "haldane_refused_total",
    help: "Requests and connections refused before any rule was found.",
    kind: COUNTER,
    labels: &["reason"],
};
const UPSTREAM_CONNECTIONS: Family = Family {
    name: "haldane_upstream_connections",
    help: "Open connections to endpoints.",
    kind: GAUGE,
    labels: &["state"],
};
const UPSTREAM_CONNECTS: Family = counter(
    "haldane_upstream_connects_total",
    "Connections made to endpoints.",
);
const UPSTREAM_CONNECT_ERRORS: Family = counter(
    "haldane_upstream_connect_errors_total",
    "Connections to endpoints that could not be made.",
);
const RETRIES: Family = counter(
    "haldane_retries_total",
    "Requests tried again on another endpoint.",
);
const RETRY_BUDGET_EXHAUSTED: Family = counter(
    "haldane_retry_budget_exhausted_total",
    "Retries left out because the budget was used up.",
);
const EJECTIONS: Family = counter(
    "haldane_ejections_total",
    "Endpoints taken out of rotation.",
);
const MIRRORED: Family = counter("haldane_mirrored_total", "Copies of requests sent.");

const OF_WORKERS: [&Family; 10] = [
    &CONNECTIONS,
    &CONNECTIONS_TOTAL,
    &REFUSED,
    &UPSTREAM_CONNECTIONS,
    &UPSTREAM_CONNECTS,
    &UPSTREAM_CONNECT_ERRORS,
    &RETRIES,
    &RETRY_BUDGET_EXHAUSTED,
    &EJECTIONS,
    &MIRRORED,
];

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        kind: COUNTER,
        labels: &[],
    }
}

/// What workers count outside of rules.
pub(super) struct WorkerCollector {
    workers: Arc<[WorkerMetrics]>,
    descs: Vec<Desc>,
}

impl WorkerCollector {
    pub(super) fn new(workers: Arc<[WorkerMetrics]>) -> Self {
        let descs = OF_WORKERS.iter().map(|family| family.desc()).collect();
        Self { workers, descs }
    }

    fn sum(&self, cell: impl Fn(&WorkerCells) -> &Cell) -> u64 {
        self.workers
            .iter()
            .map(|worker| cell(worker.cells()).get())
            .sum()
    }

    fn total(&self, family: &Family, cell: impl Fn(&WorkerCells) -> &Cell) -> MetricFamily {
        family.with([family.number(&[], self.sum(cell))])
    }

    fn by_listener(
        &self,
        family: &Family,
        cells: impl Fn(&WorkerCells) -> &[Cell; Listener::ALL.len()],
    ) -> MetricFamily {
        let sample = |listener: Listener| {
            family.number(
                &[listener.as_str()],
                self.sum(|worker| &cells(worker)[listener as usize]),
            )
        };
        family.with(Listener::ALL.map(sample))
    }

    fn upstream(&self) -> MetricFamily {
        let count =
            |state: UpstreamState| self.sum(|worker| &worker.upstream_connections[state as usize]);
        let sample =
            |state: UpstreamState| UPSTREAM_CONNECTIONS.number(&[state.as_str()], count(state));
        UPSTREAM_CONNECTIONS.with(UpstreamState::ALL.map(sample))
    }

    fn refused(&self) -> MetricFamily {
        let mut totals = BTreeMap::new();
        self.workers
            .iter()
            .for_each(|worker| worker.cells().refused.add_to(&mut totals));
        REFUSED.with(
            totals
                .into_iter()
                .map(|(reason, count)| REFUSED.number(&[reason], count)),
        )
    }
}

impl Collector for WorkerCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        vec![
            self.by_listener(&CONNECTIONS, |worker| &worker.connections),
            self.by_listener(&CONNECTIONS_TOTAL, |worker| &worker.connections_total),
            self.refused(),
            self.upstream(),
            self.total(&UPSTREAM_CONNECTS, |worker| &worker.upstream_connects),
            self.total(&UPSTREAM_CONNECT_ERRORS, |worker| {
                &worker.upstream_connect_errors
            }),
            self.total(&RETRIES, |worker| &worker.retries),
            self.total(&RETRY_BUDGET_EXHAUSTED, |worker| {
                &worker.retry_budget_exhausted
            }),
            self.total(&EJECTIONS, |worker| &worker.ejections),
            self.total(&MIRRORED, |worker| &worker.mirrored),
        ]
    }
}
