//! Controllers die, the API server stands still, a proxy restarts with nobody to ask: traffic notices nothing.

use crate::api_server;
use crate::shop::{HOST, Shop, until_served};
use haldane_tests::client::get;
use haldane_tests::load::{Load, Running, Tally};
use haldane_tests::plane::Proxy;
use haldane_tests::scale::scaled;
use std::time::Instant;

const PROXIES: usize = 3;
/// Keep-alive connections to each proxy, and requests each second on all of them together.
const CONNECTIONS: u64 = 8;
const RATE: u64 = 200;
/// For how long the API server stands still, in seconds.
const STILL_S_MAX: u64 = 60;

pub(crate) async fn traffic_survives_the_control_plane() -> anyhow::Result<()> {
    let shop = Shop::open("outage").await?;
    let controller = shop.plane.controller(0).await?;
    let mut proxies = shop.proxies(PROXIES).await?;
    until_served(&proxies, "stable").await?;

    let loads = loads_of(&proxies);
    controller.kill().await?;
    go_on(&loads, 2).await?;
    ended("the controller is killed", loads).await?;

    restart_alone(&shop, &mut proxies).await?;

    let loads = loads_of(&proxies);
    let _controller = shop.plane.controller(0).await?;
    shop.set_weight("100").await?;
    until_served(&proxies, "canary").await?;
    ended("a controller is back", loads).await?;

    stand_still(&shop, &proxies).await
}

/// The API server stands still for a while; changes are served again when it goes on.
async fn stand_still(shop: &Shop, proxies: &[Proxy]) -> anyhow::Result<()> {
    let seconds = scaled(3).min(STILL_S_MAX);
    let loads = loads_of(proxies);
    let frozen = api_server::freeze()?;
    go_on(&loads, seconds).await?;
    drop(frozen);
    let again = Instant::now();
    shop.set_weight("0").await?;
    let patched = Instant::now();
    until_served(proxies, "stable").await?;
    println!(
        "API server still for {seconds} s; once it goes on, a patch is taken after {} ms and served {} ms later",
        patched.duration_since(again).as_millis(),
        patched.elapsed().as_millis()
    );
    ended("the API server stands still", loads).await
}

/// A proxy is killed and comes back while no controller is there.
async fn restart_alone(shop: &Shop, proxies: &mut Vec<Proxy>) -> anyhow::Result<()> {
    let killed = proxies.remove(0);
    let others = loads_of(proxies);
    let own = load(&killed);
    own.progress(RATE).await?;
    killed.kill().await?;
    let tally = own.stop().await?;
    let begun = Instant::now();
    let proxy = shop.plane.proxy("proxy-0").await?;
    proxy.until_ready().await?;
    proxy.until_answers(HOST, "/", "stable").await?;
    println!(
        "a proxy restarted with no controller serves from disk after {} ms",
        begun.elapsed().as_millis()
    );
    let own = load(&proxy);
    go_on(&others, 1).await?;
    proxies.insert(0, proxy);
    println!(
        "in flight on the killed proxy, or sent to it after: {} of {}",
        tally.failed,
        tally.answered() + tally.failed
    );
    ended("a proxy is killed, seen by the others", others).await?;
    ended("and by itself once it is back", vec![own]).await
}

fn load(proxy: &Proxy) -> Running {
    Load::new(proxy.http, CONNECTIONS, || get(HOST, "/"))
        .rate(RATE)
        .start()
}

pub(crate) fn loads_of(proxies: &[Proxy]) -> Vec<Running> {
    proxies.iter().map(load).collect()
}

/// Waits until every load has gone on for so many seconds.
async fn go_on(loads: &[Running], seconds: u64) -> anyhow::Result<()> {
    for _ in 0..seconds {
        futures_util::future::try_join_all(loads.iter().map(|load| load.progress(RATE))).await?;
    }
    Ok(())
}

pub(crate) async fn ended(what: &str, loads: Vec<Running>) -> anyhow::Result<()> {
    let mut all = (0, 0);
    for load in loads {
        let tally: Tally = load.stop().await?;
        assert_eq!(tally.failed, 0, "{what}: {:?}", tally.failures);
        all = (all.0 + tally.answered(), all.1 + tally.failed);
    }
    println!("{what}: {} requests, {} failed", all.0, all.1);
    Ok(())
}
