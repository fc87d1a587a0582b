//! Controllers that are somewhere else than they were.

use crate::outage::{ended, loads_of};
use crate::shop::{Shop, until_served};
use std::time::Instant;

/// A controller dies, and its name leads to another one elsewhere: proxies look the name up again.
pub(crate) async fn a_controller_at_another_address_is_found() -> anyhow::Result<()> {
    let shop = Shop::open("moves").await?;
    shop.plane.name_controllers(&[0]).await?;
    let controller = shop.plane.controller(0).await?;
    let proxies = shop.proxies(2).await?;
    until_served(&proxies, "stable").await?;
    let loads = loads_of(&proxies);
    controller.kill().await?;
    shop.plane.name_controllers(&[1]).await?;
    let begun = Instant::now();
    let _elsewhere = shop.plane.controller(1).await?;
    shop.set_weight("100").await?;
    until_served(&proxies, "canary").await?;
    println!(
        "a controller at another address: its first table is served {} ms after it was started",
        begun.elapsed().as_millis()
    );
    ended("a controller is at another address", loads).await
}
