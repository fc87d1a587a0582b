//! What every lab has: a namespace with the objects of its page, proxies that serve them, and clients.

use anyhow::Context as _;
use haldane_tests::asking::{Asking, Running};
use haldane_tests::client::Client;
use haldane_tests::cluster::haldane::{Haldane, Shown};
use haldane_tests::cluster::{Cluster, read};
use haldane_tests::within;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// The load of every lab, in requests each second.
const LOAD: u32 = 500;
/// The one who looks, in requests each second.
const LOOKS: u32 = 10;

/// A lab that is set up.
pub(crate) struct Lab {
    pub(crate) cluster: Cluster,
    pub(crate) haldane: &'static Haldane,
}

/// Somebody who looks, and a load.
pub(crate) struct Clients {
    pub(crate) look: Running,
    pub(crate) load: Running,
}

impl Lab {
    /// Applies `docs/labs/FILE` in a new namespace and waits until its pods are ready. Its hosts get the namespace's name
    /// into them, so that labs do not claim each other's.
    pub(crate) async fn begin(name: &'static str, file: &str) -> anyhow::Result<Self> {
        let haldane = Haldane::shared().await?;
        let cluster = Cluster::namespace(name).await?;
        let lab = Self { cluster, haldane };
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/labs")
            .join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("{}", path.display()))?;
        let text = text.replace(".example.com", &format!(".{name}.example.com"));
        let objects = read(&text.replace(".lab.svc", &format!(".{name}.svc")))?;
        lab.cluster.apply(&objects).await?;
        for object in objects
            .iter()
            .filter(|object| object.kind() == "Deployment")
        {
            lab.rolled_out(object.name()).await?;
        }
        Ok(lab)
    }

    /// `NAME.example.com`, as this lab has it.
    pub(crate) fn host(&self, name: &str) -> String {
        format!("{name}.{}.example.com", self.cluster.name())
    }

    /// Waits until every proxy answers for a host.
    pub(crate) async fn served(&self, host: &str) -> anyhow::Result<()> {
        for proxy in self.haldane.proxies() {
            let answered = async {
                while Client::h1(*proxy).await?.get(host, "/").await?.status != 200 {}
                Ok::<_, anyhow::Error>(())
            };
            within(host, answered).await??;
        }
        Ok(())
    }

    /// Questions for a host, to all proxies in turn.
    pub(crate) fn asking(&self, host: &str, per_second: u32) -> Asking {
        Asking::new(self.haldane.proxies(), host, per_second)
    }

    /// The clients of a release.
    pub(crate) fn clients(&self, host: &str) -> Clients {
        Clients {
            look: self.asking(host, LOOKS).start(),
            load: self.asking(host, LOAD).start(),
        }
    }

    /// Waits until a Deployment is what it should be, and the pods that it was are gone.
    pub(crate) async fn rolled_out(&self, deployment: &str) -> anyhow::Result<()> {
        let done = |deployment: Option<&Deployment>| deployment.is_some_and(is_rolled_out);
        self.cluster.until("rolled out", deployment, done).await
    }

    /// `kubectl set image deployment/NAME echo=IMAGE`.
    pub(crate) async fn set_image(&self, deployment: &str, image: &str) -> anyhow::Result<()> {
        let container = json!({ "name": "echo", "image": image });
        let patch = json!({ "spec": { "template": { "spec": { "containers": [container] } } } });
        let params = kube::api::PatchParams::default();
        let patch = kube::api::Patch::Strategic(patch);
        self.cluster
            .api::<Deployment>()
            .patch(deployment, &params, &patch)
            .await?;
        Ok(())
    }

    /// `kubectl scale deployment/NAME --replicas=COUNT`.
    pub(crate) async fn scale(&self, deployment: &str, count: u32) -> anyhow::Result<()> {
        let patch = json!({ "spec": { "replicas": count } });
        self.cluster.patch::<Deployment>(deployment, &patch).await?;
        self.rolled_out(deployment).await
    }

    /// The pods with a label.
    pub(crate) async fn pods(&self, selector: &str) -> anyhow::Result<Vec<Pod>> {
        let params = ListParams::default().labels(selector);
        Ok(self.cluster.api::<Pod>().list(&params).await?.items)
    }

    /// Waits until all proxies give this share, in hundredths, to a version of an Ingress; how long after `since`.
    pub(crate) async fn live(
        &self,
        since: Instant,
        ingress: &str,
        version: &str,
        share: u64,
    ) -> anyhow::Result<Duration> {
        let namespace = self.cluster.name();
        let is_so = |table: &Shown| {
            let shares = table.shares(namespace, ingress, version);
            !shares.is_empty() && shares.iter().all(|found| *found == share)
        };
        self.haldane
            .live(since, &format!("{share} % of {version}"), is_so)
            .await
    }

    /// What Events say, each as object and note.
    pub(crate) async fn events(&self) -> anyhow::Result<Vec<String>> {
        let events = self
            .cluster
            .api::<Event>()
            .list(&ListParams::default())
            .await?;
        let said = events.items.into_iter().map(|event| {
            let about = event
                .regarding
                .and_then(|object| object.name)
                .unwrap_or_default();
            format!("{about}: {}", event.note.unwrap_or_default())
        });
        Ok(said.collect())
    }

    /// Removes the namespace; its hosts are free again.
    pub(crate) async fn end(self) -> anyhow::Result<()> {
        let namespaces = Api::<Namespace>::all(self.cluster.client().clone());
        namespaces
            .delete(self.cluster.name(), &DeleteParams::default())
            .await?;
        Ok(())
    }
}

fn is_rolled_out(deployment: &Deployment) -> bool {
    let (Some(spec), Some(status)) = (&deployment.spec, &deployment.status) else {
        return false;
    };
    let counts = [
        status.replicas,
        status.updated_replicas,
        status.available_replicas,
    ];
    let wanted = spec.replicas.unwrap_or(1);
    status.observed_generation >= deployment.metadata.generation
        && counts.iter().all(|count| count.unwrap_or(0) == wanted)
}
