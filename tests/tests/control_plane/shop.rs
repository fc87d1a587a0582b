//! A shop whose front page has a stable version and a canary, among other routes.

use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use haldane_tests::backend::Backend;
use haldane_tests::cluster::{Cluster, Manifest};
use haldane_tests::plane::{Plane, Proxy, headless, slice};
use k8s_openapi::api::networking::v1::Ingress;
use serde_json::{Value, json};

/// Where the front page is.
pub(crate) const HOST: &str = "shop.example.com";
/// Its Ingress, and that of its canary.
pub(crate) const MAIN: &str = "web";
pub(crate) const CANARY: &str = "web-canary";
/// What says how much the canary gets, in hundredths.
pub(crate) const WEIGHT: &str = "nginx.ingress.kubernetes.io/canary-weight";
/// Paths of each other Ingress.
const PATHS: u64 = 10;
/// Writes under way at once.
const WRITES_MAX: usize = 16;

pub(crate) struct Shop {
    pub(crate) plane: Plane,
    _backends: [Backend; 2],
}

impl Shop {
    /// Opens one in a new namespace; all of it goes to `stable`.
    pub(crate) async fn open(name: &str) -> anyhow::Result<Self> {
        let plane = Plane::begin(name).await?;
        let address = plane.backend_address();
        let backends = [
            Backend::at(address, "stable").await?,
            Backend::at(address, "canary").await?,
        ];
        let mut objects = Vec::new();
        for (service, backend) in ["stable", "canary"].into_iter().zip(&backends) {
            objects.push(headless(service, 80));
            objects.push(slice(service, &[address], backend.address().port()));
        }
        objects.push(ingress(name, MAIN, "stable", &json!({})));
        objects.push(canary_ingress(name, name));
        let objects: anyhow::Result<Vec<_>> = objects.into_iter().map(Manifest::new).collect();
        plane.cluster().apply(&objects?).await?;
        let _backends = backends;
        Ok(Self { plane, _backends })
    }

    pub(crate) fn cluster(&self) -> &Cluster {
        self.plane.cluster()
    }

    /// Adds so many routes that nobody asks for.
    pub(crate) async fn add_routes(&self, routes: u64) -> anyhow::Result<()> {
        let class = self.cluster().name();
        let writes = stream::iter(0..routes / PATHS).map(async |index| {
            let ingress = Manifest::new(other(class, index))?;
            self.cluster().apply(&[ingress]).await
        });
        writes.buffer_unordered(WRITES_MAX).try_collect().await
    }

    /// Says how much the canary gets.
    pub(crate) async fn set_weight(&self, weight: &str) -> anyhow::Result<()> {
        let annotations = json!({ WEIGHT: weight });
        self.cluster()
            .annotate::<Ingress>(CANARY, annotations)
            .await?;
        Ok(())
    }

    /// So many proxies, each with a table in force.
    pub(crate) async fn proxies(&self, count: usize) -> anyhow::Result<Vec<Proxy>> {
        try_join_all((0..count).map(|index| self.proxy(format!("proxy-{index}")))).await
    }

    async fn proxy(&self, name: String) -> anyhow::Result<Proxy> {
        let proxy = self.plane.proxy(&name).await?;
        proxy.until_ready().await?;
        Ok(proxy)
    }
}

/// Waits until the front page of every proxy is of a version; no answer until then may be a failure.
pub(crate) async fn until_served(proxies: &[Proxy], version: &str) -> anyhow::Result<()> {
    try_join_all(
        proxies
            .iter()
            .map(|proxy| proxy.until_answers(HOST, "/", version)),
    )
    .await?;
    Ok(())
}

/// An Ingress of the front page.
pub(crate) fn ingress(class: &str, name: &str, service: &str, annotations: &Value) -> Value {
    let backend = json!({ "service": { "name": service, "port": { "name": "http" } } });
    let path = json!({ "path": "/", "pathType": "Prefix", "backend": backend });
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
        "metadata": { "name": name, "annotations": annotations },
        "spec": { "ingressClassName": class, "rules": [{ "host": HOST, "http": { "paths": [path] } }] },
    })
}

/// The canary of the front page, which gets nothing yet.
pub(crate) fn canary_ingress(class: &str, namespace: &str) -> Value {
    let annotations = json!({ "nginx.ingress.kubernetes.io/canary": "true", WEIGHT: "0" });
    let mut canary = ingress(class, CANARY, "canary", &annotations);
    canary["metadata"]["namespace"] = json!(namespace);
    canary
}

fn other(class: &str, index: u64) -> Value {
    let mut other = ingress(class, &format!("other-{index}"), "stable", &json!({}));
    let rule = &mut other["spec"]["rules"][0];
    rule["host"] = json!(format!("other-{index}.example.com"));
    let path = rule["http"]["paths"][0].clone();
    let paths = (0..PATHS).map(|place| {
        let mut path = path.clone();
        path["path"] = json!(format!("/part-{place}"));
        path
    });
    rule["http"]["paths"] = paths.collect();
    other
}
