//! The objects of a small shop: what is written on them comes in, all else is sound.

use haldane_controller::{Objects, Options, Translation, translate};
use k8s_openapi::serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;

pub(crate) type Annotations = BTreeMap<String, String>;

/// The route table of a Service with two versions, behind an Ingress of every host.
pub(crate) fn table(ingress: &Annotations, service: &Annotations, pods: SocketAddr) -> Translation {
    let objects = Objects {
        ingresses: vec![object::<k8s_openapi::api::networking::v1::Ingress>(json!({
            "metadata": { "name": "web", "namespace": "shop", "annotations": ingress },
            "spec": { "rules": [{ "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": "web", "port": { "number": 80 } } } }] } }] },
        }))
        .into()],
        services: vec![object::<k8s_openapi::api::core::v1::Service>(json!({
            "metadata": { "name": "web", "namespace": "shop", "annotations": service },
            "spec": { "selector": { "app": "web" }, "ports": [{ "port": 80, "targetPort": pods.port() }] },
        }))
        .into()],
        pods: ["stable", "canary"].map(|version| pod(version, pods).into()).into(),
        ..Objects::default()
    };
    let options = Options {
        standalone: true,
        ..Options::default()
    };
    translate(&objects, &options)
}

fn pod(version: &str, address: SocketAddr) -> k8s_openapi::api::core::v1::Pod {
    object(json!({
        "metadata": { "name": version, "namespace": "shop", "labels": { "app": "web", "version": version } },
        "spec": { "containers": [{ "name": "web" }] },
        "status": { "phase": "Running", "podIP": address.ip().to_string(),
            "conditions": [{ "type": "Ready", "status": "True" }] },
    }))
}

fn object<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("a sound object")
}
