//! What the parts of one running Pod share: what the API wants of it, and what is to be told to the API.

use super::state::{Seen, Whole};
use k8s_openapi::api::core::v1::Pod;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// A Pod's life. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pod: watch::Receiver<Arc<Pod>>,
    whole: Arc<watch::Sender<Whole>>,
}

/// One of a Pod's containers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Slot {
    Init(usize),
    Main(usize),
}

impl Life {
    pub(super) fn new(pod: watch::Receiver<Arc<Pod>>, whole: Whole) -> Self {
        let whole = Arc::new(watch::Sender::new(whole));
        Self { pod, whole }
    }

    /// The Pod as the API has it now.
    pub(super) fn pod(&self) -> Arc<Pod> {
        self.pod.borrow().clone()
    }

    /// Waits until the API has the Pod no more.
    pub(super) async fn gone(&self) {
        let mut pod = self.pod.clone();
        while pod.changed().await.is_ok() {}
    }

    /// Waits until the Pod is asked to end; the time it is given.
    pub(super) async fn deleted(&self) -> Duration {
        let mut pod = self.pod.clone();
        let asked = pod
            .wait_for(|pod| pod.metadata.deletion_timestamp.is_some())
            .await;
        let grace = asked
            .ok()
            .and_then(|pod| pod.metadata.deletion_grace_period_seconds);
        Duration::from_secs(
            grace
                .and_then(|grace| u64::try_from(grace).ok())
                .unwrap_or(0),
        )
    }

    /// Notes something about a container.
    pub(super) fn note(&self, slot: Slot, change: impl FnOnce(&mut Seen)) {
        self.whole.send_modify(|whole| match slot {
            Slot::Init(index) => change(&mut whole.init[index]),
            Slot::Main(index) => change(&mut whole.main[index]),
        });
    }

    /// Notes something about all containers.
    pub(super) fn note_all(&self, mut change: impl FnMut(&mut Seen)) {
        self.whole.send_modify(|whole| {
            whole
                .init
                .iter_mut()
                .chain(&mut whole.main)
                .for_each(&mut change);
        });
    }

    /// What is noted, now and as it changes.
    pub(super) fn noted(&self) -> watch::Receiver<Whole> {
        self.whole.subscribe()
    }
}
