//! Labs 4 and 6: a canary over one Service, and a canary Ingress.

use crate::lab::Lab;
use anyhow::Context as _;
use haldane_tests::asking::Record;
use haldane_tests::within;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Requests of the load before and after each change.
const AROUND: usize = 500;
/// What the pods of either version answer with.
const STABLE: &str = "1.14.0";
const CANARY: &str = "1.15.0";
/// How far a count may be from its share where counting began and ended in the middle of a period.
const SLACK: u64 = 2;

/// How many of the answers of each proxy are the canary's, of how many.
fn counts(record: &Record) -> BTreeMap<std::net::SocketAddr, (u64, u64)> {
    let mut counts = BTreeMap::<_, (u64, u64)>::new();
    for asked in record.all() {
        let (canary, all) = counts.entry(asked.target).or_default();
        *canary += u64::from(asked.version() == Some(CANARY));
        *all += 1;
    }
    counts
}

/// Every proxy by itself has exactly this share, in hundredths.
fn exact(record: &Record, share: u64) -> anyhow::Result<()> {
    for (proxy, (canary, all)) in counts(record) {
        let off = (canary * 100).abs_diff(all * share);
        anyhow::ensure!(
            off <= SLACK * 100,
            "{proxy}: {canary} of {all} is not {share} %"
        );
    }
    Ok(())
}

pub(crate) async fn lab_4_canary() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-4", "04-canary.yaml").await?;
    let host = lab.host("shop");
    lab.served(&host).await?;
    let by_pods = lab.asking(&host, 1).times(1000).await;
    let (_, (by_pods, _)) = counts(&by_pods).pop_first().context("a proxy was asked")?;
    let weights = json!({ "haldane.dev/weights": "1.14=90, canary=10" });
    let patched = Instant::now();
    lab.cluster.annotate::<Service>("shop", weights).await?;
    let live = lab.live(patched, "shop", "canary", 10).await?;
    let load = lab.clients(&host);
    load.load.more(2 * AROUND).await?;
    lab.scale("shop-canary", 3).await?;
    load.load.more(AROUND).await?;
    lab.scale("shop", 2).await?;
    load.load.more(AROUND).await?;
    let deleted = Instant::now();
    lab.cluster.delete::<Deployment>("shop-canary").await?;
    // Its pods end at their own pace; after the last of them everything is stable.
    let gone = async {
        while !lab.pods("version=canary").await?.is_empty() {}
        anyhow::Ok(())
    };
    within("the canary to be gone", gone).await??;
    load.load.more(AROUND).await?;
    let settled = lab.asking(&host, 1).times(100).await;
    anyhow::ensure!(settled.versions().into_keys().eq([STABLE]), "{settled:?}");
    let all = load.look.stop().await?.and(load.load.stop().await?);
    exact(&before(&all, deleted), 10)?;
    let last = all.last_of(CANARY, deleted);
    all.report(
        "lab 4, canary over one Service",
        &format!(
            "by pods {by_pods} of 500, by weights {:?}; live after {live:.0?}; last canary {last:.0?} after it was deleted",
            counts(&before(&all, deleted)).into_values().collect::<Vec<_>>()
        ),
    )?;
    lab.end().await
}

fn before(all: &Record, when: Instant) -> Record {
    all.filter(|asked| asked.known < when)
}

/// What a canary Ingress can say.
fn says(entries: &[(&str, &str)]) -> Value {
    let prefix = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
    let mut all = BTreeMap::from([
        (prefix("canary-weight"), Value::Null),
        (prefix("canary-by-header"), Value::Null),
        (prefix("canary-by-header-pattern"), Value::Null),
    ]);
    all.extend(
        entries
            .iter()
            .map(|(name, value)| (prefix(name), json!(value))),
    );
    json!(all)
}

const BY_AGENT: [(&str, &str); 2] = [
    ("canary-by-header", "User-Agent"),
    ("canary-by-header-pattern", "iPhone"),
];

/// A user agent that the pattern is found in.
const PHONE: &str = "Mozilla/5.0 (iPhone)";

/// Answers to so many requests with a user agent.
async fn as_agent(lab: &Lab, agent: &str) -> Record {
    let host = lab.host("shop");
    lab.asking(&host, 1)
        .with("user-agent", agent)
        .times(200)
        .await
}

/// What phones and others are answered with, as the canary's share in hundredths.
async fn check_agents(lab: &Lab, phone: u64, other: u64) -> anyhow::Result<()> {
    exact(&as_agent(lab, PHONE).await, phone)?;
    exact(&as_agent(lab, "curl").await, other)
}

pub(crate) async fn lab_6_canary_ingress() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-6", "06-canary-ingress.yaml").await?;
    let host = lab.host("shop");
    lab.served(&host).await?;
    lab.live(Instant::now(), "shop", "canary", 0).await?;
    check_agents(&lab, 100, 0).await?;
    set(&lab, says(&[("canary-weight", "5")]), 5).await?;
    check_agents(&lab, 5, 5).await?;
    let both = [BY_AGENT[0], BY_AGENT[1], ("canary-weight", "5")];
    set(&lab, says(&both), 5).await?;
    // The weight is the same: that the header counts again is seen by its effect only.
    let phones = async { while exact(&as_agent(&lab, PHONE).await, 100).is_err() {} };
    within("phones to see the canary", phones).await?;
    check_agents(&lab, 100, 5).await?;
    let clients = lab.clients(&host);
    let mut took = Vec::new();
    for weight in [10, 25, 50, 100] {
        let text = weight.to_string();
        let both = [BY_AGENT[0], BY_AGENT[1], ("canary-weight", text.as_str())];
        took.push(set(&lab, says(&both), weight).await?);
        clients.load.more(AROUND).await?;
    }
    let only_canary = lab.asking(&host, 1).times(100).await;
    anyhow::ensure!(
        only_canary.versions().into_keys().eq([CANARY]),
        "{only_canary:?}"
    );
    let all = clients.look.stop().await?.and(clients.load.stop().await?);
    all.report(
        "lab 6, canary Ingress",
        &format!("10, 25, 50, 100 % live after {took:.0?}"),
    )?;
    lab.end().await
}

/// Annotates the canary Ingress; how long until all proxies gave it this share.
async fn set(lab: &Lab, annotations: Value, share: u64) -> anyhow::Result<Duration> {
    let patched = Instant::now();
    lab.cluster
        .annotate::<Ingress>("shop-canary", annotations)
        .await?;
    lab.live(patched, "shop", "canary", share).await
}
