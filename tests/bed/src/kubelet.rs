//! The kubelet's stand-in: binds every Pod to the one node there is and runs it, as programs of this machine.
//!
//! What a Pod asks for is honoured as far as listed here: image (a name for one of Haldane's programs), command, args,
//! environment, Secret, ConfigMap, projected, downward API and emptyDir volumes, user, read-only root, probes, hooks,
//! grace, restarts. Pods share the bed's network: each has an address of its own, and addresses that mean "this machine"
//! in arguments become the Pod's. Resources, capabilities and updates of a running container are not looked at.

mod ask;
pub mod contain;
mod container;
mod environment;
mod grpc_health;
mod image;
mod launch;
mod life;
mod local;
pub mod logs;
mod pod;
mod probe;
mod resolve;
mod state;
mod volume;

use crate::network;
use anyhow::Context as _;
use futures_util::TryStreamExt as _;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Patch, PatchParams, PostParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tokio::sync::watch;

/// The only node.
pub const NODE_NAME: &str = "bed";

/// The node that pods run on.
pub struct Host {
    client: Client,
    /// Where each pod has a folder.
    pods: PathBuf,
    /// Where Haldane's programs are.
    haldane: PathBuf,
    /// How many pods have been given an address.
    addresses: AtomicU32,
}

impl Host {
    /// Creates the Node object; without it no Pod is an endpoint.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn register(
        client: Client,
        pods: PathBuf,
        haldane: PathBuf,
    ) -> anyhow::Result<Arc<Self>> {
        let nodes = Api::<Node>::all(client.clone());
        let labels = json!({ "kubernetes.io/hostname": NODE_NAME, "kubernetes.io/os": "linux" });
        let node = json!({ "metadata": { "name": NODE_NAME, "labels": labels } });
        let node = serde_json::from_value(node).expect("this is a node");
        nodes
            .create(&PostParams::default(), &node)
            .await
            .context("creating the node")?;
        let status = json!({ "status": {
            "addresses": [{ "type": "InternalIP", "address": network::NODE }],
            "conditions": [{ "type": "Ready", "status": "True", "reason": "Bed", "message": "" }],
            "daemonEndpoints": { "kubeletEndpoint": { "Port": network::KUBELET_PORT } },
            "capacity": { "cpu": "64", "memory": "64Gi", "pods": "1000" },
            "allocatable": { "cpu": "64", "memory": "64Gi", "pods": "1000" },
        }});
        nodes
            .patch_status(NODE_NAME, &PatchParams::default(), &Patch::Merge(status))
            .await?;
        Ok(Arc::new(Self {
            client,
            pods,
            haldane,
            addresses: AtomicU32::new(0),
        }))
    }

    fn next_address(&self) -> anyhow::Result<IpAddr> {
        let number = self.addresses.fetch_add(1, Relaxed);
        network::pod(number).context("no pod address is left")
    }

    /// Where a pod's files are: named so that they can be found by what its API names it.
    fn folder(&self, namespace: &str, name: &str, uid: &str) -> PathBuf {
        self.pods.join(format!("{namespace}_{name}_{uid}"))
    }
}

/// The pods that run, each told what the API says about it last. Without a sender it is there no more.
type Running = HashMap<String, watch::Sender<Arc<Pod>>>;

/// Runs every Pod there is, until dropped.
///
/// # Errors
/// When the watch ends, which it does not.
pub async fn run(host: Arc<Host>) -> anyhow::Result<()> {
    let pods = Api::<Pod>::all(host.client.clone());
    let events = kube::runtime::watcher(pods, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    let (mut running, mut listed) = (Running::new(), HashSet::new());
    loop {
        // Errors are met with a longer and longer pause, and then a new list.
        match events.try_next().await {
            Ok(Some(event)) => handle(&host, &mut running, &mut listed, event),
            Ok(None) => anyhow::bail!("the watch of pods has ended"),
            Err(error) => tracing::warn!(%error, "watching pods"),
        }
    }
}

fn handle(
    host: &Arc<Host>,
    running: &mut Running,
    listed: &mut HashSet<String>,
    event: Event<Pod>,
) {
    match event {
        Event::Init => listed.clear(),
        Event::InitApply(pod) => {
            listed.extend(pod.uid());
            tell(host, running, pod);
        }
        Event::InitDone => running.retain(|uid, _| listed.contains(uid)),
        Event::Apply(pod) => tell(host, running, pod),
        // Dropping the sender says that it is gone.
        Event::Delete(pod) => drop(pod.uid().and_then(|uid| running.remove(&uid))),
    }
}

fn tell(host: &Arc<Host>, running: &mut Running, pod: Pod) {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let Some(uid) = pod.uid() else { return };
    if node.is_some_and(|node| node != NODE_NAME) {
        return;
    }
    let pod = Arc::new(pod);
    if let Some(known) = running.get(&uid) {
        known.send_replace(pod);
        return;
    }
    let (sender, receiver) = watch::channel(pod);
    running.insert(uid, sender);
    tokio::spawn(pod::run(host.clone(), receiver));
}
