//! Manifests as `kubectl` reads them: YAML documents, each an object of any kind.

use anyhow::Context as _;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::Value;
use std::fmt;

/// Kinds that belong to no namespace.
const CLUSTER_WIDE: [&str; 4] = [
    "Namespace",
    "ClusterRole",
    "ClusterRoleBinding",
    "IngressClass",
];

/// One object as it is written.
#[derive(Clone, Debug)]
pub struct Manifest {
    value: Value,
    kind: GroupVersionKind,
    name: String,
}

impl Manifest {
    /// This object.
    ///
    /// # Errors
    /// When it has no kind or no name.
    pub fn new(value: Value) -> anyhow::Result<Self> {
        let types: TypeMeta =
            serde_json::from_value(value.clone()).context("an object has a kind")?;
        let name = value["metadata"]["name"].as_str();
        let name = name.context("an object has a name")?.to_owned();
        let kind = GroupVersionKind::try_from(&types)?;
        Ok(Self { value, kind, name })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// All of it.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Its kind.
    pub fn kind(&self) -> &str {
        &self.kind.kind
    }

    /// Objects of its kind, in `namespace` unless it names another.
    pub(super) fn api(&self, client: Client, namespace: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&self.kind);
        if CLUSTER_WIDE.contains(&self.kind.kind.as_str()) {
            return Api::all_with(client, &resource);
        }
        let own = self.value["metadata"]["namespace"].as_str();
        Api::namespaced_with(client, own.unwrap_or(namespace), &resource)
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.kind, self.name)
    }
}

/// The objects of a text: YAML documents.
///
/// # Errors
/// When a document is not an object.
pub fn read(text: &str) -> anyhow::Result<Vec<Manifest>> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text)?;
    let objects = values.into_iter().filter(|value| !value.is_null());
    objects.map(Manifest::new).collect()
}
