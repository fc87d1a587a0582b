//! Flagger's queries for ingress-nginx, with a canary Ingress behind the proxy.

use crate::server::{self, Prometheus};
use haldane_tests::backend::{Backend, Handler, handler, whole};
use haldane_tests::client::Client;
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::metrics::Metrics;
use haldane_tests::serve::Serve;
use haldane_tests::shop::{front_page, settled};
use http::{Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// Requests of one batch: half of them are the canary's, and it fails every fourth of those.
const BATCH: u64 = 80;
const SUCCESSES: f64 = 75.0;

const CANARY: &str = "shop-web-canary-80";

/// What Flagger asks by default when a Canary's provider is nginx, with its placeholders filled in for the Ingress
/// shop/web.
const SUCCESS_RATE: &str = r#"
	sum(
		rate(
			nginx_ingress_controller_requests{
				namespace="shop",
				ingress="web",
				canary!="",
				status!~"5.*"
			}[5m]
		)
	)
	/
	sum(
		rate(
			nginx_ingress_controller_requests{
				namespace="shop",
				ingress="web",
				canary!=""
			}[5m]
		)
	)
	* 100"#;

const DURATION: &str = r#"
	sum(
		rate(
			nginx_ingress_controller_response_duration_seconds_sum{
				namespace="shop",
				ingress="web",
				canary!=""
			}[5m]
		)
	)
	/
	sum(
		rate(
			nginx_ingress_controller_response_duration_seconds_count{
				namespace="shop",
				ingress="web",
				canary!=""
			}[5m]
		)
	)
	* 1000"#;

/// Fails every request whose number among its own this divides.
fn failing_every(nth: u64) -> Handler {
    let answered = Arc::new(AtomicU64::new(0));
    handler(move |_| {
        let mut response = Response::new(whole("canary"));
        if (answered.fetch_add(1, SeqCst) + 1).is_multiple_of(nth) {
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        }
        async { response }
    })
}

/// The main Ingress, and the one that Flagger makes beside it.
fn manifests(main: &Backend, canary: &Backend) -> anyhow::Result<Manifests> {
    let weight = [
        ("nginx.ingress.kubernetes.io/canary", "true"),
        ("nginx.ingress.kubernetes.io/canary-weight", "50"),
    ];
    Manifests::of(&[
        service("web", &[]),
        pod("web", "1", main.address()),
        ingress("web", &[], SHOP, "web"),
        service("web-canary", &[]),
        pod("web-canary", "2", canary.address()),
        ingress("web-canary", &weight, SHOP, "web-canary"),
    ])
}

/// Asks for one batch after the other has been counted.
async fn batch(serve: &Serve, number: u64) -> anyhow::Result<Metrics> {
    let mut client = Client::h1(serve.http).await?;
    for _ in 0..BATCH {
        client.ready().await?;
        client.ask(front_page()).await?;
    }
    settled(serve, number * BATCH).await
}

/// Milliseconds a request of the canary took between two scrapes, by our own names.
fn mean_ms(before: &Metrics, after: &Metrics) -> f64 {
    let grown = |part: &str| {
        let name = format!("haldane_request_duration_seconds_{part}");
        let of = |metrics: &Metrics| metrics.sum(&name, &[("canary", CANARY)]);
        of(after) - of(before)
    };
    grown("sum") / grown("count") * 1_000.0
}

#[tokio::test(flavor = "multi_thread")]
async fn flagger_is_told_the_canarys_true_figures() -> anyhow::Result<()> {
    let Some(program) = server::program() else {
        return Ok(());
    };
    let main = Backend::start("main").await?;
    let canary = Backend::with(failing_every(4)).await?;
    let manifests = manifests(&main, &canary)?;
    let serve = Serve::start(manifests.path()).await?;

    // A rate begins with the first sample of a series, so there is one before what is asked about.
    let before = batch(&serve, 1).await?;
    let prometheus = Prometheus::start(&program, serve.admin).await?;
    let seen = format!(r#"sum(nginx_ingress_controller_requests{{canary="{CANARY}"}})"#);
    prometheus.answers(&seen, BATCH as f64 / 2.0).await?;

    let after = batch(&serve, 2).await?;
    prometheus.answers(&seen, BATCH as f64).await?;
    prometheus.answers(SUCCESS_RATE, SUCCESSES).await?;
    prometheus.answers(DURATION, mean_ms(&before, &after)).await
}
