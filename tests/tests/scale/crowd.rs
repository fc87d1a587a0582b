//! One controller of the whole cluster, and all proxies that follow it.

use crate::fill::{fill, slice, slice_name};
use crate::size::Size;
use anyhow::Context as _;
use futures_util::future::try_join_all;
use haldane_tests::plane::{Applied, Controller, Follower, Plane};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// What the controller may have in memory, in bytes.
const MEMORY_MAX: u64 = 512 << 20;
/// What one endpoint's change may come to for one proxy, in bytes: the version's endpoints and a few names.
const CHANGE_BYTES_MAX: u64 = 16 << 10;
/// How many waits all proxies may take to have the first table: they come at once, and share two cores with everybody.
const FIRST_WAITS: u32 = 6;

/// A filled cluster, what serves it, and who follows.
pub(crate) struct Crowd {
    pub(crate) plane: Plane,
    pub(crate) size: Size,
    controller: Controller,
    followers: Vec<Follower>,
}

impl Crowd {
    /// The one that all tests share, made by the first of them.
    pub(crate) async fn shared() -> anyhow::Result<&'static Self> {
        static SHARED: OnceCell<Crowd> = OnceCell::const_new();
        SHARED.get_or_try_init(Self::gather).await
    }

    async fn gather() -> anyhow::Result<Self> {
        let size = Size::asked();
        let plane = Plane::begin("scale").await?;
        let took = fill(plane.cluster(), size).await?;
        println!(
            "{} paths, {} Services, {} endpoints; written in {:.1} s",
            size.paths,
            size.services,
            size.endpoints,
            took.as_secs_f64()
        );
        let begun = Instant::now();
        let controller = plane.controller(0).await?;
        println!(
            "controller has listed and built after {:.2} s",
            begun.elapsed().as_secs_f64()
        );
        controller.until_leads(true).await?;
        let followers = (0..size.proxies).map(|index| plane.follower(&format!("proxy-{index}")));
        let followers = followers.collect::<anyhow::Result<_>>()?;
        let crowd = Self {
            plane,
            size,
            controller,
            followers,
        };
        crowd.first_table().await?;
        Ok(crowd)
    }

    async fn first_table(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let first = try_join_all(
            self.followers
                .iter()
                .map(|one| one.newer(None, FIRST_WAITS)),
        )
        .await?;
        let one = first.first().context("there are proxies")?;
        println!(
            "{} proxies have the whole table after {:.2} s: {} objects, {} bytes each",
            first.len(),
            begun.elapsed().as_secs_f64(),
            one.objects,
            one.bytes
        );
        Ok(())
    }

    /// The table that every proxy has.
    fn common(&self) -> anyhow::Result<Vec<Applied>> {
        let last = |follower: &Follower| follower.applied().pop().context("a table");
        self.followers.iter().map(last).collect()
    }
}

pub(crate) async fn the_controller_stays_small() -> anyhow::Result<()> {
    let crowd = Crowd::shared().await?;
    let (now, most) = crowd.controller.memory()?;
    println!(
        "controller memory with {} proxies: {} MiB now, {} MiB at most",
        crowd.size.proxies,
        now >> 20,
        most >> 20
    );
    assert!(most <= MEMORY_MAX, "{most} bytes");
    Ok(())
}

pub(crate) async fn one_change_is_one_small_delta_for_every_proxy() -> anyhow::Result<()> {
    let crowd = Crowd::shared().await?;
    for round in 0..5 {
        one_change(crowd, round).await?;
    }
    let (now, most) = crowd.controller.memory()?;
    println!(
        "controller memory after changes: {} MiB now, {} MiB at most",
        now >> 20,
        most >> 20
    );
    assert!(most <= MEMORY_MAX, "{most} bytes");
    Ok(())
}

/// One endpoint of one Service goes.
async fn one_change(crowd: &Crowd, service: u64) -> anyhow::Result<()> {
    let before = crowd.common()?;
    let each = crowd.size.endpoints / crowd.size.services;
    let mut patch = json!({ "endpoints": slice(service, each)["endpoints"] });
    let endpoints = patch["endpoints"].as_array_mut();
    endpoints.context("endpoints")?.remove(0);
    crowd
        .plane
        .cluster()
        .patch::<EndpointSlice>(&slice_name(service), &patch)
        .await?;
    let patched = Instant::now();
    let newer = crowd.followers.iter().zip(&before);
    let newer = newer.map(|(follower, before)| follower.newer(Some(before.generation), 1));
    let after = try_join_all(newer).await?;
    let last = after
        .iter()
        .map(|applied| applied.at)
        .max()
        .context("proxies")?;
    let took = last.saturating_duration_since(patched);
    tell(&after, took);
    for (one, before) in after.iter().zip(&before) {
        assert_eq!(
            one.generation.number,
            before.generation.number + 1,
            "one change, one table"
        );
        assert_eq!(one.objects, 1, "one endpoint is of one backend");
        assert!(one.bytes <= CHANGE_BYTES_MAX, "{} bytes", one.bytes);
    }
    Ok(())
}

fn tell(after: &[Applied], took: Duration) {
    let bytes =
        |pick: fn(u64, u64) -> u64| after.iter().map(|one| one.bytes).reduce(pick).unwrap_or(0);
    println!(
        "one endpoint's change at {} proxies: {} object, {} to {} bytes each on the wire; the last had it {} ms after the patch",
        after.len(),
        after[0].objects,
        bytes(u64::min),
        bytes(u64::max),
        took.as_millis()
    );
}
