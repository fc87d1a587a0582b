//! Backends that live in the test: hyper servers (HTTP/1.1, and HTTP/2 with prior knowledge) that count and record.

use crate::client::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// What a backend does with a request.
pub type Handler =
    Arc<dyn Fn(Request<Incoming>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// The head of a request that came in.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// The version of HTTP it came in.
    pub version: Version,
    /// Its headers.
    pub headers: HeaderMap,
}

impl Seen {
    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A running backend; it stops accepting when dropped.
pub struct Backend {
    address: SocketAddr,
    inside: Arc<Inside>,
    accepting: AbortHandle,
}

struct Inside {
    handler: Handler,
    requests: AtomicU64,
    seen: Mutex<Vec<Seen>>,
}

impl Backend {
    /// Answers every request with `name`, once its body has come.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(name: &str) -> anyhow::Result<Self> {
        Self::with(naming(name)).await
    }

    /// As [`Backend::start`], on an address that is not loopback.
    ///
    /// # Errors
    /// When the address is not one of this machine.
    pub async fn at(address: IpAddr, name: &str) -> anyhow::Result<Self> {
        Self::listen(address, naming(name), None).await
    }

    /// Answers as `handler` does.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn with(handler: Handler) -> anyhow::Result<Self> {
        Self::listen(Ipv4Addr::LOCALHOST.into(), handler, None).await
    }

    /// As [`Backend::with`], over TLS.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn over_tls(handler: Handler, tls: TlsAcceptor) -> anyhow::Result<Self> {
        Self::listen(Ipv4Addr::LOCALHOST.into(), handler, Some(tls)).await
    }

    async fn listen(
        address: IpAddr,
        handler: Handler,
        tls: Option<TlsAcceptor>,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let inside = Arc::new(Inside {
            handler,
            requests: AtomicU64::new(0),
            seen: Mutex::default(),
        });
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, inside.clone(), tls)).abort_handle(),
            inside,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many requests came in.
    pub fn requests(&self) -> u64 {
        self.inside.requests.load(SeqCst)
    }

    /// The heads of all of them.
    pub fn seen(&self) -> Vec<Seen> {
        self.inside
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The head of the last one.
    pub fn last(&self) -> Option<Seen> {
        self.seen().pop()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Inside {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        self.requests.fetch_add(1, SeqCst);
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Seen {
                method: request.method().clone(),
                uri: request.uri().clone(),
                version: request.version(),
                headers: request.headers().clone(),
            });
        (self.handler)(request).await
    }
}

/// A handler that reads the body and answers with `name`.
pub fn naming(name: &str) -> Handler {
    let name = Bytes::from(name.to_owned());
    handler(move |request| {
        let name = name.clone();
        async move {
            // A body that breaks off is the proxy's to report.
            let _ = request.into_body().collect().await;
            Response::new(whole(name))
        }
    })
}

/// A handler from an async function.
pub fn handler<F, A>(answer: F) -> Handler
where
    F: Fn(Request<Incoming>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    Arc::new(move |request| Box::pin(answer(request)))
}

/// A body of these bytes.
pub fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A body of so many bytes, made as it is sent.
pub fn filler(bytes: usize) -> Body {
    const CHUNK: usize = 16 * 1024;
    static CHUNK_BYTES: [u8; CHUNK] = [b'.'; CHUNK];
    let chunks = (0..bytes.div_ceil(CHUNK)).map(move |index| {
        let length = CHUNK.min(bytes - index * CHUNK);
        Ok(Frame::data(Bytes::from_static(&CHUNK_BYTES[..length])))
    });
    StreamBody::new(tokio_stream::iter(chunks)).boxed_unsync()
}

async fn accept(listener: TcpListener, inside: Arc<Inside>, tls: Option<TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Answers are small: waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        tokio::spawn(secure(stream, inside.clone(), tls.clone()));
    }
}

async fn secure(stream: TcpStream, inside: Arc<Inside>, tls: Option<TlsAcceptor>) {
    match tls {
        None => serve(stream, inside).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, inside).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, inside: Arc<Inside>) {
    let service = service_fn(move |request| {
        let inside = inside.clone();
        async move { Ok::<_, Infallible>(inside.answer(request).await) }
    });
    // A peer that breaks off is its own affair.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await;
}
