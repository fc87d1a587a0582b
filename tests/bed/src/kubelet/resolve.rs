//! What a Pod's specification refers to: its own fields, ConfigMaps, Secrets and tokens.

use super::Host;
use super::local::localize;
use anyhow::Context as _;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Pod, Secret, ServiceAccount, ServiceAccountTokenProjection,
};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Contents by key.
pub(super) type Entries = BTreeMap<String, Vec<u8>>;

/// Looks things up for one Pod.
#[derive(Clone)]
pub(super) struct Resolver {
    client: Client,
    namespace: String,
    pod: Arc<Pod>,
    address: IpAddr,
}

impl Resolver {
    pub(super) fn new(host: &Host, pod: Arc<Pod>, address: IpAddr) -> Self {
        let namespace = pod.namespace().unwrap_or_default();
        Self {
            client: host.client.clone(),
            namespace,
            pod,
            address,
        }
    }

    pub(super) fn pod(&self) -> &Pod {
        &self.pod
    }

    pub(super) fn pod_name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// See [`localize`].
    pub(super) fn localize(&self, text: &str) -> String {
        localize(text, self.address)
    }

    /// A ConfigMap's entries; none of one that is optional and not there.
    pub(super) async fn config_map(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> anyhow::Result<Entries> {
        let maps = Api::<ConfigMap>::namespaced(self.client.clone(), &self.namespace);
        let found = maps.get_opt(name).await?;
        let found =
            there(found, optional).with_context(|| format!("configmap \"{name}\" not found"))?;
        let texts = found.data.into_iter().flatten();
        let texts = texts.map(|(key, value)| (key, value.into_bytes()));
        let bytes = found.binary_data.into_iter().flatten();
        Ok(texts
            .chain(bytes.map(|(key, value)| (key, value.0)))
            .collect())
    }

    /// A Secret's entries; none of one that is optional and not there.
    pub(super) async fn secret(
        &self,
        name: &str,
        optional: Option<bool>,
    ) -> anyhow::Result<Entries> {
        let secrets = Api::<Secret>::namespaced(self.client.clone(), &self.namespace);
        let found = secrets.get_opt(name).await?;
        let found =
            there(found, optional).with_context(|| format!("secret \"{name}\" not found"))?;
        let entries = found.data.into_iter().flatten();
        Ok(entries.map(|(key, value)| (key, value.0)).collect())
    }

    /// A token of the Pod's ServiceAccount that ends with the Pod.
    pub(super) async fn token(
        &self,
        asked: &ServiceAccountTokenProjection,
    ) -> anyhow::Result<String> {
        let spec = self.pod.spec.as_ref().context("a pod has a spec")?;
        let account = spec.service_account_name.as_deref().unwrap_or("default");
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: asked.audience.clone().map(|audience| vec![audience]),
                expiration_seconds: asked.expiration_seconds,
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: self.pod.metadata.name.clone(),
                    uid: self.pod.metadata.uid.clone(),
                }),
            }),
            ..TokenRequest::default()
        };
        let accounts = Api::<ServiceAccount>::namespaced(self.client.clone(), &self.namespace);
        let made = accounts
            .create_token_request(account, &PostParams::default(), &request)
            .await?;
        made.status
            .and_then(|status| status.token)
            .context("a token was not made")
    }
}

fn there<T: Default>(found: Option<T>, optional: Option<bool>) -> Option<T> {
    found.or_else(|| optional.unwrap_or(false).then(T::default))
}

/// The value of a field that the downward API can name.
pub(super) fn field(pod: &Pod, address: IpAddr, path: &str) -> anyhow::Result<String> {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    Ok(match path {
        "metadata.name" => text(&pod.metadata.name),
        "metadata.namespace" => text(&pod.metadata.namespace),
        "metadata.uid" => text(&pod.metadata.uid),
        "metadata.labels" => lines(pod.labels()),
        "metadata.annotations" => lines(pod.annotations()),
        "spec.nodeName" => super::NODE_NAME.to_owned(),
        "spec.serviceAccountName" => text(&spec.service_account_name),
        "status.podIP" | "status.podIPs" => address.to_string(),
        "status.hostIP" | "status.hostIPs" => crate::network::NODE.to_string(),
        _ => keyed(pod, path).with_context(|| format!("the bed does not know the field {path}"))?,
    })
}

/// One label or annotation, as `metadata.labels['app']`.
fn keyed(pod: &Pod, path: &str) -> Option<String> {
    let (map, key) = path.strip_suffix("']")?.split_once("['")?;
    let found = match map {
        "metadata.labels" => pod.labels().get(key),
        "metadata.annotations" => pod.annotations().get(key),
        _ => return None,
    };
    Some(found.cloned().unwrap_or_default())
}

fn lines(map: &BTreeMap<String, String>) -> String {
    map.iter()
        .map(|(key, value)| format!("{key}={value:?}\n"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(path: &str, expected: Option<&str>) {
        let pod = json!({
            "metadata": { "name": "web-1", "namespace": "shop", "labels": { "app": "web", "a/b": "1" } },
            "spec": { "serviceAccountName": "web", "containers": [] },
        });
        let pod = serde_json::from_value(pod).unwrap();
        let found = field(&pod, [10, 244, 0, 9].into(), path).ok();
        assert_eq!(found.as_deref(), expected, "{path}");
    }

    #[test]
    fn fields_of_a_pod_have_values() {
        check("metadata.name", Some("web-1"));
        check("metadata.labels['a/b']", Some("1"));
        check("metadata.labels['none']", Some(""));
        check("metadata.labels", Some("a/b=\"1\"\napp=\"web\"\n"));
        check("spec.serviceAccountName", Some("web"));
        check("status.podIP", Some("10.244.0.9"));
        check("spec.hostname", None);
    }
}
