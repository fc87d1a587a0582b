//! A Kubernetes cluster for tests: the one that `KUBECONFIG` names, or a bed of its own; objects in it, and waits for them.

pub mod haldane;
mod objects;
pub mod place;

pub use objects::{Manifest, read};

use crate::WAIT_MAX;
use anyhow::Context as _;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// Who the tests are among the managers of a field.
const FIELD_MANAGER: &str = "haldane-tests";

/// A namespace of a cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// A new namespace in the cluster that `KUBECONFIG` names, ready for pods. One of that name must not be there.
    ///
    /// # Errors
    /// When the cluster refuses, or is not there.
    pub async fn namespace(namespace: &str) -> anyhow::Result<Self> {
        let cluster = Self::existing(namespace).await?;
        let namespaces = Api::<Namespace>::all(cluster.client.clone());
        let new = json!({ "metadata": { "name": namespace } });
        namespaces
            .create(&PostParams::default(), &serde_json::from_value(new)?)
            .await
            .with_context(|| format!("creating namespace {namespace}"))?;
        // Until it is there no pod is admitted.
        let account = |account: Option<&ServiceAccount>| account.is_some();
        cluster
            .until("a service account", "default", account)
            .await?;
        Ok(cluster)
    }

    /// A namespace that may be there.
    ///
    /// # Errors
    /// When there is no cluster.
    pub async fn existing(namespace: &str) -> anyhow::Result<Self> {
        Ok(Self {
            client: Client::try_default().await?,
            namespace: namespace.to_owned(),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.namespace
    }

    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Objects of a kind in the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates these objects, or makes them what is written, as `kubectl apply --server-side` does.
    ///
    /// # Errors
    /// When one is refused.
    pub async fn apply(&self, objects: &[Manifest]) -> anyhow::Result<()> {
        for object in objects {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let api: Api<DynamicObject> = object.api(self.client.clone(), &self.namespace);
            api.patch(object.name(), &params, &Patch::Apply(object.value()))
                .await
                .with_context(|| format!("applying {object}"))?;
        }
        Ok(())
    }

    /// Merges `patch` into an object, as `kubectl patch --type merge` does.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn patch<K>(&self, name: &str, patch: &Value) -> anyhow::Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let patched = self.api::<K>();
        let patched = patched
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        patched.with_context(|| format!("patching {name}"))
    }

    /// Sets annotations, as `kubectl annotate --overwrite` does; `null` removes one.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn annotate<K>(&self, name: &str, annotations: Value) -> anyhow::Result<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let patch = json!({ "metadata": { "annotations": annotations } });
        self.patch(name, &patch).await
    }

    /// Deletes an object, as `kubectl delete --wait=false` does.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn delete<K>(&self, name: &str) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let background = DeleteParams::background();
        self.api::<K>().delete(name, &background).await?;
        Ok(())
    }

    /// Waits until an object is as wanted; `None` is that it is not there.
    ///
    /// # Errors
    /// When the time is up.
    pub async fn until<K>(
        &self,
        what: &str,
        name: &str,
        is_so: impl Fn(Option<&K>) -> bool,
    ) -> anyhow::Result<()>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + 'static,
    {
        let waited = tokio::time::timeout(WAIT_MAX, await_condition(self.api::<K>(), name, is_so));
        let waited = waited
            .await
            .with_context(|| format!("{name} in {} is not {what} in time", self.namespace))?;
        waited.map(|_| ()).context("watching")
    }
}
