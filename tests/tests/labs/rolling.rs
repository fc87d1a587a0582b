//! Labs 1 and 5: Kubernetes' own rolling update, forth and back.

use crate::lab::Lab;
use haldane_tests::asking::Asked;
use haldane_tests::cluster::haldane::kubectl;
use haldane_tests::scale::scaled;
use std::time::Instant;

/// Requests of the load before and after each change.
const AROUND: usize = 500;

pub(crate) async fn lab_1_rolling_update() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-1", "01-rolling-update.yaml").await?;
    let host = lab.host("echo");
    lab.served(&host).await?;
    let clients = lab.clients(&host);
    clients.load.more(AROUND).await?;
    let begun = Instant::now();
    lab.set_image("echo", "haldane.test/echo:0.2.0").await?;
    let first = clients
        .look
        .until("0.2.0", |asked| asked.version() == Some("0.2.0"))
        .await?;
    lab.rolled_out("echo").await?;
    let took = begun.elapsed();
    clients.load.more(AROUND).await?;
    let looked = clients.look.stop().await?;
    let between = looked.since(begun);
    let seen: Vec<&str> = between.versions().into_keys().collect();
    anyhow::ensure!(seen == ["0.1.0", "0.2.0"], "the one who looks saw {seen:?}");
    let all = looked.and(clients.load.stop().await?);
    let last = all.last_of("0.1.0", begun);
    let first = first.duration_since(begun);
    all.report(
        "lab 1, rolling update",
        &format!("first 0.2.0 after {first:.2?}, last 0.1.0 after {last:.2?}, rolled out after {took:.2?}"),
    )?;
    lab.end().await
}

pub(crate) async fn lab_5_undo() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-5", "04-canary.yaml").await?;
    let host = lab.host("shop");
    lab.served(&host).await?;
    let clients = lab.clients(&host);
    clients.load.more(AROUND).await?;
    let begun = Instant::now();
    lab.set_image("shop", "haldane.test/echo:1.15.0").await?;
    let is = |version: &'static str| move |asked: &Asked| asked.version() == Some(version);
    clients.look.until("1.15.0", is("1.15.0")).await?;
    kubectl(&lab.cluster, &["rollout", "undo", "deployment/shop"]).await?;
    let undone = Instant::now();
    lab.rolled_out("shop").await?;
    let took = undone.elapsed();
    clients.load.more(AROUND).await?;
    let all = clients.look.stop().await?.and(clients.load.stop().await?);
    let back = undone.duration_since(begun);
    all.report(
        "lab 5, undo",
        &format!("undone after {back:.2?}, all back {took:.2?} later"),
    )?;
    lab.end().await
}

/// All pods are replaced again and again.
pub(crate) async fn f04_updates_in_turn() -> anyhow::Result<()> {
    let lab = Lab::begin("f04", "01-rolling-update.yaml").await?;
    let host = lab.host("echo");
    lab.served(&host).await?;
    let clients = lab.clients(&host);
    let updates = scaled(2);
    let begun = Instant::now();
    for update in 0..updates {
        let version = ["0.2.0", "0.1.0"][(update % 2) as usize];
        let image = format!("haldane.test/echo:{version}");
        lab.set_image("echo", &image).await?;
        lab.rolled_out("echo").await?;
        clients.load.more(AROUND).await?;
    }
    let took = begun.elapsed();
    let all = clients.look.stop().await?.and(clients.load.stop().await?);
    anyhow::ensure!(all.versions().len() == 2, "{:?}", all.versions());
    all.report(
        "f04",
        &format!("{updates} updates of four pods in {took:.1?}"),
    )?;
    lab.end().await
}
