//! One call: a POST to an address that may be called, of which the answer's status is read and nothing else.
//!
//! The name is looked up once and the connection made to the very address that was checked, so that a name that changes
//! between the two leads nowhere else.

use super::hook::Hook;
use super::notice::Notice;
use super::reach::Reach;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How many addresses of a name are tried: one of each family, and one to spare.
const ADDRESSES_MAX: usize = 3;
/// How many calls are under way at once; others wait.
const CALLS_MAX: usize = 64;
/// The largest head of an answer, in bytes, of which only the first line is of interest.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// One call, from looking up the name to the answer's head.
    pub call: Duration,
    /// The pause before the first repetition; each further one is twice as long.
    pub pause: Duration,
    /// Between asking a gate that is closed and asking it again.
    pub closed: Duration,
    /// How long a gate that was found open counts as open.
    pub open: Duration,
}

impl Default for Patience {
    /// A gate or a chat that takes longer than 5 s is not there, as far as a release is concerned. A closed gate is asked
    /// often enough that people do not wait for it, and an open one again when a step was put off after all.
    fn default() -> Self {
        Self {
            call: Duration::from_secs(5),
            pause: Duration::from_secs(1),
            closed: Duration::from_secs(10),
            open: Duration::from_secs(10),
        }
    }
}

/// Why a call came to nothing. It names no address: that of a hook is secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallFault {
    /// Its name has no address.
    #[error("its name has no address")]
    Unknown,
    /// Its addresses may not be called.
    #[error(
        "its address is loopback, link-local or otherwise one that the controller does not call"
    )]
    Forbidden,
    /// No connection.
    #[error("connecting failed")]
    Connect,
    /// No TLS, or a certificate that is not believed.
    #[error("its certificate is not valid for its name, or TLS failed")]
    Tls,
    /// The connection broke off, or what came was not HTTP.
    #[error("it did not answer in HTTP")]
    Broken,
    /// The time was up.
    #[error("it took too long")]
    Slow,
    /// An answer, but not that it is done; redirects are not followed.
    #[error("it answered {0}")]
    Status(u16),
}

impl CallFault {
    /// Whether another try may help.
    pub(super) fn may_pass(self) -> bool {
        match self {
            Self::Forbidden => false,
            Self::Status(status) => matches!(status, 408 | 425 | 429 | 500..),
            Self::Unknown | Self::Connect | Self::Tls | Self::Broken | Self::Slow => true,
        }
    }
}

/// Calls hooks.
#[derive(Debug)]
pub struct Caller {
    reach: Reach,
    roots: Arc<RootCertStore>,
    places: Semaphore,
    pub(super) patience: Patience,
}

impl Caller {
    /// Calls what `reach` permits, and believes the certificates of `roots` where a hook names no other ones.
    pub fn new(reach: Reach, roots: RootCertStore, patience: Patience) -> Self {
        Self {
            reach,
            roots: Arc::new(roots),
            places: Semaphore::new(CALLS_MAX),
            patience,
        }
    }

    /// Posts a notice; done when the answer is 2xx.
    pub(super) async fn post(&self, hook: &Hook, notice: &Notice) -> Result<(), CallFault> {
        let _place = self.places.acquire().await;
        let posted = timeout(self.patience.call, self.exchange(hook, notice)).await;
        match posted.unwrap_or(Err(CallFault::Slow))? {
            status if status.is_success() => Ok(()),
            status => Err(CallFault::Status(status.as_u16())),
        }
    }

    async fn exchange(&self, hook: &Hook, notice: &Notice) -> Result<StatusCode, CallFault> {
        let stream = self.connect(hook).await?;
        let request = request(hook, notice);
        if !hook.tls {
            return send(stream, request).await;
        }
        let name = ServerName::try_from(hook.host.clone()).map_err(|_| CallFault::Tls)?;
        let connecting = self.tls(hook)?.connect(name, stream);
        let stream = connecting.await.map_err(|_| CallFault::Tls)?;
        send(stream, request).await
    }

    async fn connect(&self, hook: &Hook) -> Result<TcpStream, CallFault> {
        let found = lookup_host((hook.host.as_str(), hook.port)).await;
        let found: Vec<SocketAddr> = found.map_err(|_| CallFault::Unknown)?.collect();
        let mut fault = match found.is_empty() {
            true => CallFault::Unknown,
            false => CallFault::Forbidden,
        };
        let permitted = found.iter().filter(|found| self.reach.permits(found.ip()));
        for address in permitted.take(ADDRESSES_MAX) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(_) => fault = CallFault::Connect,
            }
        }
        Err(fault)
    }

    fn tls(&self, hook: &Hook) -> Result<TlsConnector, CallFault> {
        let roots = hook.roots.clone().unwrap_or_else(|| self.roots.clone());
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|_| CallFault::Tls)?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

fn request(hook: &Hook, notice: &Notice) -> Request<Full<Bytes>> {
    let body = notice.body(hook.speech);
    let mut request = Request::new(Full::from(body));
    *request.method_mut() = http::Method::POST;
    *request.uri_mut() = hook.target.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, hook.authority.clone());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let agent = concat!("haldane-controller/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    if let Some(authorization) = &hook.authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    request
}

/// The status of the answer; the connection ends with it.
async fn send<S>(stream: S, request: Request<Full<Bytes>>) -> Result<StatusCode, CallFault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|_| CallFault::Broken)?;
    tokio::select! {
        answer = sender.send_request(request) => {
            answer.map(|answer| answer.status()).map_err(|_| CallFault::Broken)
        }
        // What moves the bytes; the answer comes first if there is one.
        _ = connection => Err(CallFault::Broken),
    }
}

#[cfg(test)]
mod tests;
