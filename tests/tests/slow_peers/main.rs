//! Peers that are slow on purpose, and many of them: each bound on what they may hold is kept, and others are served
//! meanwhile. What is asserted are counts and sizes, never speed; `HALDANE_TEST_SCALE` multiplies how many there are.

mod answers;
mod bodies;
mod connections;
mod frames;
mod heads;
mod memory;

use haldane_tests::backend::{Backend, Handler, naming};
use haldane_tests::client::Client;
use haldane_tests::manifests::{Manifests, SHOP, ingress, pod, service};
use haldane_tests::serve::Serve;
use haldane_tests::{usage, within};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often a slow peer moves.
const TICK: Duration = Duration::from_millis(100);

fn ticks() -> Interval {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// A proxy with these flags before a backend.
struct Bench {
    serve: Serve,
    backend: Backend,
    _manifests: Manifests,
}

impl Bench {
    /// The backend says "good".
    async fn set(flags: &[&str]) -> anyhow::Result<Self> {
        Self::before(naming("good"), flags, &[]).await
    }

    async fn before(
        handler: Handler,
        flags: &[&str],
        annotations: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let backend = Backend::with(handler).await?;
        let manifests = Manifests::of(&[
            service("web", &[]),
            ingress("web", annotations, SHOP, "web"),
            pod("web", "1.0", backend.address()),
        ])?;
        let flags = [&["--workers", "1"], flags].concat();
        Ok(Self {
            serve: Serve::start_with(manifests.path(), &flags).await?,
            backend,
            _manifests: manifests,
        })
    }

    /// A new client is served.
    async fn serves(&self) -> anyhow::Result<()> {
        let answer = Client::h1(self.serve.http).await?.get(SHOP, "/").await?;
        anyhow::ensure!(answer.status == 200, "{answer:?}");
        Ok(())
    }

    /// Waits until so many clients are connected.
    async fn connected(&self, wanted: impl Fn(u64) -> bool) -> anyhow::Result<()> {
        let counted = async {
            loop {
                let metrics = self.serve.metrics().await?;
                let http = metrics.sum("haldane_connections", &[("listener", "http")]);
                let https = metrics.sum("haldane_connections", &[("listener", "https")]);
                if wanted((http + https) as u64) {
                    return anyhow::Ok(());
                }
            }
        };
        within("clients to come or go", counted).await?
    }

    /// How many connections or requests were refused for this reason.
    async fn refused(&self, reason: &str) -> anyhow::Result<f64> {
        let metrics = self.serve.metrics().await?;
        Ok(metrics.sum("haldane_refused_total", &[("reason", reason)]))
    }

    /// What the system says about the process's memory, in bytes.
    fn memory(&self, field: &str) -> anyhow::Result<u64> {
        usage::memory(self.serve.id()?, field)
    }

    /// How many descriptors the process has open.
    fn descriptors(&self) -> anyhow::Result<usize> {
        Ok(std::fs::read_dir(format!("/proc/{}/fd", self.serve.id()?))?.count())
    }
}

/// Waits until the other side closes or resets.
async fn closed(stream: &mut (impl AsyncRead + Unpin)) -> anyhow::Result<()> {
    let mut rest = Vec::new();
    let _ = within("a close", stream.read_to_end(&mut rest)).await?;
    Ok(())
}
