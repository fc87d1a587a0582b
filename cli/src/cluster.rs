//! The cluster as `kubectl` finds it, and the objects in it that releases hang on: Ingresses and Services.
//!
//! Of an object its metadata are read and its annotations written, and nothing else.

mod object;

pub(crate) use object::{Kind, Object, PREFIX};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::{ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, Client, Config};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Who we are among the managers of a field.
const FIELD_MANAGER: &str = "haldane-cli";
/// How many objects are asked for at once.
const PAGE: u32 = 500;
/// How long connecting to the API server may take: a person waits for it.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long it may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How the cluster is reached.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Access {
    /// How to reach the cluster; where not given, as `kubectl` does.
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, where not the current one.
    #[arg(long)]
    context: Option<String>,
    /// The namespace of an object that is named without one; by default that of the context.
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
}

/// A cluster, and the namespace in which names without one are.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    pub(crate) namespace: String,
}

/// An object as a person names it: NAMESPACE/NAME or NAME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
}

impl FromStr for Named {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let (namespace, name) = match text.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, text),
        };
        if name.is_empty() || name.contains('/') || namespace == Some("") {
            return Err("write NAMESPACE/NAME");
        }
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
        })
    }
}

impl Access {
    /// Finds the cluster; asks it nothing yet.
    pub(crate) async fn cluster(&self) -> anyhow::Result<Cluster> {
        let mut config = self.config().await.context("finding the cluster")?;
        config.connect_timeout = Some(CONNECT_MAX);
        config.read_timeout = Some(SILENCE_MAX);
        let namespace = self.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config)?;
        Ok(Cluster { client, namespace })
    }

    async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions {
            context: self.context.clone(),
            ..KubeConfigOptions::default()
        };
        Ok(match (&self.kubeconfig, &self.context) {
            (None, None) => Config::infer().await?,
            (None, Some(_)) => Config::from_kubeconfig(&options).await?,
            (Some(path), _) => {
                Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
            }
        })
    }
}

impl Cluster {
    /// The object of this kind, if there is one.
    pub(crate) async fn find(&self, kind: Kind, named: &Named) -> anyhow::Result<Option<Object>> {
        let namespace = named.namespace.as_deref().unwrap_or(&self.namespace);
        let api = self.api(kind, Some(namespace));
        let found = api.get_metadata_opt(&named.name).await;
        let found = found.with_context(|| format!("reading {kind} {namespace}/{}", named.name))?;
        Ok(found.map(|found| Object::new(kind, found.metadata)))
    }

    /// Every object of this kind, in one namespace or in all.
    pub(crate) async fn all(
        &self,
        kind: Kind,
        namespace: Option<&str>,
    ) -> anyhow::Result<Vec<Object>> {
        let api = self.api(kind, namespace);
        let mut objects = Vec::new();
        let mut page = ListParams::default().limit(PAGE);
        loop {
            let list = api.list_metadata(&page).await;
            let list = list.with_context(|| format!("listing every {kind}"))?;
            let found = list.items.into_iter();
            objects.extend(found.map(|found| Object::new(kind, found.metadata)));
            page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
            if page.continue_token.is_none() {
                return Ok(objects);
            }
        }
    }

    /// Sets annotations, and removes those that are `None`; all at once.
    pub(crate) async fn annotate(
        &self,
        object: &Object,
        changes: &BTreeMap<String, Option<String>>,
    ) -> anyhow::Result<()> {
        let api = self.api(object.kind, Some(&object.namespace));
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({ "metadata": { "annotations": changes } }));
        let patched = api.patch_metadata(&object.name, &params, &patch).await;
        patched.with_context(|| format!("annotating {object}"))?;
        Ok(())
    }

    fn api(&self, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
        let resource = match kind {
            Kind::Ingress => ApiResource::erase::<Ingress>(&()),
            Kind::Service => ApiResource::erase::<Service>(&()),
        };
        let client = self.client.clone();
        match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_may_be_named_without_its_namespace() {
        // written, namespace and name
        let cases = [
            ("shop/web", Some((Some("shop"), "web"))),
            ("web", Some((None, "web"))),
            ("", None),
            ("/web", None),
            ("shop/", None),
            ("a/b/c", None),
        ];
        for (written, expected) in cases {
            let named = written.parse::<Named>().ok();
            let parts = named.as_ref();
            let parts = parts.map(|named| (named.namespace.as_deref(), named.name.as_str()));
            assert_eq!(parts, expected, "{written}");
        }
    }
}
