//! An installed chart serves, and goes on serving while it is upgraded.

use crate::chart::Installed;
use crate::shop::{HOST, NAME, Shop};
use anyhow::Context as _;
use haldane_tests::client::{Client, get};
use haldane_tests::load::Load;
use haldane_tests::tls::Certificate;
use haldane_tests::within;
use http::StatusCode;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::networking::v1::Ingress;
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Requests that are answered before the upgrade begins, and again when it is over.
const SOME: u64 = 200;

/// Waits until the Ingress has its address, and its first answer.
pub(crate) async fn until_served(installed: &Installed, shop: &Shop) -> anyhow::Result<()> {
    let address = installed.http().await?;
    let wanted = address.ip().to_string();
    let has_address = move |ingress: Option<&Ingress>| {
        let status = ingress.and_then(|ingress| ingress.status.as_ref()?.load_balancer.as_ref());
        let shown = status.and_then(|status| status.ingress.as_ref()?.first()?.ip.as_ref());
        shown == Some(&wanted)
    };
    shop.0.until("given its address", NAME, has_address).await?;
    let served = async {
        while Client::h1(address).await?.get(HOST, "/").await?.status != StatusCode::OK {}
        anyhow::Ok(())
    };
    within("an answer", served).await?
}

/// Waits until the certificate is the one that is shown.
pub(crate) async fn until_shown(
    certificate: &Certificate,
    address: SocketAddr,
) -> anyhow::Result<Client> {
    let shown = async {
        loop {
            if let Ok((client, _)) = certificate.client(address, &["h2"]).await {
                return client;
            }
        }
    };
    within("the certificate", shown).await
}

pub(crate) async fn serves_and_is_upgraded_without_a_failure() -> anyhow::Result<()> {
    let namespace = "install-traffic";
    let secrets = "watch.secrets[0].namespace=install-traffic-shop";
    let certificate = Certificate::of(HOST)?;
    // Roles go into namespaces that are there.
    let shop = Shop::open("install-traffic-shop", namespace, &certificate).await?;
    let installed = Installed::new(namespace, &[secrets]).await?;
    let outcome = serve_and_upgrade(&installed, &shop, &certificate).await;
    installed.end(outcome).await
}

async fn serve_and_upgrade(
    installed: &Installed,
    shop: &Shop,
    certificate: &Certificate,
) -> anyhow::Result<()> {
    until_served(installed, shop).await?;
    let mut client = until_shown(certificate, installed.https().await?).await?;
    let answer = client.get(HOST, "/").await?;
    anyhow::ensure!(answer.header("x-version") == "1.0.0", "{answer:?}");

    let load = Load::new(installed.http().await?, 8, || get(HOST, "/"));
    let running = load.rate(SOME).start();
    running.progress(SOME).await?;
    // New Pods of both kinds, and one controller more.
    installed
        .upgrade(&[
            "proxy.podLabels.turn=second",
            "controller.podLabels.turn=second",
            "controller.replicas=3",
        ])
        .await?;
    running.progress(SOME).await?;
    let tally = running.stop().await?;
    println!("{} answers, {} failures", tally.answered(), tally.failed);
    anyhow::ensure!(tally.failed == 0, "{:?}", tally.failures);
    Ok(())
}

pub(crate) async fn keeps_its_keys_over_upgrades() -> anyhow::Result<()> {
    let installed = Installed::new("install-keys", &[]).await?;
    let outcome = keep(&installed).await;
    installed.end(outcome).await
}

async fn keep(installed: &Installed) -> anyhow::Result<()> {
    let names = ["controller-push", "proxy-push", "proxy-ticket-key"];
    let before = entries(installed, &names).await?;
    installed.upgrade(&["proxy.podLabels.turn=second"]).await?;
    let after = entries(installed, &names).await?;
    anyhow::ensure!(after == before, "an upgrade changes keys");

    // One without the other is of no use: both are made anew, and the key of tickets is not.
    installed
        .cluster()
        .delete::<Secret>("haldane-proxy-push")
        .await?;
    installed.upgrade(&["proxy.podLabels.turn=third"]).await?;
    let after = entries(installed, &names).await?;
    let kept: Vec<bool> = before.iter().zip(&after).map(|(a, b)| a == b).collect();
    anyhow::ensure!(kept == [false, false, true], "kept: {kept:?}");
    Ok(())
}

/// What Secrets hold, without their metadata.
async fn entries(
    installed: &Installed,
    names: &[&str],
) -> anyhow::Result<Vec<BTreeMap<String, ByteString>>> {
    let mut all = Vec::new();
    for name in names {
        let secret = installed.secret(name).await?;
        all.push(secret.data.context("entries")?);
    }
    Ok(all)
}
