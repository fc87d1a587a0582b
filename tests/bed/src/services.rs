//! Stand-ins for kube-proxy, DNS and a load balancer: every Service's addresses lead to its endpoints, and its names to
//! its addresses.

mod forward;
pub mod hosts;
mod plan;

use crate::{namespace, network};
use forward::Forwarders;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::fmt::Debug;
use std::hash::Hash;

/// Services and slices with this label are for another proxy than the cluster's own: kube-proxy passes them over, too.
const NOT_OURS: &str = "service.kubernetes.io/service-proxy-name";

/// Keeps addresses and names as the API has them, until dropped.
///
/// # Errors
/// When a watch ends, which none does.
pub async fn run(client: Client) -> anyhow::Result<()> {
    let (services, services_changed) = watched::<Service>(&client);
    let (slices, slices_changed) = watched::<EndpointSlice>(&client);
    let changes = stream::select(services_changed, slices_changed);
    let mut changes = std::pin::pin!(changes);
    let mut forwarders = Forwarders::default();
    let mut balanced = 0;
    while changes.next().await.is_some() {
        let (services, slices) = (services.state(), slices.state());
        let plan = plan::Plan::of(&services, &slices);
        forwarders.set(plan.forwards);
        if let Err(error) = hosts::write(&namespace::hosts(), &plan.names) {
            tracing::warn!(%error, "writing names");
        }
        for service in services
            .iter()
            .filter(|service| plan::wants_balancer(service))
        {
            balance(&client, service, balanced).await;
            balanced = balanced.wrapping_add(1);
        }
    }
    anyhow::bail!("the watches of services have ended")
}

/// A store of all objects of a kind, and a stream that says when it has changed.
fn watched<K>(client: &Client) -> (Store<K>, impl futures_util::Stream<Item = ()> + use<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    K::DynamicType: Hash + Eq,
{
    let (store, writer) = reflector::store();
    let ours = watcher::Config::default().labels(&format!("!{NOT_OURS}"));
    let events = watcher(Api::<K>::all(client.clone()), ours);
    let events = events.default_backoff().reflect(writer);
    // An error is met with a pause and a new list: nothing to do for what reads the store.
    let changed = events.filter_map(async |event| event.ok().map(|_| ()));
    (store, changed)
}

/// Gives a Service of type LoadBalancer its address.
async fn balance(client: &Client, service: &Service, number: u8) {
    let services =
        Api::<Service>::namespaced(client.clone(), &service.namespace().unwrap_or_default());
    let address = network::load_balancer(number);
    let status = json!({ "status": { "loadBalancer": { "ingress": [{ "ip": address }] } } });
    let patched = services
        .patch_status(
            &service.name_any(),
            &PatchParams::default(),
            &Patch::Merge(status),
        )
        .await;
    if let Err(error) = patched {
        tracing::warn!(service = service.name_any(), %error, "giving a service its address");
    }
}
