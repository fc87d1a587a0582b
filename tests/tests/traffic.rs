//! Traffic through `haldane serve`: splits are exact, whatever else changes, and flips are clean.

use haldane_tests::backend::Backend;
use haldane_tests::client::{Client, get_with};
use haldane_tests::epochs::Epochs;
use haldane_tests::manifests::{SHOP, ingress, pod, service, service_of};
use haldane_tests::scale::scaled;
use haldane_tests::shop::{Shop, assert_none_failed, front_page, load, settled};
use std::time::{Duration, Instant};

const CONNECTIONS: u64 = 64;
const NINETY_TEN: &[(&str, &str)] = &[("haldane.dev/weights", "stable=90, canary=10")];

/// At most one request off its share, in either direction.
#[track_caller]
fn assert_a_tenth(canary: u64, all: u64) {
    assert!((canary * 10).abs_diff(all) < 10, "{canary} of {all}");
}

/// Weights, and what the canary gets of a hundred requests.
const SHARES: [(&str, u64); 4] = [
    ("stable=90, canary=10", 10),
    ("stable=99, canary=1", 1),
    ("stable=100, canary=0", 0),
    ("stable=0, canary=100", 100),
];

#[tokio::test(flavor = "multi_thread")]
async fn f27_a_split_is_exact_over_many_connections() -> anyhow::Result<()> {
    for (weights, percent) in SHARES {
        let shop = Shop::new(&[("haldane.dev/weights", weights)]).await?;
        let serve = shop.serve().await?;
        let all = scaled(5_000);
        let canary = all / 100 * percent;
        let expected = (all - canary, canary);
        let tally = load(serve.http, CONNECTIONS).requests(all).run().await?;
        assert_none_failed(&tally);
        let seen = (tally.of("stable"), tally.of("canary"));
        assert_eq!(seen, expected, "{weights}");
        let served = (shop.stable.requests(), shop.canary.requests());
        assert_eq!(served, expected, "{weights}");
        let metrics = settled(&serve, all).await?;
        let counted = (metrics.requests("stable"), metrics.requests("canary"));
        assert_eq!(counted, expected, "{weights}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_sees_every_prefix_within_one_request() -> anyhow::Result<()> {
    let shop = Shop::new(NINETY_TEN).await?;
    let serve = shop.serve().await?;
    let mut client = Client::h1(serve.http).await?;
    let mut canary = 0;
    for all in 1..=scaled(500) {
        client.ready().await?;
        canary += u64::from(client.ask(front_page()).await?.body == "canary");
        assert_a_tenth(canary, all);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_stays_exact_while_others_change() -> anyhow::Result<()> {
    let shop = Shop::new(NINETY_TEN).await?;
    let other = Backend::start("other").await?;
    let serve = shop.serve().await?;
    let running = load(serve.http, CONNECTIONS).start();
    let mut ticker = tokio::time::interval(Duration::from_millis(100));
    for tick in 0..scaled(20) {
        ticker.tick().await;
        let mark = serve.mark();
        let weights = format!("1.0={}, 1.1=1", tick + 1);
        let objects = [
            service("other", &[("haldane.dev/weights", &weights)]),
            pod("other", "1.0", other.address()),
            pod("other", "1.1", shop.stable.address()),
            ingress("other", &[], "other.example.com", "other"),
        ];
        shop.manifests.write_objects("other.json", &objects)?;
        serve.generation_after(mark).await?;
    }
    let tally = running.stop().await?;
    assert_none_failed(&tally);
    assert!(tally.answered() > scaled(20), "{tally:?}");
    assert_a_tenth(tally.of("canary"), tally.answered());
    let metrics = settled(&serve, tally.answered()).await?;
    assert_eq!(metrics.requests("canary"), tally.of("canary"));
    Ok(())
}

fn header_canary(serve_at: [&Backend; 2]) -> Vec<serde_json::Value> {
    let annotations = [
        ("nginx.ingress.kubernetes.io/canary", "true"),
        ("nginx.ingress.kubernetes.io/canary-by-header", "User-Agent"),
        (
            "nginx.ingress.kubernetes.io/canary-by-header-pattern",
            "iPhone",
        ),
    ];
    vec![
        service_of("web", &[], &[("app", "web")]),
        service_of("web-canary", &[], &[("app", "web-canary")]),
        ingress("web", &[], SHOP, "web"),
        ingress("web-canary", &annotations, SHOP, "web-canary"),
        pod("web", "1.0", serve_at[0].address()),
        pod("web-canary", "1.1", serve_at[1].address()),
    ]
}

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X)";
const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64)";

#[tokio::test(flavor = "multi_thread")]
async fn a_header_alone_decides() -> anyhow::Result<()> {
    let shop = Shop::new(&[]).await?;
    shop.manifests
        .write_objects("web.json", &header_canary([&shop.stable, &shop.canary]))?;
    let serve = shop.serve().await?;
    let mut client = Client::h1(serve.http).await?;
    for _ in 0..scaled(50) {
        for (agent, expected) in [(PHONE, "canary"), (LAPTOP, "stable")] {
            client.ready().await?;
            let answer = client
                .ask(get_with(SHOP, "/", &[("user-agent", agent)]))
                .await?;
            assert_eq!(answer.text(), expected, "{agent}");
        }
    }
    let metrics = settled(&serve, scaled(50) * 2).await?;
    let forced = metrics.sum("haldane_requests_total", &[("by", "match")]);
    assert_eq!(forced as u64, scaled(50));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flip_under_load_is_clean() -> anyhow::Result<()> {
    let shop = Shop::new(&[("haldane.dev/active", "stable")]).await?;
    let serve = shop.serve().await?;
    let epochs = Epochs::default();
    // Twenty times as many of each with `HALDANE_TEST_SCALE=20`.
    let (flips, per_second) = (scaled(5), scaled(100));
    let begun = Instant::now();
    let running = load(serve.http, CONNECTIONS)
        .epochs(&epochs)
        .rate(per_second)
        .start();
    let colours = ["stable", "canary"];
    for flip in 0..flips {
        running.progress(per_second / 5).await?;
        let mark = serve.mark();
        epochs.advance();
        shop.annotate(&[("haldane.dev/active", colours[(flip as usize + 1) % 2])])?;
        serve.generation_after(mark).await?;
        epochs.advance();
    }
    running.progress(per_second / 5).await?;
    let (over, seconds) = (running.done(), begun.elapsed().as_secs_f64());
    let tally = running.stop().await?;
    let steady = |(epoch, _): &&(u64, String)| epoch % 2 == 0;
    let between: u64 = tally
        .by_epoch
        .iter()
        .filter(|(key, _)| steady(key))
        .map(|(_, n)| n)
        .sum();
    println!(
        "{flips} flips in {seconds:.1} s, {over} requests by then ({:.0} a second), {} failed, {between} between flips",
        over as f64 / seconds,
        tally.failed,
    );
    assert_none_failed(&tally);
    for ((epoch, colour), count) in &tally.by_epoch {
        let active = colours[(*epoch as usize / 2) % 2];
        assert!(
            epoch % 2 == 1 || colour == active,
            "{count} got {colour} in epoch {epoch}"
        );
    }
    let steady = |epoch| tally.by_epoch.keys().any(|(seen, _)| *seen == epoch);
    assert!(
        (0..=flips).all(|flip| steady(flip * 2)),
        "{:?}",
        tally.by_epoch
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_streams_share_the_same_split() -> anyhow::Result<()> {
    let shop = Shop::new(NINETY_TEN).await?;
    let serve = shop.serve().await?;
    let mut client = Client::h2(serve.http).await?;
    for _ in 0..scaled(100) {
        let answer = client.ask(front_page()).await?;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(
        (shop.stable.requests(), shop.canary.requests()),
        (scaled(90), scaled(10))
    );
    Ok(())
}
