//! The way to the controller: name look-up, TCP, TLS 1.3 with certificates on both sides, HTTP/2.

use super::Follow;
use haldane_wire::{Credentials, CredentialsFault};
use hyper_util::rt::TokioIo;
use rand::seq::SliceRandom as _;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

/// Addresses of the controller's name that are tried: it has two replicas, and few ever have more.
const ADDRESSES_MAX: usize = 16;

/// For the name, the connection and the handshake, each.
const STEP_MAX: Duration = Duration::from_secs(5);

/// A controller that is gone without a word is noticed after this and [`PING_ANSWER_MAX`], so in less than 10 s.
const PING_INTERVAL: Duration = Duration::from_secs(4);

/// How long a ping's answer may take.
const PING_ANSWER_MAX: Duration = Duration::from_secs(5);

/// What the controller may have on its way to us. A ping waits behind it, so it must arrive well within
/// [`PING_ANSWER_MAX`] also where many proxies share a slow line; at 1 ms there and back it still is 500 MB/s.
const WINDOW_BYTES: u32 = 512 << 10;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum ConnectFault {
    #[error("reading {path} failed: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("our certificate cannot be used: {0}")]
    Credentials(#[from] CredentialsFault),
    #[error("it takes longer than {STEP_MAX:?} to {0}")]
    Timeout(&'static str),
    #[error("connecting failed: {0}")]
    Tcp(#[source] io::Error),
    #[error("the TLS handshake failed: {0}")]
    Tls(#[source] io::Error),
    #[error("HTTP/2 failed: {0}")]
    Http(#[source] tonic::transport::Error),
}

/// How the controller is reached.
pub(super) struct Connector {
    host: String,
    port: u16,
    name: ServerName<'static>,
    certificate: PathBuf,
    key: PathBuf,
    authorities: PathBuf,
}

impl Connector {
    pub(super) fn new(follow: &Follow) -> Self {
        Self {
            host: follow.target.host.clone(),
            port: follow.target.port,
            name: follow.target.name.clone(),
            certificate: follow.certificate.clone(),
            key: follow.key.clone(),
            authorities: follow.authorities.clone(),
        }
    }

    /// Every address that the name has now, in no order; none where it cannot be looked up.
    pub(super) async fn addresses(&self) -> Vec<SocketAddr> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port));
        let mut addresses: Vec<SocketAddr> = match timed("look its name up", found).await {
            Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
            Ok(Err(error)) => self.not_found(&error),
            Err(fault) => self.not_found(&fault),
        };
        addresses.shuffle(&mut rand::rng());
        addresses
    }

    fn not_found(&self, reason: &dyn std::fmt::Display) -> Vec<SocketAddr> {
        tracing::warn!(host = self.host, %reason, "the controller is not found");
        Vec::new()
    }

    pub(super) async fn connect(&self, address: SocketAddr) -> Result<Channel, ConnectFault> {
        let config = self.credentials().await?.client()?;
        let stream = timed("connect", TcpStream::connect(address)).await?;
        let stream = stream.map_err(ConnectFault::Tcp)?;
        stream.set_nodelay(true).map_err(ConnectFault::Tcp)?;
        let connector = TlsConnector::from(Arc::new(config));
        let shaken = connector.connect(self.name.clone(), stream);
        let stream = timed("shake hands", shaken).await?;
        let stream = stream.map_err(ConnectFault::Tls)?;
        timed("speak HTTP/2", channel(stream)).await?
    }

    /// The files as they are now, so that a certificate that was replaced is used at the next connection.
    async fn credentials(&self) -> Result<Credentials, ConnectFault> {
        Ok(Credentials {
            chain_pem: read(&self.certificate).await?,
            key_pem: read(&self.key).await?,
            authorities_pem: read(&self.authorities).await?,
        })
    }
}

async fn read(path: &Path) -> Result<Vec<u8>, ConnectFault> {
    let read = tokio::fs::read(path).await;
    read.map_err(|source| ConnectFault::Read {
        path: path.to_owned(),
        source,
    })
}

async fn timed<T>(what: &'static str, future: impl Future<Output = T>) -> Result<T, ConnectFault> {
    let done = tokio::time::timeout(STEP_MAX, future).await;
    done.map_err(|_| ConnectFault::Timeout(what))
}

/// HTTP/2 on a connection that stands already. It is used once: when it breaks, there is another with another handshake.
async fn channel(stream: TlsStream<TcpStream>) -> Result<Channel, ConnectFault> {
    let mut stream = Some(TokioIo::new(stream));
    let once = tower::service_fn(move |_| {
        let stream = stream.take();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        std::future::ready(stream.ok_or_else(gone))
    });
    // The scheme tells tonic not to bring TLS of its own.
    Endpoint::from_static("http://controller")
        .http2_keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_ANSWER_MAX)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .connect_with_connector(once)
        .await
        .map_err(ConnectFault::Http)
}
