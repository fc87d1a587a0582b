//! The application most tests release: `web` on `shop.example.com`, with a stable version and a canary, each one backend
//! of the test that answers with its version's name.

use crate::backend::Backend;
use crate::client::{Body, get};
use crate::load::{Load, Tally};
use crate::manifests::{Manifests, SHOP, shop};
use crate::metrics::Metrics;
use crate::serve::Serve;
use crate::within;
use http::Request;
use std::net::SocketAddr;

/// Two versions, `stable` and `canary`, and the directory that names them.
pub struct Shop {
    /// The version that is there.
    pub stable: Backend,
    /// The version that is tried out.
    pub canary: Backend,
    /// What is served.
    pub manifests: Manifests,
}

impl Shop {
    /// With these annotations on the Service.
    ///
    /// # Errors
    /// When there is no free port or no directory.
    pub async fn new(annotations: &[(&str, &str)]) -> anyhow::Result<Self> {
        let shop = Self {
            stable: Backend::start("stable").await?,
            canary: Backend::start("canary").await?,
            manifests: Manifests::new()?,
        };
        shop.annotate(annotations)?;
        Ok(shop)
    }

    /// Replaces the annotations on the Service.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn annotate(&self, annotations: &[(&str, &str)]) -> anyhow::Result<()> {
        let pods = [
            ("stable", self.stable.address()),
            ("canary", self.canary.address()),
        ];
        self.manifests
            .write_objects("web.json", &shop(annotations, &pods))
    }

    /// Serves it.
    ///
    /// # Errors
    /// When it is not served in time.
    pub async fn serve(&self) -> anyhow::Result<Serve> {
        Serve::start(self.manifests.path()).await
    }
}

/// GETs of the shop's front page over so many connections.
pub fn load(target: SocketAddr, connections: u64) -> Load {
    Load::new(target, connections, front_page)
}

/// A GET of the shop's front page.
pub fn front_page() -> Request<Body> {
    get(SHOP, "/")
}

/// Fails with what went wrong if anything did.
///
/// # Panics
/// When a request failed.
#[track_caller]
pub fn assert_none_failed(tally: &Tally) {
    assert_eq!(tally.failed, 0, "{:?}", tally.failures);
}

/// The metrics once `total` requests are counted: a response reaches its client a moment before it is accounted for.
///
/// # Errors
/// When they are not in time, or are more.
pub async fn settled(serve: &Serve, total: u64) -> anyhow::Result<Metrics> {
    let counted = async {
        loop {
            let metrics = serve.metrics().await?;
            let sum = metrics.sum("haldane_requests_total", &[]) as u64;
            anyhow::ensure!(
                sum <= total,
                "{sum} requests are counted, {total} were sent"
            );
            if sum == total {
                return Ok(metrics);
            }
        }
    };
    within("all requests to be counted", counted).await?
}
