//! One Service of the demo: its pods, its annotations, and what everybody counted of its traffic.

use super::counts::{Charged, Counts, Name, Observed};
use super::load::{self, Audience, Control, Load, Target};
use super::manifests::{self, Pod};
use super::world::World;
use crate::echo::{Backend, Faults, Identity};
use haldane_proxy::metrics::{SeriesKey, Share};
use http::HeaderValue;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::sync::Mutex;

/// A Service over the pods of two versions.
pub(crate) struct Release {
    world: Arc<World>,
    service: &'static str,
    versions: [Name; 2],
    host: HeaderValue,
    parts: Mutex<Parts>,
}

struct Parts {
    annotations: Vec<String>,
    pods: Vec<(Name, Backend)>,
    stopped: Counts,
}

/// Where all counters stood.
pub(crate) struct Mark {
    pods: Counts,
    charged: Charged,
}

impl Release {
    /// Starts so many pods of each version; nothing is routed to them yet.
    ///
    /// # Errors
    /// When there is no port left.
    pub(crate) async fn start(
        world: &Arc<World>,
        service: &'static str,
        pods: [(Name, usize); 2],
    ) -> anyhow::Result<Self> {
        Self::with_faults(world, service, pods, Faults::default()).await
    }

    /// The same, with something wrong with each pod of the second version.
    ///
    /// # Errors
    /// As [`Release::start`].
    pub(crate) async fn with_faults(
        world: &Arc<World>,
        service: &'static str,
        pods: [(Name, usize); 2],
        faults: Faults,
    ) -> anyhow::Result<Self> {
        let mut running = Vec::new();
        for (version, count) in pods {
            for number in 1..=count {
                let name = format!("{service}-{version}-{number}");
                let mut identity = Identity::new(&name, version);
                if version == pods[1].0 {
                    identity.faults = faults;
                }
                let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                running.push((version, Backend::start(any, identity).await?));
            }
        }
        let versions = pods.map(|(version, _)| version);
        world.live().begin(versions);
        Ok(Self {
            world: world.clone(),
            service,
            versions,
            host: HeaderValue::from_str(&manifests::host(service))?,
            parts: Mutex::new(Parts {
                annotations: Vec::new(),
                pods: running,
                stopped: Counts::default(),
            }),
        })
    }

    /// Writes annotations in the place of those before, and says so. In force when this returns.
    ///
    /// # Errors
    /// When the manifests have a fault.
    pub(crate) async fn annotate(&self, annotations: &[(&str, &str)]) -> anyhow::Result<()> {
        self.world.live().say_annotation(first(annotations));
        self.reannotate(annotations).await
    }

    /// The same, without a word: one of many changes.
    ///
    /// # Errors
    /// When the manifests have a fault.
    pub(crate) async fn reannotate(&self, annotations: &[(&str, &str)]) -> anyhow::Result<()> {
        let mut parts = self.parts.lock().await;
        parts.annotations = annotations
            .iter()
            .map(|(name, value)| manifests::annotation(name, value))
            .collect();
        self.world.live().show_annotation(first(annotations));
        self.apply(&parts).await
    }

    /// The endpoints of a version go, then its pods end.
    ///
    /// # Errors
    /// When the manifests have a fault.
    pub(crate) async fn lose(&self, version: Name) -> anyhow::Result<()> {
        let mut parts = self.parts.lock().await;
        let (gone, left): (Vec<_>, Vec<_>) = std::mem::take(&mut parts.pods)
            .into_iter()
            .partition(|pod| pod.0 == version);
        parts.pods = left;
        let applied = self.apply(&parts).await;
        for (version, pod) in gone {
            parts.stopped.add(version, pod.stop().await);
        }
        applied
    }

    async fn apply(&self, parts: &Parts) -> anyhow::Result<()> {
        let pods = parts.pods.iter().map(|(version, backend)| Pod {
            name: &backend.identity().name,
            version,
            address: backend.address(),
        });
        let text = manifests::release(self.service, &parts.annotations, &pods.collect::<Vec<_>>());
        self.world.apply(self.service, &text).await
    }

    /// Sends traffic, and tells what everybody counted of it.
    pub(crate) async fn send(
        &self,
        load: Load,
        control: &Control,
        audience: Arc<dyn Audience>,
    ) -> Observed {
        let before = self.mark().await;
        let target = Target {
            world: self.world.clone(),
            host: self.host.clone(),
            versions: self.versions,
        };
        let sent = load::send(load, &target, control, audience).await;
        let after = self.mark().await;
        let charged = after.charged.since(&before.charged);
        Observed {
            sent: sent.requests,
            failed: sent.failed,
            clients: sent.by_version,
            pods: after.pods.since(&before.pods),
            proxy: charged.served(self.versions),
            charged,
        }
    }

    /// What the proxy counted of it, apart for each share that a version had.
    pub(crate) fn counted_by_share(&self) -> Vec<(SeriesKey, Vec<(Share, haldane_wire::Totals)>)> {
        self.world.counted_by_share(self.service)
    }

    async fn mark(&self) -> Mark {
        let parts = self.parts.lock().await;
        let mut pods = parts.stopped.clone();
        parts
            .pods
            .iter()
            .for_each(|(version, pod)| pods.add(version, pod.requests()));
        let mut charged = Charged::default();
        for (key, totals) in self.world.counted(self.service) {
            charged.add(&key.version, key.by, totals.begun);
        }
        Mark { pods, charged }
    }

    /// Ends the pods; the act is over.
    pub(crate) async fn end(self) {
        for (_, pod) in self.parts.into_inner().pods {
            drop(pod);
        }
    }
}

/// The one that the act is about.
fn first(annotations: &[(&str, &str)]) -> String {
    annotations
        .first()
        .map(|(name, value)| manifests::annotation(name, value))
        .unwrap_or_default()
}
