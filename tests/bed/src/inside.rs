//! A bed from within its namespaces: everything is started here, in order, and ends with this process.

use crate::control_plane::{self, ControlPlane};
use crate::kubelet::{self, Host};
use crate::namespace::{self, STATE};
use crate::programs::Programs;
use crate::{network, services};
use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A bed that runs. It ends with this value.
pub struct Bed {
    control_plane: ControlPlane,
    tasks: [JoinHandle<anyhow::Result<()>>; 3],
    /// How long it took to be ready.
    pub took: Duration,
}

impl Bed {
    /// Brings it up. To be called once, by the first process of new namespaces ([`namespace::entering`]).
    ///
    /// # Errors
    /// When a part is not ready in time: with the end of its log.
    pub async fn up(programs: &Programs, haldane: PathBuf) -> anyhow::Result<Self> {
        let begun = Instant::now();
        namespace::prepare()?;
        let control_plane = control_plane::start(programs, Path::new(STATE)).await?;
        let client = control_plane.client.clone();
        let pods = Path::new(STATE).join("pods");
        std::fs::create_dir(&pods).with_context(|| format!("creating {}", pods.display()))?;
        let host = Host::register(client.clone(), pods, haldane).await?;
        let logs = kubelet::logs::listen(network::NODE, host.clone()).await?;
        let tasks = [
            tokio::spawn(logs),
            tokio::spawn(kubelet::run(host)),
            tokio::spawn(services::run(client)),
        ];
        Ok(Self {
            control_plane,
            tasks,
            took: begun.elapsed(),
        })
    }

    /// The administrator's kubeconfig, to be read inside.
    pub fn kubeconfig(&self) -> &Path {
        &self.control_plane.kubeconfig
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
