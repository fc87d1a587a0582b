//! Certificates made for a test, and TLS on either side with them.

use crate::client::{Client, connect};
use crate::within;
use anyhow::Context as _;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// A client's side that trusts these authorities, given as PEM.
///
/// # Errors
/// When one is no certificate.
pub fn trusting(authorities_pem: &str) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities_pem.as_bytes()) {
        roots.add(authority?)?;
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    Ok(config.with_no_client_auth())
}

/// A connection to a server of this name that offers these protocols.
///
/// # Errors
/// When there is none, or the server shows nothing that is trusted.
pub async fn connect_by(
    config: &ClientConfig,
    name: &str,
    address: SocketAddr,
    alpn: &[&str],
) -> anyhow::Result<TlsStream<TcpStream>> {
    connect_over(config, name, connect(address).await?, alpn).await
}

/// As [`connect_by`], over a stream that is there.
///
/// # Errors
/// As [`connect_by`].
pub async fn connect_over<S: AsyncRead + AsyncWrite + Unpin>(
    config: &ClientConfig,
    name: &str,
    stream: S,
    alpn: &[&str],
) -> anyhow::Result<TlsStream<S>> {
    let mut config = config.clone();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned())?;
    let connector = TlsConnector::from(Arc::new(config));
    within("a TLS handshake", connector.connect(name, stream))
        .await?
        .context("a TLS handshake")
}

/// A certificate that signs itself, for one name.
pub struct Certificate {
    name: String,
    made: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Certificate {
    /// One for `name`.
    ///
    /// # Errors
    /// When the name is not one.
    pub fn of(name: &str) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            made: rcgen::generate_simple_self_signed([name.to_owned()])?,
        })
    }

    /// As a Secret holds it.
    pub fn pem(&self) -> String {
        self.made.cert.pem()
    }

    /// Its key, as a Secret holds it.
    pub fn key_pem(&self) -> String {
        self.made.signing_key.serialize_pem()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.made.cert.der().clone()
    }

    /// The side that shows it.
    ///
    /// # Errors
    /// When rustls refuses it.
    pub fn acceptor(&self, alpn: &[&str]) -> anyhow::Result<TlsAcceptor> {
        let key = PrivateKeyDer::try_from(self.made.signing_key.serialize_der());
        let key = key.map_err(anyhow::Error::msg)?;
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![self.der()], key)?;
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config).into())
    }

    /// A client that trusts this certificate alone and offers these protocols.
    ///
    /// # Errors
    /// When the certificate cannot be trusted.
    pub fn config(&self, alpn: &[&str]) -> anyhow::Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der())?;
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(config)
    }

    /// A connection to `address` that trusts this certificate alone and offers these protocols.
    ///
    /// # Errors
    /// When there is no connection, or the certificate shown is another.
    pub async fn connect(
        &self,
        address: SocketAddr,
        alpn: &[&str],
    ) -> anyhow::Result<TlsStream<TcpStream>> {
        connect_by(&self.config(alpn)?, &self.name, address, alpn).await
    }

    /// A client over TLS that speaks what the other side chose; the protocol chosen.
    ///
    /// # Errors
    /// As [`Certificate::connect`].
    pub async fn client(
        &self,
        address: SocketAddr,
        alpn: &[&str],
    ) -> anyhow::Result<(Client, String)> {
        let stream = self.connect(address, alpn).await?;
        let chosen = stream.get_ref().1.alpn_protocol().unwrap_or_default();
        let chosen = String::from_utf8_lossy(chosen).into_owned();
        let client = match chosen.as_str() {
            "h2" => Client::h2_over(stream).await?,
            _ => Client::h1_over(stream).await?,
        };
        Ok((client, chosen))
    }
}
