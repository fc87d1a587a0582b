//! The metrics as a scraper sees them.

use super::*;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

fn key(version: &str) -> SeriesKey {
    SeriesKey {
        namespace: "shop".to_owned(),
        ingress: "web".to_owned(),
        rule: "shop/web \"a\\b\"\n/cart".to_owned(),
        service: "cart".to_owned(),
        version: version.to_owned(),
        canary: "shop-next-80".to_owned(),
        by: "split",
    }
}

/// Samples by name and labels. Panics where a line is neither a comment nor a sample.
fn parse(text: &str) -> HashMap<String, f64> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let split = |line: &str| {
        line.rsplit_once(' ')
            .map(|(name, value)| (name.to_owned(), value.parse().expect("a number")))
    };
    samples
        .map(|line| split(line).unwrap_or_else(|| panic!("{line:?} is no sample")))
        .collect()
}

#[track_caller]
fn check(samples: &HashMap<String, f64>, name: &str, expected: f64) {
    assert_eq!(samples.get(name), Some(&expected), "{name}");
}

#[test]
fn a_request_is_rendered_under_every_name() {
    let metrics = Metrics::new(2);
    let shard = metrics
        .series(&key("canary"), &Place::default())
        .shard(Share::default(), 1);
    let cohort = shard.begin();
    shard.begin();
    shard.finish(
        cohort,
        &Outcome {
            status: 504,
            error: Some(ErrorClass::ResponseTimeout),
            head: Some(Duration::from_millis(1)),
            total: Duration::from_millis(1_500),
            bytes_in: 12,
            bytes_out: 34,
        },
    );
    let samples = parse(&metrics.render());
    let labels = r#"namespace="shop",ingress="web",rule="shop/web \"a\\b\"\n/cart",service="cart",version="canary",canary="shop-next-80",by="split""#;
    for (name, more, expected) in [
        ("requests_total", r#",code="504""#, 1.0),
        (
            "request_errors_total",
            r#",class="response_timeout",side="upstream""#,
            1.0,
        ),
        ("requests_in_flight", "", 1.0),
        ("request_bytes_total", "", 12.0),
        ("response_bytes_total", "", 34.0),
        ("request_duration_seconds_count", "", 1.0),
        ("request_duration_seconds_sum", "", 1.5),
        ("request_duration_seconds_bucket", r#",le="1""#, 0.0),
        ("request_duration_seconds_bucket", r#",le="2.5""#, 1.0),
        ("request_duration_seconds_bucket", r#",le="+Inf""#, 1.0),
        ("response_head_seconds_bucket", r#",le="0.0005""#, 0.0),
        ("response_head_seconds_bucket", r#",le="0.001""#, 1.0),
    ] {
        check(
            &samples,
            &format!("haldane_{name}{{{labels}{more}}}"),
            expected,
        );
    }
}

#[test]
fn what_workers_count_is_added_up() {
    let metrics = Metrics::new(3);
    let mut open = Vec::new();
    for worker in 0..3 {
        let worker = metrics.worker(worker);
        open.push((
            worker.connection(Listener::Https),
            worker.upstream_connected(),
        ));
        worker.refused("host_missing");
        worker.retried();
        worker.retry_budget_exhausted();
        worker.ejected();
        worker.mirrored();
        worker.upstream_connect_failed();
    }
    open.pop();
    open[0].1.set(UpstreamState::Idle);
    metrics.set_generation(7);
    metrics.set_endpoints_ejected(2);
    metrics.table_rejected();
    metrics.access_log_dropped().inc_by(5);
    let samples = parse(&metrics.render());
    for (name, expected) in [
        (r#"connections{listener="https"}"#, 2.0),
        (r#"connections_total{listener="https"}"#, 3.0),
        (r#"connections_total{listener="http"}"#, 0.0),
        (r#"refused_total{reason="host_missing"}"#, 3.0),
        (r#"upstream_connections{state="busy"}"#, 1.0),
        (r#"upstream_connections{state="idle"}"#, 1.0),
        ("upstream_connects_total", 3.0),
        ("upstream_connect_errors_total", 3.0),
        ("retries_total", 3.0),
        ("retry_budget_exhausted_total", 3.0),
        ("ejections_total", 3.0),
        ("mirrored_total", 3.0),
        ("generation", 7.0),
        ("endpoints_ejected", 2.0),
        ("table_rejected_total", 1.0),
        ("access_log_dropped_total", 5.0),
        (r#"build_info{version="0.1.0"}"#, 1.0),
    ] {
        check(&samples, &format!("haldane_{name}"), expected);
    }
}

#[test]
fn the_page_lists_exactly_what_is_registered() {
    let page = include_str!("../../../docs/metrics.md");
    let rows = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<_> = rows
        .map(|(name, _)| name.to_owned())
        .filter(|name| is_metric(name))
        .collect();
    let metrics = Metrics::new(1);
    let registered: BTreeSet<_> = metrics.names().iter().cloned().collect();
    assert_eq!(documented, registered);
}

fn is_metric(name: &str) -> bool {
    ["haldane_", "nginx_ingress_controller_", "process_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[test]
fn the_page_names_every_class_of_errors() {
    let page = include_str!("../../../docs/metrics.md");
    for class in ErrorClass::ALL {
        let row = format!("| `{}` | {} |", class.as_str(), class.side().as_str());
        assert!(page.contains(&row), "{row}");
    }
}
