//! How long it takes from `kubectl annotate` until every proxy serves by it.

use crate::shop::{Shop, until_served};
use haldane_tests::scale::scaled;
use std::time::{Duration, Instant};

const PROXIES: usize = 3;
const CHANGES_MAX: u64 = 200;
const ROUTES_MAX: u64 = 1_000;

pub(crate) async fn annotations_are_live_on_every_proxy() -> anyhow::Result<()> {
    let (changes, routes) = (scaled(10).min(CHANGES_MAX), scaled(50).min(ROUTES_MAX));
    let shop = Shop::open("delay").await?;
    shop.add_routes(routes).await?;
    let _controller = shop.plane.controller(0).await?;
    let proxies = shop.proxies(PROXIES).await?;
    until_served(&proxies, "stable").await?;
    let mut delays = Vec::new();
    for change in 0..changes {
        let (weight, version) = if change % 2 == 0 {
            ("100", "canary")
        } else {
            ("0", "stable")
        };
        shop.set_weight(weight).await?;
        let returned = Instant::now();
        until_served(&proxies, version).await?;
        delays.push(returned.elapsed());
    }
    delays.sort_unstable();
    println!(
        "annotate to served by {PROXIES} proxies, {changes} changes, {routes} routes: p50 {} ms, p99 {} ms, longest {} ms",
        percentile(&delays, 50).as_millis(),
        percentile(&delays, 99).as_millis(),
        percentile(&delays, 100).as_millis(),
    );
    Ok(())
}

/// The smallest delay that so many of a hundred do not exceed.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}
