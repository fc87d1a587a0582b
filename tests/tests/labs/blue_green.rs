//! Labs 2 and 3: blue/green by the Service's selector, and by an annotation.

use crate::lab::{Clients, Lab};
use haldane_tests::asking::Record;
use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Requests of the load before and after each switch.
const AROUND: usize = 500;
const BLUE: &str = "1.0.0";
const GREEN: &str = "2.0.0";

pub(crate) async fn lab_2_selector() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-2", "02-blue-green.yaml").await?;
    let to = |color: &str| json!({ "spec": { "selector": { "color": color } } });
    forth_and_back(lab, "lab 2, blue/green by selector", to).await
}

pub(crate) async fn lab_3_active() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-3", "03-blue-green-active.yaml").await?;
    let to = |color: &str| {
        json!({ "metadata": { "annotations": {
        "haldane.dev/active": color,
        "haldane.dev/preview": if color == "blue" { "green" } else { "blue" },
    } } })
    };
    forth_and_back(lab, "lab 3, blue/green by annotation", to).await
}

/// Switches the Service `shop` to green and back under load.
async fn forth_and_back(lab: Lab, name: &str, to: impl Fn(&str) -> Value) -> anyhow::Result<()> {
    let (host, preview) = (lab.host("shop"), lab.host("preview.shop"));
    lab.served(&host).await?;
    lab.served(&preview).await?;
    let tried = lab.asking(&preview, 1).times(20).await;
    anyhow::ensure!(
        tried.versions().into_keys().eq([GREEN]),
        "the preview shows {tried:?}"
    );
    let clients = lab.clients(&host);
    clients.load.more(AROUND).await?;
    let forth = switch(&lab, &clients, to("green"), GREEN).await?;
    let back = switch(&lab, &clients, to("blue"), BLUE).await?;
    let all = clients.look.stop().await?.and(clients.load.stop().await?);
    let forth_took = last_between(&all, BLUE, forth, back);
    let back_took = all.last_of(GREEN, back);
    only(&all, BLUE, None, Some(forth))?;
    all.report(
        name,
        &format!("last blue {forth_took:.0?} after the patch, last green {back_took:.0?} after the patch back"),
    )?;
    lab.end().await
}

/// When it was patched. Afterwards the other version does not answer any more.
async fn switch(
    lab: &Lab,
    clients: &Clients,
    patch: Value,
    version: &'static str,
) -> anyhow::Result<Instant> {
    let patched = Instant::now();
    lab.cluster.patch::<Service>("shop", &patch).await?;
    let live = clients
        .load
        .until(version, |asked| asked.version() == Some(version))
        .await?;
    clients.load.more(AROUND).await?;
    // What is asked now is asked of one version only.
    let settled = lab.asking(&lab.host("shop"), 1).times(100).await;
    anyhow::ensure!(
        settled.versions().into_keys().eq([version]),
        "{live:?}: {settled:?}"
    );
    Ok(patched)
}

/// How long after `from` a version answered last, of what was sent before `to`.
fn last_between(all: &Record, version: &str, from: Instant, to: Instant) -> Duration {
    let answers = all
        .all()
        .iter()
        .filter(|asked| asked.version() == Some(version) && asked.sent < to);
    let last = answers.map(|asked| asked.known).max();
    last.map_or(Duration::ZERO, |last| last.saturating_duration_since(from))
}

/// Fails if another version answered what was asked between these.
fn only(
    all: &Record,
    version: &str,
    from: Option<Instant>,
    to: Option<Instant>,
) -> anyhow::Result<()> {
    let inside = all.all().iter().filter(|asked| {
        from.is_none_or(|from| asked.sent >= from) && to.is_none_or(|to| asked.known < to)
    });
    let other = inside
        .filter_map(|asked| asked.version())
        .find(|answered| *answered != version);
    anyhow::ensure!(
        other.is_none(),
        "{other:?} answered where only {version} should"
    );
    Ok(())
}
