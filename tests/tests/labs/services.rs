//! Lab 8: Services of every type.

use crate::lab::Lab;
use anyhow::Context as _;
use haldane_tests::client::Client;
use haldane_tests::cluster::Manifest;
use haldane_tests::cluster::haldane::Haldane;
use haldane_tests::{asking::Record, within};
use serde_json::json;
use std::time::Instant;

/// Types whose endpoints Kubernetes finds by itself.
const SELECTING: [&str; 4] = ["cluster-ip", "node-port", "load-balancer", "headless"];
/// Requests to each.
const EACH: u64 = 100;

pub(crate) async fn lab_8_services() -> anyhow::Result<()> {
    let lab = Lab::begin("lab-8", "08-services.yaml").await?;
    let mut all = Record::default();
    for name in SELECTING {
        all = all.and(both_pods_answer(&lab, name).await?);
    }
    let applied = Instant::now();
    lab.cluster.apply(&[slice(&lab).await?]).await?;
    all = all.and(both_pods_answer(&lab, "without-selector").await?);
    let took = applied.elapsed();
    external_name_is_refused(&lab).await?;
    Haldane::install(&["watch.allowExternalName=true"]).await?;
    all = all.and(both_pods_answer(&lab, "external-name").await?);
    Haldane::install(&["watch.allowExternalName=false"]).await?;
    all.report(
        "lab 8, Services of every type",
        &format!(
            "a slice written by hand is served after {took:.0?}; ExternalName only when allowed"
        ),
    )?;
    lab.end().await
}

async fn both_pods_answer(lab: &Lab, name: &str) -> anyhow::Result<Record> {
    let host = lab.host(name);
    lab.served(&host).await?;
    let record = lab.asking(&host, 1).times(EACH).await;
    let pods: std::collections::BTreeSet<_> = record
        .all()
        .iter()
        .filter_map(|asked| asked.pod())
        .collect();
    anyhow::ensure!(pods.len() == 2, "{name}: {pods:?} answered");
    Ok(record)
}

/// What somebody writes whose endpoints are no pods of a selector; here they are the same pods.
async fn slice(lab: &Lab) -> anyhow::Result<Manifest> {
    let pods = lab.pods("app=echo").await?;
    let addresses = pods
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.pod_ip.clone());
    let endpoints: Vec<_> = addresses
        .map(|address| json!({ "addresses": [address] }))
        .collect();
    Manifest::new(json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": "without-selector-1",
            "labels": { "kubernetes.io/service-name": "without-selector" },
        },
        "addressType": "IPv4",
        "ports": [{ "name": "http", "port": 8080 }],
        "endpoints": endpoints,
    }))
}

/// It is not served, and an Event says why.
async fn external_name_is_refused(lab: &Lab) -> anyhow::Result<()> {
    let proxy = lab.haldane.proxies().first().context("a proxy")?;
    let answer = Client::h1(*proxy)
        .await?
        .get(&lab.host("external-name"), "/")
        .await?;
    anyhow::ensure!(
        !answer.status.is_success(),
        "an ExternalName is served: {answer:?}"
    );
    let said = async {
        loop {
            let events = lab.events().await?;
            if events
                .iter()
                .any(|event| event.contains("external-name") && event.contains("ExternalName"))
            {
                return anyhow::Ok(());
            }
        }
    };
    within("an Event about the ExternalName", said).await?
}
