//! The running proxy and the directory of manifests that it routes by: every change is a file written, read back,
//! translated and installed, as `haldane serve` does it.

use super::live::Live;
use crate::load::{self, Source};
use anyhow::Context as _;
use haldane_proxy::metrics::{SeriesKey, Share, Totals};
use haldane_proxy::{Config, Proxy};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Everything but the pods.
pub(crate) struct World {
    proxy: Proxy,
    address: SocketAddr,
    live: Arc<Live>,
    manifests: TempDir,
    seed: u64,
    writing: Mutex<()>,
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

impl World {
    /// Starts a proxy on a free port, with nothing to route yet.
    ///
    /// # Errors
    /// When the system has no port, thread or directory for it.
    pub(crate) fn start(live: Arc<Live>) -> anyhow::Result<Arc<Self>> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let proxy = Proxy::start(Config {
            http: Some(any),
            ..Config::default()
        })?;
        Ok(Arc::new(Self {
            address: proxy.http_address().context("the proxy serves no HTTP")?,
            manifests: tempfile::Builder::new().prefix("haldane-demo-").tempdir()?,
            seed: rand::random(),
            writing: Mutex::new(()),
            begun: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            proxy,
            live,
        }))
    }

    /// Where the proxy listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is shown.
    pub(crate) fn live(&self) -> &Live {
        &self.live
    }

    /// Tables that were given to the proxy so far.
    pub(crate) fn tables_begun(&self) -> u64 {
        self.begun.load(SeqCst)
    }

    /// Tables that the proxy said it routes by so far.
    pub(crate) fn tables_acknowledged(&self) -> u64 {
        self.acknowledged.load(SeqCst)
    }

    /// Writes one Service's manifests and puts all of them in force; acknowledged when this returns.
    ///
    /// # Errors
    /// When the manifests have a fault or the proxy refuses the table.
    pub(crate) async fn apply(&self, service: &str, manifests: &str) -> anyhow::Result<()> {
        let _one_at_a_time = self.writing.lock().await;
        std::fs::write(
            self.manifests.path().join(format!("{service}.yaml")),
            manifests,
        )?;
        let table = self.read(self.manifests.path())?;
        self.begun.fetch_add(1, SeqCst);
        self.proxy.install(Arc::new(table)).await?;
        self.acknowledged.fetch_add(1, SeqCst);
        Ok(())
    }

    fn read(&self, manifests: &Path) -> anyhow::Result<haldane_routing::Table> {
        let source = Source {
            class: "haldane".to_owned(),
            allow_external_name: false,
        };
        let loaded = load::load(&[manifests.to_owned()], &source);
        let problems: Vec<String> = loaded.problems.iter().map(ToString::to_string).collect();
        anyhow::ensure!(
            !loaded.has_errors(),
            "the demo's manifests have errors:\n{}",
            problems.join("\n")
        );
        load::build(&loaded.table, Some(&self.proxy.table()), self.seed)
    }

    /// What the proxy counted of one Service's Ingress.
    pub(crate) fn counted(&self, service: &str) -> Vec<(SeriesKey, Totals)> {
        let mut totals = self.proxy.metrics().totals();
        totals.retain(|(key, _)| key.ingress == service);
        totals
    }

    /// The same, apart for each share that a version had lately.
    pub(crate) fn counted_by_share(
        &self,
        service: &str,
    ) -> Vec<(SeriesKey, Vec<(Share, haldane_wire::Totals)>)> {
        self.proxy.metrics().settle();
        let mut counted = self.proxy.metrics().by_share();
        counted.retain(|(key, _)| key.ingress == service);
        counted
    }
}
