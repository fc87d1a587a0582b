//! A proxy before backends of the ledger.

use haldane_tests::ledger::{Audit, Clients, Ledger, Target};
use haldane_tests::manifests::{Manifests, shop};
use haldane_tests::plane::until;
use haldane_tests::process::Signal;
use haldane_tests::raw::{Pace, Raw};
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
        Self::with_descriptors(ledger, objects, more, None).await
    }

    /// As [`Stand::of`], with so many descriptors that the proxy may have.
    pub(crate) async fn with_descriptors(
        ledger: &Ledger,
        objects: &[Value],
        more: &[&str],
        descriptors: Option<usize>,
    ) -> anyhow::Result<Self> {
        let manifests = Manifests::of(objects)?;
        let logs = tempfile::tempdir()?;
        let log = logs.path().join("0").display().to_string();
        let args = [&arguments(&log)[..], more].concat();
        let serve = match descriptors {
            None => Serve::start_with(manifests.path(), &args).await?,
            Some(most) => Serve::with_descriptors(manifests.path(), &args, most).await?,
        };
        Ok(Self {
            ledger: ledger.clone(),
            serve,
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
        self.write(objects)?;
        self.serve.generation_after(mark).await?;
        Ok(())
    }

    /// Lets the proxy find these objects, whatever it makes of them.
    pub(crate) fn write(&self, objects: &[Value]) -> anyhow::Result<()> {
        self.manifests.write_objects("objects.json", objects)
    }

    /// Has the proxy begin a new log, while nobody asks it anything, and throws the old one away.
    pub(crate) async fn begin_log(&self) -> anyhow::Result<()> {
        let (log, old) = (self.log(), self.log().with_extension("old"));
        std::fs::rename(&log, &old)?;
        self.serve.signal(Signal::HUP)?;
        until("a new log", || async { Ok(log.exists().then_some(())) }).await?;
        Ok(std::fs::remove_file(old)?)
    }

    /// Sends every beginning of these bytes, the whole included, and closes or resets behind each.
    pub(crate) async fn break_off(&self, bytes: &[u8]) -> anyhow::Result<()> {
        for at in 0..=bytes.len() {
            for reset in [false, true] {
                let mut raw = Raw::to(self.serve.http).await?;
                raw.write(&bytes[..at], Pace::Whole).await;
                if reset {
                    raw.reset();
                }
            }
        }
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
