//! What the suites are run against: one page on `localhost`, in clear and over TLS.

use haldane_tests::backend::Backend;
use haldane_tests::manifests::{Manifests, ingress, pod, secret, service, with_certificate};
use haldane_tests::serve::Serve;
use haldane_tests::tls::Certificate;
use std::net::SocketAddr;

/// The host that the suites ask for.
pub(crate) const HOST: &str = "localhost";

/// `haldane serve` before a backend that answers everything with a few words.
pub(crate) struct Front {
    serve: Serve,
    _manifests: Manifests,
    _backend: Backend,
}

impl Front {
    pub(crate) async fn set() -> anyhow::Result<Self> {
        let (certificate, backend) = (Certificate::of(HOST)?, Backend::start("a few words").await?);
        let pair = [
            ("tls.crt", &*certificate.pem()),
            ("tls.key", &*certificate.key_pem()),
        ];
        // Asked for in clear, the page is not sent elsewhere.
        let stays = [("haldane.dev/ssl-redirect", "false")];
        let manifests = Manifests::of(&[
            service("web", &[]),
            with_certificate(ingress("web", &stays, HOST, "web"), HOST, "web-tls"),
            secret("web-tls", "kubernetes.io/tls", &pair),
            pod("web", "1.0", backend.address()),
        ])?;
        Ok(Self {
            serve: Serve::start_with(manifests.path(), &["--https", "127.0.0.1:0"]).await?,
            _manifests: manifests,
            _backend: backend,
        })
    }

    /// Where it listens in clear.
    pub(crate) fn http(&self) -> SocketAddr {
        self.serve.http
    }

    /// Where it listens for TLS.
    pub(crate) fn https(&self) -> SocketAddr {
        self.serve.https.expect("https was asked for")
    }

    /// Fails if a panic was printed meanwhile.
    pub(crate) fn assert_sound(&self) {
        let errors = self.serve.errors();
        let panic = errors.iter().find(|line| line.contains("panicked"));
        assert_eq!(panic, None);
    }
}
