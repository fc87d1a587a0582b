//! What the controller wrote into the cluster: the annotation `haldane.dev/status` of Ingresses and Services.

use super::{Object, Report, Wanted};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::{Api, Client, Config, Resource, ResourceExt as _};
use serde::Deserialize;
use std::fmt::Debug;
use std::path::Path;

/// Where the controller writes it.
const STATUS: &str = "haldane.dev/status";

/// How many objects are asked for at once.
const PAGE: u32 = 500;

/// What the annotation holds.
#[derive(Debug, Deserialize)]
struct Status {
    generation: Option<String>,
    live: bool,
    proxies: String,
    problems: u64,
    #[serde(default)]
    held: bool,
}

pub(super) async fn report(
    kubeconfig: Option<&Path>,
    wanted: Option<&Wanted>,
) -> anyhow::Result<Report> {
    let client = client(kubeconfig).await?;
    let mut objects = found::<Ingress>(&client, wanted).await?;
    objects.extend(found::<Service>(&client, wanted).await?);
    Ok(Report {
        objects,
        ..Report::default()
    })
}

async fn client(kubeconfig: Option<&Path>) -> anyhow::Result<Client> {
    let config = match kubeconfig {
        Some(path) => {
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
        }
        None => Config::infer().await?,
    };
    Ok(Client::try_from(config)?)
}

/// The objects of one kind that have a status, or the one that is wanted.
async fn found<K>(client: &Client, wanted: Option<&Wanted>) -> kube::Result<Vec<Object>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug,
{
    let all = Api::<PartialObjectMeta<K>>::all(client.clone());
    let objects = match wanted {
        None => listed(&all).await?,
        Some(Wanted { namespace, name }) => {
            let api = Api::<PartialObjectMeta<K>>::namespaced(client.clone(), namespace);
            api.get_opt(name).await?.into_iter().collect()
        }
    };
    Ok(objects.iter().filter_map(object).collect())
}

async fn listed<K>(api: &Api<PartialObjectMeta<K>>) -> kube::Result<Vec<PartialObjectMeta<K>>>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug,
{
    let mut objects = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await?;
        objects.extend(list.items);
        page.continue_token = list.metadata.continue_.filter(|token| !token.is_empty());
        if page.continue_token.is_none() {
            return Ok(objects);
        }
    }
}

/// `None` if the controller has said nothing about it, or another one has in its own way.
fn object<K>(found: &PartialObjectMeta<K>) -> Option<Object>
where
    K: Resource<DynamicType = ()> + Clone,
{
    let status: Status = serde_json::from_str(found.annotations().get(STATUS)?).ok()?;
    let namespace = found.namespace().unwrap_or_default();
    Some(Object {
        object: format!("{} {namespace}/{}", K::kind(&()), found.name_any()),
        generation: status.generation,
        live: status.live,
        proxies: status.proxies,
        problems: status.problems,
        held: status.held,
    })
}
