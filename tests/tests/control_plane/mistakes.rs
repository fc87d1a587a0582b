//! Objects that are wrong: refused or held at their last valid form, told at the object with the field's name, and
//! without any effect on other routes.

use crate::shop::{CANARY, HOST, MAIN, Shop, WEIGHT, canary_ingress, until_served};
use haldane_tests::cluster::{Cluster, Manifest};
use haldane_tests::plane::{Controller, HELD, Proxy, until};
use haldane_tests::tls::Certificate;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use serde_json::{Value, json};

/// A namespace that others than the shop may write to.
const ELSEWHERE: &str = "mistakes-elsewhere";
/// The shop's certificate.
const SECRET: &str = "web-tls";

pub(crate) async fn what_is_wrong_changes_nothing_else() -> anyhow::Result<()> {
    let mut shop = Shop::open("mistakes").await?;
    let elsewhere = Cluster::namespace(ELSEWHERE).await?;
    shop.plane.watch(ELSEWHERE);
    shop.add_routes(20).await?;
    let certificate = Certificate::of(HOST)?;
    encrypt(shop.cluster(), &certificate).await?;
    shop.set_weight("100").await?;
    let controller = shop.plane.controller(0).await?;
    let proxies = shop.proxies(1).await?;
    until_served(&proxies, "canary").await?;
    certificate.connect(proxies[0].https, &[]).await?;
    let before = proxies[0].table().await?;

    a_canary_elsewhere(&shop, &elsewhere).await?;
    assert_same(&before, &proxies[0]).await?;
    a_bad_annotation(&shop).await?;
    assert_same(&before, &proxies[0]).await?;
    let _controllers = all_start_again(&shop, controller, (&before, &proxies[0])).await?;
    a_broken_secret(shop.cluster()).await?;
    assert_same(&before, &proxies[0]).await?;
    certificate.connect(proxies[0].https, &[]).await?;
    a_valid_form_again(&shop, &proxies).await
}

/// What was held gives way to the next valid form.
async fn a_valid_form_again(shop: &Shop, proxies: &[Proxy]) -> anyhow::Result<()> {
    shop.set_weight("0").await?;
    until_served(proxies, "stable").await
}

async fn assert_same(before: &Value, proxy: &Proxy) -> anyhow::Result<()> {
    assert_eq!(*before, proxy.table().await?);
    until_served(std::slice::from_ref(proxy), "canary").await
}

async fn encrypt(cluster: &Cluster, certificate: &Certificate) -> anyhow::Result<()> {
    let pair = json!({ "tls.crt": certificate.pem(), "tls.key": certificate.key_pem() });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": SECRET }, "stringData": pair,
    });
    cluster.apply(&[Manifest::new(secret)?]).await?;
    let tls = json!([{ "hosts": [HOST], "secretName": SECRET }]);
    // In clear it is served, too: the front page is looked at there.
    let annotations = json!({ "nginx.ingress.kubernetes.io/ssl-redirect": "false" });
    let patch = json!({ "metadata": { "annotations": annotations }, "spec": { "tls": tls } });
    cluster.patch::<Ingress>(MAIN, &patch).await?;
    Ok(())
}

/// Somebody without rights in the shop's namespace wants its traffic.
async fn a_canary_elsewhere(shop: &Shop, elsewhere: &Cluster) -> anyhow::Result<()> {
    let mut canary = canary_ingress(shop.cluster().name(), ELSEWHERE);
    canary["metadata"]["annotations"][WEIGHT] = json!("100");
    elsewhere.apply(&[Manifest::new(canary)?]).await?;
    told(elsewhere, CANARY, "spec.rules[0].http.paths[0]").await
}

async fn a_bad_annotation(shop: &Shop) -> anyhow::Result<()> {
    shop.set_weight("a lot").await?;
    told(
        shop.cluster(),
        CANARY,
        &format!("metadata.annotations[{WEIGHT}]"),
    )
    .await
}

/// Whoever knew the last valid form is gone; controllers that start find it written down.
async fn all_start_again(
    shop: &Shop,
    controller: Controller,
    (before, proxy): (&Value, &Proxy),
) -> anyhow::Result<[Controller; 2]> {
    let names_canary = |map: Option<&ConfigMap>| {
        let data = map.and_then(|map| map.data.as_ref());
        data.is_some_and(|data| data.values().any(|forms| forms.contains(CANARY)))
    };
    let cluster = shop.cluster();
    cluster.until("remembered", HELD, names_canary).await?;
    controller.kill().await?;
    let first = shop.plane.controller(0).await?;
    let second = shop.plane.controller(1).await?;
    // Either may lead.
    tokio::select! {
        live = first.until_live() => live?,
        live = second.until_live() => live?,
    }
    assert_same(before, proxy).await?;
    Ok([first, second])
}

async fn a_broken_secret(cluster: &Cluster) -> anyhow::Result<()> {
    let broken = json!({ "stringData": { "tls.crt": "no certificate" } });
    cluster.patch::<Secret>(SECRET, &broken).await?;
    told(cluster, SECRET, "data: tls.crt").await
}

/// Waits for the Event of an object that names a field, and prints it.
async fn told(cluster: &Cluster, object: &str, field: &str) -> anyhow::Result<()> {
    let events = cluster.api::<Event>();
    let note = until(field, || async {
        let all = events.list(&ListParams::default()).await?;
        let notes = all.items.into_iter().filter(|event| {
            let regarding = event.regarding.as_ref();
            regarding.and_then(|regarding| regarding.name.as_deref()) == Some(object)
        });
        Ok(notes
            .filter_map(|event| event.note)
            .find(|note| note.starts_with(field)))
    })
    .await?;
    println!("{}/{object}: {note}", cluster.name());
    Ok(())
}
