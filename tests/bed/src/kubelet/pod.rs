//! One Pod: bound, prepared, run, reported, and removed when it has ended as it was asked to.

use super::Host;
use super::container::{Restart, Runner};
use super::launch::{self, Launch, Refused};
use super::life::{Life, Slot};
use super::resolve::Resolver;
use super::state::{Phase, Seen, Whole};
use super::volume;
use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Binding, Container, ObjectReference, Pod, PodSpec};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt as _};
use serde_json::json;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// The pause before something is tried again that the API server or a missing object refused.
const RETRY: Duration = Duration::from_millis(250);
/// How often Secrets and ConfigMaps of a running Pod are looked at.
const REFRESH: Duration = Duration::from_secs(2);

/// A Pod that runs here.
struct Worker {
    host: Arc<Host>,
    pods: Api<Pod>,
    life: Life,
    name: String,
    uid: String,
    spec: PodSpec,
    folder: PathBuf,
    resolver: Resolver,
    address: IpAddr,
}

/// Runs a Pod until the API has it no more; then everything of it ends at once.
pub(super) async fn run(host: Arc<Host>, pod: watch::Receiver<Arc<Pod>>) {
    let worker = match Worker::new(host, pod) {
        Ok(worker) => worker,
        Err(error) => return tracing::error!(%error, "a pod cannot run"),
    };
    tokio::select! {
        () = worker.life.gone() => {}
        () = worker.live() => {}
    }
    // Logs end with the Pod, as in life.
    let _ = std::fs::remove_dir_all(&worker.folder);
}

impl Worker {
    fn new(host: Arc<Host>, pod: watch::Receiver<Arc<Pod>>) -> anyhow::Result<Self> {
        let now = pod.borrow().clone();
        let namespace = now.namespace().unwrap_or_default();
        let spec = now.spec.clone().unwrap_or_default();
        let (name, uid) = (now.name_any(), now.uid().unwrap_or_default());
        let address = host.next_address()?;
        let folder = host.folder(&namespace, &name, &uid);
        std::fs::create_dir_all(&folder)?;
        let whole = Whole {
            address,
            began: Timestamp::now(),
            init: spec.init_containers.iter().flatten().map(seen).collect(),
            main: spec.containers.iter().map(seen).collect(),
        };
        Ok(Self {
            pods: Api::namespaced(host.client.clone(), &namespace),
            resolver: Resolver::new(&host, now, address),
            life: Life::new(pod, whole),
            host,
            name,
            uid,
            spec,
            folder,
            address,
        })
    }

    async fn live(&self) {
        // A Pod with an address and no node is an error to the EndpointSlice controller, which it takes its time over.
        self.bind().await;
        tokio::select! {
            () = self.run_to_the_end() => {}
            () = self.report() => {}
        }
    }

    async fn run_to_the_end(&self) {
        tokio::select! {
            _ = self.life.deleted() => {}
            () = self.volumes() => {}
        }
        tokio::select! {
            () = self.run_all() => {}
            () = self.refresh() => {}
        }
        // One that ended by itself stays to be looked at.
        self.life.deleted().await;
        self.remove().await;
    }

    /// Says that the Pod runs here, unless somebody has.
    async fn bind(&self) {
        if self.spec.node_name.is_some() {
            return;
        }
        let target = ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(super::NODE_NAME.to_owned()),
            ..ObjectReference::default()
        };
        let mut binding = Binding {
            target,
            ..Binding::default()
        };
        binding.metadata.name = Some(self.name.clone());
        let params = PostParams::default();
        let bound = self
            .pods
            .create_subresource::<_, serde_json::Value>("binding", &self.name, &params, &binding);
        if let Err(error) = bound.await {
            // Somebody else was first, or the Pod is gone, which is heard of elsewhere.
            tracing::debug!(pod = self.name, %error, "binding a pod");
        }
    }

    /// Returns once all volumes are written; what is missing may come.
    async fn volumes(&self) {
        let folder = launch::volumes(&self.folder);
        while let Err(error) = volume::write_all(&self.resolver, &folder).await {
            let message = format!("{error:#}");
            self.note_refused(&Refused {
                reason: "ContainerCreating",
                message,
            });
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Never returns.
    async fn refresh(&self) {
        let folder = launch::volumes(&self.folder);
        loop {
            tokio::time::sleep(REFRESH).await;
            if let Err(error) = volume::write_all(&self.resolver, &folder).await {
                tracing::debug!(pod = self.name, %error, "writing volumes again");
            }
        }
    }

    /// All containers: the first ones one after the other, then the others together.
    async fn run_all(&self) {
        let own = Restart::parse(self.spec.restart_policy.as_deref());
        let first = if own == Restart::Always {
            Restart::OnFailure
        } else {
            own
        };
        for (index, container) in self.spec.init_containers.iter().flatten().enumerate() {
            self.run_one(container, Slot::Init(index), first).await;
            if !self.has_succeeded(index) {
                return;
            }
        }
        let containers = self.spec.containers.iter().enumerate();
        let runs =
            containers.map(|(index, container)| self.run_one(container, Slot::Main(index), own));
        join_all(runs).await;
    }

    async fn run_one(&self, container: &Container, slot: Slot, restart: Restart) {
        let launch = tokio::select! {
            _ = self.life.deleted() => return,
            launch = self.launch(container, slot) => launch,
        };
        let runner = Runner {
            container: container.clone(),
            launch,
            life: self.life.clone(),
            slot,
            address: self.address,
            restart,
        };
        runner.run().await;
    }

    async fn launch(&self, container: &Container, slot: Slot) -> Launch {
        loop {
            match Launch::of(container, &self.resolver, &self.host, &self.folder).await {
                Ok(launch) => return launch,
                Err(Refused { reason, message }) => {
                    self.life
                        .note(slot, |seen| seen.phase = Phase::Waiting { reason, message });
                }
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    fn has_succeeded(&self, init: usize) -> bool {
        let noted = self.life.noted();
        let whole = noted.borrow();
        whole.init[init].phase == Phase::Ended { code: 0 }
    }

    fn note_refused(&self, refused: &Refused) {
        let Refused { reason, message } = refused;
        self.life.note_all(|seen| {
            seen.phase = Phase::Waiting {
                reason,
                message: message.clone(),
            };
        });
    }

    /// Tells the API what is noted, whenever it changes. Never returns.
    async fn report(&self) {
        let mut noted = self.life.noted();
        noted.mark_changed();
        let mut told = None;
        while noted.changed().await.is_ok() {
            let status = noted.borrow_and_update().status();
            if told.as_ref() == Some(&status) {
                continue;
            }
            let patch = Patch::Merge(json!({ "metadata": { "uid": self.uid }, "status": status }));
            match self
                .pods
                .patch_status(&self.name, &PatchParams::default(), &patch)
                .await
            {
                Ok(_) => told = Some(status),
                Err(error) => {
                    tracing::debug!(pod = self.name, %error, "writing a pod's status");
                    tokio::time::sleep(RETRY).await;
                    noted.mark_changed();
                }
            }
        }
    }

    /// Says that nothing of the Pod is left; the API server then forgets it.
    async fn remove(&self) {
        let at_once = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(Preconditions {
                uid: Some(self.uid.clone()),
                ..Preconditions::default()
            }),
            ..DeleteParams::default()
        };
        while let Err(error) = self.pods.delete(&self.name, &at_once).await {
            tracing::debug!(pod = self.name, %error, "removing a pod");
            tokio::time::sleep(RETRY).await;
        }
    }
}

fn seen(container: &Container) -> Seen {
    Seen::new(
        &container.name,
        container.image.as_deref().unwrap_or_default(),
    )
}
