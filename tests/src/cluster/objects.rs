//! Manifests as `kubectl` reads them: YAML documents, each an object of any kind.

use anyhow::Context as _;
use kube::api::DynamicObject;
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::{Api, Client};
use serde_json::Value;
use std::fmt;
use std::path::Path;

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

    /// All of it, to be changed.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.value
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

/// The objects of a file.
///
/// # Errors
/// When it cannot be read, or a document is not an object.
pub fn documents(path: &Path) -> anyhow::Result<Vec<Manifest>> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let values = serde_saphyr::from_multiple::<Value>(&text)
        .with_context(|| format!("parsing {}", path.display()))?;
    values
        .into_iter()
        .filter(|value| !value.is_null())
        .map(Manifest::new)
        .collect()
}
