//! What is served: a Deployment of echo Pods, a Service, an Ingress with a certificate.

use haldane_tests::cluster::{Cluster, Manifest};
use haldane_tests::tls::Certificate;
use serde_json::{Value, json};

/// The host that it is served at.
pub(crate) const HOST: &str = "shop.example.com";

/// The name of all its objects.
pub(crate) const NAME: &str = "shop";

/// A shop in a namespace of its own.
pub(crate) struct Shop(pub(crate) Cluster);

impl Shop {
    /// Opens it, served by the class `class`.
    pub(crate) async fn open(
        namespace: &str,
        class: &str,
        certificate: &Certificate,
    ) -> anyhow::Result<Self> {
        let shop = Self(Cluster::namespace(namespace).await?);
        shop.set_certificate(certificate).await?;
        let objects = [deployment(), service(), ingress(class)].map(Manifest::new);
        let objects: Vec<Manifest> = objects.into_iter().collect::<Result<_, _>>()?;
        shop.0.apply(&objects).await?;
        Ok(shop)
    }

    /// Shows another certificate from now on.
    pub(crate) async fn set_certificate(&self, certificate: &Certificate) -> anyhow::Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": { "name": NAME },
            "type": "kubernetes.io/tls",
            "stringData": { "tls.crt": certificate.pem(), "tls.key": certificate.key_pem() },
        });
        self.0.apply(&[Manifest::new(secret)?]).await
    }
}

fn deployment() -> Value {
    let container = json!({
        "name": "echo", "image": "haldane.test/echo:1.0.0",
        "ports": [{ "name": "http", "containerPort": 8080 }],
        "readinessProbe": { "httpGet": { "path": "/ready", "port": "http" }, "periodSeconds": 1 },
    });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": NAME },
        "spec": {
            "replicas": 2,
            "selector": { "matchLabels": { "app": NAME } },
            "template": {
                "metadata": { "labels": { "app": NAME, "version": "1.0.0" } },
                "spec": { "containers": [container] },
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": NAME },
        "spec": { "selector": { "app": NAME }, "ports": [{ "name": "http", "port": 80, "targetPort": "http" }] },
    })
}

fn ingress(class: &str) -> Value {
    let backend = json!({ "service": { "name": NAME, "port": { "name": "http" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": NAME, "annotations": { "haldane.dev/ssl-redirect": "false" } },
        "spec": {
            "ingressClassName": class,
            "tls": [{ "hosts": [HOST], "secretName": NAME }],
            "rules": [{ "host": HOST, "http": { "paths": [path] } }],
        },
    })
}
