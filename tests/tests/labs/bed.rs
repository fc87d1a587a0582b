//! The bed itself: what labs rely on is so.

use anyhow::Context as _;
use haldane_tests::client::{Client, get};
use haldane_tests::cluster::{Cluster, Manifest};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::ResourceExt as _;
use kube::api::{ListParams, LogParams};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::lookup_host;

fn manifest(value: Value) -> Manifest {
    Manifest::new(value).expect("a test writes whole objects")
}

fn deployment(name: &str, replicas: u32, container: Value) -> Manifest {
    manifest(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": { "containers": [container] },
            },
        },
    }))
}

fn echo() -> Value {
    json!({
        "name": "echo", "image": "haldane.test/echo:0.1.0",
        "ports": [{ "name": "http", "containerPort": 8080 }],
        "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" }, "periodSeconds": 1 },
    })
}

fn pod(name: &str, container: Value, volumes: Value) -> Manifest {
    let spec = json!({ "containers": [container], "volumes": volumes });
    manifest(
        json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name }, "spec": spec }),
    )
}

fn is_ready(pod: Option<&Pod>) -> bool {
    let conditions = pod.and_then(|pod| pod.status.as_ref()?.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn address(pod: &Pod) -> anyhow::Result<SocketAddr> {
    let status = pod.status.as_ref().context("a status")?;
    let address = status.pod_ip.as_ref().context("an address")?;
    Ok(SocketAddr::new(address.parse()?, 8080))
}

pub(crate) async fn a_deployment_becomes_ready_endpoints() -> anyhow::Result<()> {
    let cluster = Cluster::namespace("bed-deployment").await?;
    let service = manifest(json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": "echo" },
        "spec": { "selector": { "app": "echo" }, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] },
    }));
    cluster
        .apply(&[service, deployment("echo", 3, echo())])
        .await?;
    let available = |deployment: Option<&Deployment>| {
        let status = deployment.and_then(|deployment| deployment.status.as_ref());
        status.and_then(|status| status.available_replicas) == Some(3)
    };
    cluster.until("available", "echo", available).await?;
    let slices = cluster
        .api::<EndpointSlice>()
        .list(&ListParams::default())
        .await?;
    let name = slices.items.first().context("one slice")?.name_any();
    let three_ready = |slice: Option<&EndpointSlice>| {
        let endpoints = slice.and_then(|slice| slice.endpoints.as_ref());
        let ready = |endpoint: &&k8s_openapi::api::discovery::v1::Endpoint| {
            endpoint
                .conditions
                .as_ref()
                .and_then(|conditions| conditions.ready)
                == Some(true)
        };
        endpoints.is_some_and(|endpoints| endpoints.iter().filter(ready).count() == 3)
    };
    cluster
        .until("three ready endpoints", &name, three_ready)
        .await?;
    by_name_and_by_address(&cluster).await
}

/// The Service answers at its name, which is its address.
async fn by_name_and_by_address(cluster: &Cluster) -> anyhow::Result<()> {
    let service = cluster.api::<Service>().get("echo").await?;
    let address = service
        .spec
        .and_then(|spec| spec.cluster_ip)
        .context("an address")?;
    let name = format!("echo.{}.svc:80", cluster.name());
    let found = lookup_host(name).await?.next().context("a name")?;
    assert_eq!(found, SocketAddr::new(address.parse()?, 80));
    let answer = Client::h1(found).await?.get("echo", "/").await?;
    assert_eq!(answer.header("x-version"), "0.1.0");
    assert!(answer.header("x-pod").starts_with("echo-"), "{answer:?}");
    Ok(())
}

pub(crate) async fn pods_get_what_they_ask_for() -> anyhow::Result<()> {
    let cluster = Cluster::namespace("bed-asked").await?;
    let secret = manifest(json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "keys" }, "stringData": { "tls.key": "k", "x": "y" },
    }));
    let shell = json!({
        "name": "shell", "image": "haldane",
        "command": ["/bin/sh", "-c",
            "echo $IP 0.0.0.0:80 && cat /keys/renamed && ls /keys /var/run/secrets/kubernetes.io/serviceaccount && \
             id -u && ! touch /file && touch /scratch/file && echo done && sleep 1000"],
        "env": [{ "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } }],
        "volumeMounts": [{ "name": "keys", "mountPath": "/keys", "readOnly": true }, { "name": "scratch", "mountPath": "/scratch" }],
        "securityContext": { "runAsUser": 65532, "readOnlyRootFilesystem": true },
    });
    let items = json!([{ "key": "tls.key", "path": "renamed" }]);
    let volumes = json!([
        { "name": "keys", "secret": { "secretName": "keys", "items": items } },
        { "name": "scratch", "emptyDir": {} },
    ]);
    // The Pod waits for its Secret.
    cluster.apply(&[pod("shell", shell, volumes)]).await?;
    cluster.apply(&[secret]).await?;
    cluster.until("ready", "shell", is_ready).await?;
    let found = cluster.api::<Pod>().get("shell").await?;
    let ip = address(&found)?.ip();
    let printed = log(&cluster, "shell", "done\n").await?;
    assert_eq!(
        printed.replace(&ip.to_string(), "IP"),
        "IP IP:80\nk/keys:\nrenamed\n\n/var/run/secrets/kubernetes.io/serviceaccount:\nca.crt\nnamespace\ntoken\n65532\n\
         touch: cannot touch '/file': Read-only file system\ndone\n"
    );
    let secret: Secret = cluster.api::<Secret>().get("keys").await?;
    assert_eq!(secret.data.map(|data| data.len()), Some(2));
    Ok(())
}

/// What a Pod has printed, once it contains `part`.
async fn log(cluster: &Cluster, pod: &str, part: &str) -> anyhow::Result<String> {
    let read = async {
        loop {
            let printed = cluster
                .api::<Pod>()
                .logs(pod, &LogParams::default())
                .await?;
            if printed.contains(part) {
                return Ok(printed);
            }
        }
    };
    haldane_tests::within("a log", read).await?
}

pub(crate) async fn probes_hooks_and_grace_are_honoured() -> anyhow::Result<()> {
    let cluster = Cluster::namespace("bed-probes").await?;
    let mut container = echo();
    let ready_off = json!({ "httpGet": { "path": "/delay/100", "port": "http" } });
    container["lifecycle"] = json!({ "preStop": ready_off });
    cluster.apply(&[pod("web", container, json!([]))]).await?;
    cluster.until("ready", "web", is_ready).await?;
    let found = cluster.api::<Pod>().get("web").await?;
    for (turn, wanted) in [("off", false), ("on", true)] {
        let mut request = get("web", &format!("/ready/{turn}"));
        *request.method_mut() = http::Method::POST;
        Client::h1(address(&found)?).await?.ask(request).await?;
        cluster
            .until(turn, "web", move |pod: Option<&Pod>| {
                is_ready(pod) == wanted
            })
            .await?;
    }
    cluster.delete::<Pod>("web").await?;
    cluster
        .until("gone", "web", |pod: Option<&Pod>| pod.is_none())
        .await
}
