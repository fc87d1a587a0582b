//! The request counters once more, under the names that ingress-nginx gave them: for dashboards, and for tools that ask
//! for those names (Flagger, templates of Argo Rollouts' users).
//!
//! They are made while somebody scrapes, of what workers count anyway. No request pays for them.

use super::code::Code;
use super::family::Family;
use super::histogram::HistogramTotals;
use super::table::Counted;
use prometheus::proto::MetricFamily;
use prometheus::proto::MetricType::{COUNTER, HISTOGRAM};
use std::collections::BTreeMap;

const REQUESTS: Family = Family {
    name: "nginx_ingress_controller_requests",
    help: "Requests that are over, as ingress-nginx counts them.",
    kind: COUNTER,
    labels: &[
        "namespace",
        "ingress",
        "service",
        "path",
        "host",
        "canary",
        "status",
    ],
};
const REQUEST_DURATION: Family = Family {
    name: "nginx_ingress_controller_request_duration_seconds",
    help: "From the request head to the end of the response.",
    kind: HISTOGRAM,
    labels: PLACE,
};
const RESPONSE_DURATION: Family = Family {
    name: "nginx_ingress_controller_response_duration_seconds",
    help: "The same, of requests that a version was assigned to.",
    kind: HISTOGRAM,
    labels: PLACE,
};

/// Where a request went: all labels but the status.
const PLACE: &[&str] = &["namespace", "ingress", "service", "path", "host", "canary"];

/// The upper bounds of ingress-nginx's buckets, in microseconds; each is one of ours too.
const BOUNDS_US: [u64; 11] = [
    5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000,
];

/// What nginx logs for a client that went away before it was answered.
const CLIENT_GONE: &str = "499";

/// What is exposed.
pub(super) const ALL: [&Family; 3] = [&REQUESTS, &REQUEST_DURATION, &RESPONSE_DURATION];

/// One place's counters: those of all versions that look alike from here, and of whatever decided for them.
#[derive(Default)]
struct Sum<'a> {
    codes: BTreeMap<Code, u64>,
    requests: HistogramTotals,
    responses: HistogramTotals,
    values: [&'a str; PLACE.len()],
}

/// The families of one scrape, in the order of [`ALL`].
pub(super) fn families(all: &[Counted]) -> [MetricFamily; 3] {
    let sums = sums(all);
    [
        REQUESTS.with(sums.iter().flat_map(|sum| {
            let sample = |(code, count): (&Code, &u64)| {
                let [namespace, ingress, service, path, host, canary] = sum.values;
                let status = status(*code);
                let values = [namespace, ingress, service, path, host, canary, &status];
                REQUESTS.number(&values, *count)
            };
            sum.codes.iter().map(sample)
        })),
        REQUEST_DURATION.with(
            sums.iter()
                .map(|sum| histogram(&REQUEST_DURATION, sum, &sum.requests)),
        ),
        RESPONSE_DURATION.with(
            sums.iter()
                .filter(|sum| sum.responses.count() > 0)
                .map(|sum| histogram(&RESPONSE_DURATION, sum, &sum.responses)),
        ),
    ]
}

fn histogram(
    family: &Family,
    sum: &Sum<'_>,
    totals: &HistogramTotals,
) -> prometheus::proto::Metric {
    family.histogram_at(&sum.values, totals, |bound_us| {
        BOUNDS_US.contains(&bound_us)
    })
}

fn sums(all: &[Counted]) -> Vec<Sum<'_>> {
    let mut sums = BTreeMap::<_, Sum<'_>>::new();
    for counted in all {
        let values = values(counted);
        let sum = sums.entry(values).or_default();
        sum.values = values;
        for (code, count) in &counted.totals.codes {
            *sum.codes.entry(*code).or_default() += count;
        }
        sum.requests.add_totals(&counted.totals.duration);
        if !counted.key.version.is_empty() {
            sum.responses.add_totals(&counted.totals.duration);
        }
    }
    sums.into_values().collect()
}

fn values(counted: &Counted) -> [&str; PLACE.len()] {
    let key = &counted.key;
    [
        &key.namespace,
        &key.ingress,
        &key.service,
        &counted.place.path,
        &counted.place.host,
        &key.canary,
    ]
}

fn status(code: Code) -> String {
    if code == Code::NONE {
        return CLIENT_GONE.to_owned();
    }
    code.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Metrics, Outcome, Place, SeriesKey, Share};
    use haldane_wire::LATENCY_BOUNDS_US;
    use std::time::Duration;

    /// One request of a version of shop/web, answered with a status after some milliseconds.
    fn count(
        metrics: &Metrics,
        (version, canary, by): (&str, &str, &'static str),
        status: u16,
        ms: u64,
    ) {
        let key = SeriesKey {
            namespace: "shop".to_owned(),
            ingress: "web".to_owned(),
            rule: "shop/web shop.example.com/cart (Prefix)".to_owned(),
            service: "web".to_owned(),
            version: version.to_owned(),
            canary: canary.to_owned(),
            by,
        };
        let place = Place {
            host: "shop.example.com".into(),
            path: "/cart".into(),
        };
        let shard = metrics.series(&key, &place).shard(Share::default(), 0);
        let cohort = shard.begin();
        shard.finish(
            cohort,
            &Outcome {
                status,
                total: Duration::from_millis(ms),
                ..Outcome::default()
            },
        );
    }

    /// The lines of one metric without what they all have in common.
    fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
        const COMMON: &str =
            r#"namespace="shop",ingress="web",service="web",path="/cart",host="shop.example.com","#;
        let text = metrics.render();
        let start = format!("nginx_ingress_controller_{name}{{");
        let mut lines: Vec<_> = text
            .lines()
            .filter_map(|line| line.strip_prefix(start.as_str()))
            .map(|line| line.strip_prefix(COMMON).expect("every label").to_owned())
            .collect();
        lines.sort();
        lines
    }

    #[test]
    fn names_and_labels_are_those_of_ingress_nginx() {
        let metrics = Metrics::new(1);
        let canary = "shop-web-canary-80";
        for (version, status, ms) in [
            (("1.14", "", "split"), 200, 7),
            (("1.14", "", "match"), 200, 8),
            (("1.15", "", "split"), 0, 9),
            (("", "", "none"), 308, 1),
            (("canary", canary, "split"), 200, 20),
            (("canary", canary, "sticky"), 503, 40),
        ] {
            count(&metrics, version, status, ms);
        }
        assert_eq!(
            lines(&metrics, "requests"),
            [
                r#"canary="",status="200"} 2"#,
                r#"canary="",status="308"} 1"#,
                r#"canary="",status="499"} 1"#,
                r#"canary="shop-web-canary-80",status="200"} 1"#,
                r#"canary="shop-web-canary-80",status="503"} 1"#,
            ]
        );
        for (name, expected) in [
            ("request_duration_seconds_count", [4, 2]),
            ("response_duration_seconds_count", [3, 2]),
        ] {
            let [main, of_canary] = expected;
            let expected = [
                format!(r#"canary=""}} {main}"#),
                format!(r#"canary="shop-web-canary-80"}} {of_canary}"#),
            ];
            assert_eq!(lines(&metrics, name), expected, "{name}");
        }
        let sum = format!(r#"canary="{canary}"}} 0.06"#);
        assert!(lines(&metrics, "response_duration_seconds_sum").contains(&sum));
    }

    #[test]
    fn buckets_are_those_of_ingress_nginx() {
        assert!(BOUNDS_US.iter().all(|us| LATENCY_BOUNDS_US.contains(us)));
        let metrics = Metrics::new(1);
        count(&metrics, ("1.14", "", "split"), 200, 7);
        let buckets: Vec<_> = lines(&metrics, "request_duration_seconds_bucket")
            .into_iter()
            .map(|line| line.replace(r#"canary="",le="#, ""))
            .collect();
        assert_eq!(
            buckets,
            [
                r#""+Inf"} 1"#,
                r#""0.005"} 0"#,
                r#""0.01"} 1"#,
                r#""0.025"} 1"#,
                r#""0.05"} 1"#,
                r#""0.1"} 1"#,
                r#""0.25"} 1"#,
                r#""0.5"} 1"#,
                r#""1"} 1"#,
                r#""10"} 1"#,
                r#""2.5"} 1"#,
                r#""5"} 1"#,
            ]
        );
    }

    #[test]
    fn they_can_be_left_out() {
        let metrics = Metrics::without_nginx_names(1);
        count(&metrics, ("1.14", "", "split"), 200, 7);
        let text = metrics.render();
        assert!(text.contains("haldane_requests_total{"), "{text}");
        assert!(!text.contains("nginx_"), "{text}");
    }
}
