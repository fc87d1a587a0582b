//! What clients meet: one configuration for the life of the process, with certificates that change.

use super::{ALPN_H2, ALPN_HTTP1, Certificates, provider};
use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// TLS towards clients.
///
/// The configuration is made once so that session tickets outlive a change of certificates.
/// Sessions are kept in tickets only: a table of sessions would be a lock that all threads share.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
}

impl ServerTls {
    /// Every handshake reads the certificates that `certificates` holds at that moment.
    ///
    /// # Errors
    /// When there is no randomness for the ticket keys.
    pub fn new(certificates: Arc<ArcSwap<Certificates>>) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider().clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Current(certificates)));
        config.alpn_protocols = vec![ALPN_H2.to_vec(), ALPN_HTTP1.to_vec()];
        config.ticketer = Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.max_early_data_size = 0;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// What takes a socket through the handshake. The caller sets the time limit.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.clone())
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls")
    }
}

#[derive(Debug)]
struct Current(Arc<ArcSwap<Certificates>>);

impl ResolvesServerCert for Current {
    /// `None` ends the handshake with an alert; rustls hands the name over in lower case.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = self.0.load();
        let schemes = hello.signature_schemes();
        let mut named = certificates.named(hello.server_name());
        named
            .find(|key| key.key.choose_scheme(schemes).is_some())
            .cloned()
    }
}
