//! Fills a namespace as a large cluster is filled: Ingresses, Services, and what the EndpointSlice controller would write.

use crate::size::Size;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use haldane_tests::cluster::Cluster;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::PostParams;
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// Paths of one Ingress, all of one host.
pub(crate) const PATHS_PER_INGRESS: u64 = 10;
/// Writes under way at once.
const WRITES_MAX: usize = 32;

/// Objects that the cluster's own proxy passes over: there would be a listener for each address.
const FOR_ANOTHER_PROXY: (&str, &str) = ("service.kubernetes.io/service-proxy-name", "scale");

/// Writes everything; how long it took.
pub(crate) async fn fill(cluster: &Cluster, size: Size) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    write(cluster.api::<Service>(), size.services, service).await?;
    let each = size.endpoints / size.services;
    let slice = |index| slice(index, each);
    write(cluster.api::<EndpointSlice>(), size.services, slice).await?;
    let class = cluster.name();
    let ingress = |index| ingress(class, index, size.services);
    write(
        cluster.api::<Ingress>(),
        size.paths / PATHS_PER_INGRESS,
        ingress,
    )
    .await?;
    Ok(begun.elapsed())
}

async fn write<K>(api: Api<K>, count: u64, object: impl Fn(u64) -> Value) -> anyhow::Result<()>
where
    K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
{
    let how = PostParams::default();
    let write = async |index| {
        api.create(&how, &serde_json::from_value(object(index))?)
            .await?;
        anyhow::Ok(())
    };
    let writes = stream::iter(0..count)
        .map(write)
        .buffer_unordered(WRITES_MAX);
    writes.try_collect().await
}

fn service(index: u64) -> Value {
    json!({
        "metadata": { "name": name(index), "labels": { FOR_ANOTHER_PROXY.0: FOR_ANOTHER_PROXY.1 } },
        "spec": {
            "clusterIP": "None",
            "ports": [{ "name": "http", "port": 80, "targetPort": 8080 }],
        },
    })
}

fn name(service: u64) -> String {
    format!("service-{service}")
}

/// The name of a Service's slice.
pub(crate) fn slice_name(service: u64) -> String {
    format!("{}-abcde", name(service))
}

/// The slice of a Service with so many endpoints, as large as a real one.
pub(crate) fn slice(service: u64, count: u64) -> Value {
    let endpoints: Vec<Value> = (0..count)
        .map(|place| endpoint(service, service * count + place))
        .collect();
    json!({
        "addressType": "IPv4",
        "metadata": {
            "name": slice_name(service),
            "labels": {
                "kubernetes.io/service-name": name(service),
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                FOR_ANOTHER_PROXY.0: FOR_ANOTHER_PROXY.1,
            },
        },
        "ports": [{ "name": "http", "port": 8080, "protocol": "TCP" }],
        "endpoints": endpoints,
    })
}

fn endpoint(service: u64, number: u64) -> Value {
    let [.., a, b, c] = number.to_be_bytes();
    let target = json!({
        "kind": "Pod", "name": format!("{}-7d9c5b8f6d-{number:05}", name(service)),
        "uid": format!("00000000-0000-4000-8000-{number:012}"),
    });
    json!({
        "addresses": [Ipv4Addr::new(10, 128 + a, b, c)],
        "conditions": { "ready": true, "serving": true, "terminating": false },
        "nodeName": format!("node-{}", number % 200), "zone": format!("zone-{}", number % 3),
        "targetRef": target,
    })
}

/// The host of an Ingress.
pub(crate) fn host(ingress: u64) -> String {
    format!("shop-{ingress}.example.com")
}

fn ingress(class: &str, index: u64, services: u64) -> Value {
    let path = |place: u64| {
        let service = (index * PATHS_PER_INGRESS + place) % services;
        let backend = json!({ "service": { "name": name(service), "port": { "name": "http" } } });
        json!({ "path": format!("/api/v1/part-{place}"), "pathType": "Prefix", "backend": backend })
    };
    let paths: Vec<Value> = (0..PATHS_PER_INGRESS).map(path).collect();
    json!({
        "metadata": { "name": format!("shop-{index}") },
        "spec": {
            "ingressClassName": class,
            "rules": [{ "host": host(index), "http": { "paths": paths } }],
        },
    })
}
