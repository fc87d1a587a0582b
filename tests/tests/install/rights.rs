//! The controller uses every right that the chart gives it, and asks for no other: the API server's audit log says so.

use crate::chart::{Installed, RELEASE};
use crate::shop::{HOST, NAME, Shop};
use crate::traffic::{until_served, until_shown};
use anyhow::Context as _;
use haldane_bed::namespace::STATE;
use haldane_tests::tls::Certificate;
use haldane_tests::within;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::networking::v1::Ingress;
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// What the controller says about an object it serves.
const STATUS: &str = "haldane.dev/status";

/// Group, resource and verb.
type Right = (String, String, String);

pub(crate) async fn in_all_namespaces_each_is_used() -> anyhow::Result<()> {
    let secrets = "watch.secrets[0].namespace=rights-all-shop";
    each_is_used("rights-all", &[secrets]).await
}

pub(crate) async fn in_some_namespaces_each_is_used() -> anyhow::Result<()> {
    let served = "watch.namespaces={rights-some-shop}";
    let secrets = "watch.secrets[0].namespace=rights-some-shop";
    let by_name = "watch.secrets[0].names={shop}";
    each_is_used("rights-some", &[served, secrets, by_name]).await
}

async fn each_is_used(namespace: &str, given: &[&str]) -> anyhow::Result<()> {
    if std::env::var_os("HALDANE_IN_BED").is_none() {
        println!("this cluster's audit log cannot be read here; rights are compared in a bed only");
        return Ok(());
    }
    let first = Certificate::of(HOST)?;
    let shop = format!("{namespace}-shop");
    // Roles go into namespaces that are there.
    let shop = Shop::open(&shop, namespace, &first).await?;
    let installed = Installed::new(namespace, given).await?;
    let outcome = compare(&installed, &shop).await;
    installed.end(outcome).await
}

async fn compare(installed: &Installed, shop: &Shop) -> anyhow::Result<()> {
    use_all(installed, shop).await?;
    let granted = granted(installed).await?;
    let used = used(installed.cluster().name())?;
    let idle: Vec<_> = granted.difference(&used).collect();
    anyhow::ensure!(idle.is_empty(), "granted and not used: {idle:?}");
    let missing: Vec<_> = used.difference(&granted).collect();
    anyhow::ensure!(missing.is_empty(), "used and not granted: {missing:?}");
    println!("{} rights, all used", granted.len());
    Ok(())
}

/// Has the controller do all that it ever does.
async fn use_all(installed: &Installed, shop: &Shop) -> anyhow::Result<()> {
    until_served(installed, shop).await?;
    // The second certificate is seen by the watch of the Secret.
    let second = Certificate::of(HOST)?;
    shop.set_certificate(&second).await?;
    until_shown(&second, installed.https().await?).await?;
    let ingress = |found: Option<&Ingress>| found.is_some_and(is_told);
    shop.0.until("told of", NAME, ingress).await?;
    let service = |found: Option<&Service>| found.is_some_and(is_told);
    shop.0.until("told of", NAME, service).await?;
    let wrong = json!({ "haldane.dev/weights": "much" });
    shop.0.annotate::<Ingress>(NAME, wrong).await?;
    until_event(shop).await?;
    let held = |map: Option<&ConfigMap>| map.is_some_and(|map| map.data.is_some());
    let name = format!("{RELEASE}-controller-held");
    installed.cluster().until("remembered", &name, held).await?;
    let renewed = |lease: Option<&Lease>| {
        let spec = lease.and_then(|lease| lease.spec.as_ref());
        spec.is_some_and(|spec| spec.renew_time > spec.acquire_time)
    };
    let lease = format!("{RELEASE}-controller");
    installed.cluster().until("renewed", &lease, renewed).await
}

/// Whether the controller has said something at an object.
fn is_told(object: &impl ResourceExt) -> bool {
    object.annotations().contains_key(STATUS)
}

/// Waits for an Event about the Ingress.
async fn until_event(shop: &Shop) -> anyhow::Result<()> {
    let about_it = |event: &Event| {
        let regarding = event.regarding.as_ref();
        regarding.and_then(|object| object.name.as_deref()) == Some(NAME)
    };
    let events = shop.0.api::<Event>();
    let told = async {
        loop {
            let all = events.list(&ListParams::default()).await?;
            let from_us = |event: &&Event| {
                event.reporting_controller.as_deref() == Some("haldane.dev/controller")
            };
            if all.iter().filter(from_us).any(about_it) {
                return anyhow::Ok(());
            }
        }
    };
    within("an Event", told).await?
}

/// What the roles of the release allow.
async fn granted(installed: &Installed) -> anyhow::Result<BTreeSet<Right>> {
    let client = installed.cluster().client();
    let namespace = installed.cluster().name();
    let own = ListParams::default().labels(&format!("app.kubernetes.io/instance={RELEASE}"));
    let wide = Api::<ClusterRole>::all(client.clone()).list(&own).await?;
    let narrow = Api::<Role>::all(client.clone()).list(&own).await?;
    let wide = wide
        .items
        .into_iter()
        .map(|role| (role.name_any(), role.rules));
    let narrow = narrow.items.into_iter().map(|role| {
        let name = format!(
            "{}/{}",
            role.namespace().unwrap_or_default(),
            role.name_any()
        );
        (name, Some(role.rules.unwrap_or_default()))
    });
    // Every name of ours has the release's namespace in it.
    let ours = wide
        .chain(narrow)
        .filter(|(name, _)| name.contains(namespace));
    let rules = ours.flat_map(|(_, rules)| rules.unwrap_or_default());
    Ok(rules.flat_map(|rule| rights(&rule)).collect())
}

fn rights(rule: &PolicyRule) -> Vec<Right> {
    let mut all = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let of = |verb: &String| (group.clone(), resource.clone(), verb.clone());
            all.extend(rule.verbs.iter().map(of));
        }
    }
    all
}

/// What the controller of the release in `namespace` has asked for.
fn used(namespace: &str) -> anyhow::Result<BTreeSet<Right>> {
    let user = format!("system:serviceaccount:{namespace}:{RELEASE}-controller");
    let log =
        std::fs::read_to_string(Path::new(STATE).join("audit.log")).context("the audit log")?;
    let events = log.lines().map(serde_json::from_str::<Value>);
    let mut used = BTreeSet::new();
    for event in events {
        let event = event.context("a line of the audit log")?;
        if event["user"]["username"] == user.as_str() {
            used.insert(asked(&event));
        }
    }
    Ok(used)
}

fn asked(event: &Value) -> Right {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    let resource = match object["subresource"].as_str() {
        Some(part) => format!("{}/{part}", text(&object["resource"])),
        None => text(&object["resource"]),
    };
    (text(&object["apiGroup"]), resource, text(&event["verb"]))
}
