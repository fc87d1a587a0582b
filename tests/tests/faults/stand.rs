//! A proxy before backends of the ledger.

use haldane_tests::ledger::{Audit, Clients, Ledger, Target};
use haldane_tests::manifests::{Manifests, shop};
use haldane_tests::serve::Serve;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::PathBuf;

/// `haldane serve` with an access log, before backends of the ledger.
pub(crate) struct Stand {
    pub(crate) ledger: Ledger,
    pub(crate) serve: Serve,
    manifests: Manifests,
    logs: tempfile::TempDir,
}

impl Stand {
    /// Before the pods of one version.
    pub(crate) async fn before(ledger: &Ledger, targets: &[&Target]) -> anyhow::Result<Self> {
        Self::of(ledger, &shop(&[], &pods(targets)), &[]).await
    }

    /// Of these objects, with further arguments.
    pub(crate) async fn of(
        ledger: &Ledger,
        objects: &[Value],
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let manifests = Manifests::of(objects)?;
        let logs = tempfile::tempdir()?;
        let log = logs.path().join("0").display().to_string();
        let args = [&arguments(&log)[..], more].concat();
        Ok(Self {
            ledger: ledger.clone(),
            serve: Serve::start_with(manifests.path(), &args).await?,
            manifests,
            logs,
        })
    }

    pub(crate) fn clients(&self) -> Clients {
        Clients::of(&self.ledger, &[self.serve.http])
    }

    /// Routes to the pods of one version from now on.
    pub(crate) async fn route(&self, targets: &[&Target]) -> anyhow::Result<()> {
        self.change(&shop(&[], &pods(targets))).await
    }

    /// Routes by these objects from now on: when this returns, nothing is sent by the ones before any more.
    pub(crate) async fn change(&self, objects: &[Value]) -> anyhow::Result<()> {
        let mark = self.serve.mark();
        self.manifests.write_objects("objects.json", objects)?;
        self.serve.generation_after(mark).await?;
        Ok(())
    }

    pub(crate) async fn audit(&self) -> anyhow::Result<Audit> {
        Audit::of(&self.ledger, &[&self.log()]).await
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.logs.path().join("0")
    }
}

/// Two workers, so that they can be wrong about each other; ids are taken over from clients.
pub(crate) fn arguments(log: &str) -> [&str; 6] {
    [
        "--workers",
        "2",
        "--trusted",
        "127.0.0.0/8",
        "--access-log",
        log,
    ]
}

pub(crate) fn pods(targets: &[&Target]) -> Vec<(&'static str, SocketAddr)> {
    let pods = targets.iter().map(|target| ("1.0", target.address));
    pods.collect()
}
