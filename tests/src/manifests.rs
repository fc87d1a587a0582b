//! Manifests for tests: a directory that is served, and the objects that are written into it.

use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A directory of manifests that goes away with this value. Files appear and change whole.
pub struct Manifests {
    root: tempfile::TempDir,
    served: PathBuf,
}

impl Manifests {
    /// An empty one.
    ///
    /// # Errors
    /// When the system gives no directory.
    pub fn new() -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let served = root.path().join("served");
        std::fs::create_dir(&served)?;
        Ok(Self { root, served })
    }

    /// One with these objects in a file `objects.json`.
    ///
    /// # Errors
    /// As [`Manifests::write`].
    pub fn of(objects: &[Value]) -> anyhow::Result<Self> {
        let manifests = Self::new()?;
        manifests.write_objects("objects.json", objects)?;
        Ok(manifests)
    }

    /// What to serve.
    pub fn path(&self) -> &Path {
        &self.served
    }

    /// Writes a file, or replaces it at once.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let draft = self.root.path().join("draft");
        std::fs::write(&draft, text)?;
        Ok(std::fs::rename(draft, self.served.join(name))?)
    }

    /// Writes a file of these objects.
    ///
    /// # Errors
    /// As [`Manifests::write`].
    pub fn write_objects(&self, name: &str, objects: &[Value]) -> anyhow::Result<()> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        self.write(name, &serde_json::to_string_pretty(&list)?)
    }
}

fn map(entries: &[(&str, &str)]) -> Value {
    let entries = entries
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)));
    Value::Object(entries.collect::<Map<_, _>>())
}

fn metadata(name: &str, annotations: &[(&str, &str)]) -> Value {
    json!({ "name": name, "namespace": "shop", "annotations": map(annotations) })
}

/// A Service over the pods of `app: NAME`, port 80.
pub fn service(name: &str, annotations: &[(&str, &str)]) -> Value {
    service_of(name, annotations, &[("app", name)])
}

/// A Service over the pods with these labels.
pub fn service_of(name: &str, annotations: &[(&str, &str)], selector: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, annotations),
        "spec": {
            "selector": map(selector),
            "ports": [{ "name": "web", "port": 80, "targetPort": "web" }],
        },
    })
}

/// The same Service with `appProtocol` on its port.
pub fn speaking(mut service: Value, protocol: &str) -> Value {
    service["spec"]["ports"][0]["appProtocol"] = json!(protocol);
    service
}

/// A ready Pod `app: APP, version: VERSION` that listens at `address`.
pub fn pod(app: &str, version: &str, address: SocketAddr) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("{app}-{}", address.port()),
            "namespace": "shop",
            "labels": { "app": app, "version": version },
        },
        "spec": { "containers": [{
            "name": "web",
            "image": "web",
            "ports": [{ "name": "web", "containerPort": address.port() }],
        }]},
        "status": {
            "phase": "Running",
            "podIP": address.ip().to_string(),
            "conditions": [{ "type": "Ready", "status": "True" }],
        },
    })
}

/// An Ingress of everything under `/` on `host` to port 80 of `service`.
pub fn ingress(name: &str, annotations: &[(&str, &str)], host: &str, service: &str) -> Value {
    ingress_at(name, annotations, host, ("/", "Prefix"), service)
}

/// An Ingress of one path and its type.
pub fn ingress_at(
    name: &str,
    annotations: &[(&str, &str)],
    host: &str,
    (path, path_type): (&str, &str),
    service: &str,
) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(name, annotations),
        "spec": {
            "ingressClassName": "haldane",
            "rules": [{ "host": host, "http": { "paths": [{
                "path": path,
                "pathType": path_type,
                "backend": { "service": { "name": service, "port": { "number": 80 } } },
            }]}}],
        },
    })
}

/// The same Ingress with a certificate for `host` from a Secret.
pub fn with_certificate(mut ingress: Value, host: &str, secret: &str) -> Value {
    ingress["spec"]["tls"] = json!([{ "hosts": [host], "secretName": secret }]);
    ingress
}

/// A Secret of texts.
pub fn secret(name: &str, kind: &str, entries: &[(&str, &str)]) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(name, &[]),
        "type": kind,
        "stringData": map(entries),
    })
}

/// A whole application `web` on `shop.example.com`: a Service with these annotations, an Ingress, a Pod for each
/// version and address.
pub fn shop(annotations: &[(&str, &str)], pods: &[(&str, SocketAddr)]) -> Vec<Value> {
    let mut objects = vec![
        service("web", annotations),
        ingress("web", &[], SHOP, "web"),
    ];
    objects.extend(
        pods.iter()
            .map(|(version, address)| pod("web", version, *address)),
    );
    objects
}

/// The host of [`shop`].
pub const SHOP: &str = "shop.example.com";
