//! Encrypted connections: a certificate made for the run, and clients that trust it alone.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, RootCertStore};

use super::{Plan, Stream};
use crate::case::{Ask, GRPC_HOST, Way};

/// What peers show: a certificate for the hosts of the benchmark that signs itself, with a P-256 key.
pub(crate) struct Certificate {
    /// The certificate as PEM.
    pub(crate) pem: String,
    /// Its key as PEM.
    pub(crate) key_pem: String,
    der: CertificateDer<'static>,
}

impl Certificate {
    /// A new one.
    ///
    /// # Errors
    /// If no key can be made.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let hosts = ["shop.example.com", GRPC_HOST].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(hosts)?;
        Ok(Self {
            pem: made.cert.pem(),
            key_pem: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
        })
    }
}

/// The encrypted connections of one client, one after the other.
pub(super) struct Sessions {
    connector: TlsConnector,
    /// What each handshake must be; the first that could resume has nothing to resume yet.
    expected: Option<HandshakeKind>,
    begun: bool,
}

impl Sessions {
    /// Without a session yet.
    pub(super) fn new(plan: &Plan) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(plan.certificate.der.clone())?;
        let mut config = ClientConfig::builder_with_protocol_versions(&[&TLS13])
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (protocol, expected): (&[u8], _) = match plan.case.way {
            Way::H2 => (b"h2", None),
            Way::TlsFull => (b"http/1.1", Some(HandshakeKind::Full)),
            Way::TlsResumed => (b"http/1.1", Some(HandshakeKind::Resumed)),
            Way::Tls | Way::KeepAlive | Way::Anew | Way::Idle => (b"http/1.1", None),
        };
        config.alpn_protocols = vec![protocol.to_vec()];
        if plan.case.way == Way::TlsFull {
            config.resumption = Resumption::disabled();
        }
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            expected,
            begun: false,
        })
    }

    /// The next connection.
    pub(super) async fn connect(&mut self, plan: &Plan) -> anyhow::Result<Stream> {
        let tcp = TcpStream::connect(plan.target.https).await?;
        tcp.set_nodelay(true)?;
        let host = match plan.case.ask {
            Ask::Grpc => GRPC_HOST,
            Ask::Get(_) | Ask::Put(_) | Ask::Echo => plan.host(),
        };
        let stream = self
            .connector
            .connect(ServerName::try_from(host)?, tcp)
            .await
            .context("a TLS handshake")?;
        let kind = stream.get_ref().1.handshake_kind();
        ensure!(
            !self.begun || self.expected.is_none() || kind == self.expected,
            "a handshake of the wrong kind: {kind:?}"
        );
        self.begun = true;
        Ok(Box::new(stream))
    }
}
