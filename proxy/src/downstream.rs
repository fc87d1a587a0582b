//! A client's connection, from the first byte to the last: PROXY protocol, TLS, which HTTP, and hyper's server over it.

use crate::answer::answer;
use crate::body::{Body, BodyError};
use crate::config::Config;
use crate::connection::{Held, Waiting};
use crate::forwarded::Peer;
use crate::head::HostName;
use crate::limits::Limits;
use crate::limits::addresses::{Full, Place};
use crate::lingering::{Lingering, Return, linger};
use crate::metrics::Listener;
use crate::preface::begins_as_h2;
use crate::proxy_protocol::{Proxied, read_header};
use crate::runtime::LocalExecutor;
use crate::watched::Watched;
use crate::worker::Worker;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// The bytes hyper may hold of one HTTP/1.1 head or body chunk, where heads are not allowed to be larger: twice as many
/// as a head has by default, so that one that is too large is still read, and answered.
const H1_BUFFER_BYTES: usize = 64 * 1024;
/// Bytes of one response kept for a client that reads slowly.
const H2_SEND_BUFFER: usize = 64 * 1024;
/// Streams reset by the peer that we have not looked at yet (Rapid Reset, CVE-2023-44487).
const H2_PENDING_RESETS_MAX: usize = 20;
/// A peer that does not answer a PING is gone after twice this.
const H2_PING: Duration = Duration::from_secs(20);

/// What a request needs to know of the connection it came on.
pub(crate) struct Connection {
    pub(crate) peer: Rc<Peer>,
    pub(crate) waiting: Arc<Waiting>,
    /// The version of TLS, or `None` in clear.
    pub(crate) tls: Option<&'static str>,
    /// The name asked for in the TLS handshake.
    pub(crate) server_name: Option<String>,
    /// The host that the last request was for.
    pub(crate) asked_host: Cell<Option<HostName>>,
}

/// The listening socket that a connection came by. Its port is every one of its connections', so none is asked for it.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    /// What is served there.
    pub(crate) side: Listener,
    /// Its port.
    pub(crate) port: u16,
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    door: Door,
    worker: Rc<Worker>,
    held: Held,
) {
    if let Err(error) = try_serve(stream, peer, door, &worker, held).await {
        tracing::debug!(%peer, %error, "connection ended");
    }
}

async fn try_serve(
    mut stream: TcpStream,
    peer: SocketAddr,
    door: Door,
    worker: &Rc<Worker>,
    held: Held,
) -> io::Result<()> {
    let _open = worker.metrics.connection(door.side);
    let seen = (peer, door.port);
    let (source, port) = ends(&mut stream, seen, &worker.shared.config).await?;
    let https = door.side == Listener::Https;
    let peer = Peer::new(source, https, port, &worker.shared.forwarding);
    let Ok(_place) = place(worker, &peer, source) else {
        worker.metrics.refused("address_full");
        return Ok(());
    };
    let back = Return::default();
    let served = match door.side {
        Listener::Http | Listener::Admin => serve_clear(stream, &back, peer, worker, held).await,
        // On the heap: connections in clear need no room for it.
        Listener::Https => Box::pin(serve_tls(back.lend(stream), peer, worker, held)).await,
    };
    if let Some(stream) = back.came_back() {
        // A drain waits for this one still.
        let _lingers = worker.connections.enter();
        linger(stream).await;
    }
    served
}

/// A place among the connections of the client's address; whoever hands on the connections of many has no bound.
fn place(worker: &Worker, peer: &Peer, source: SocketAddr) -> Result<Option<Place>, Full> {
    if peer.trusted() {
        return Ok(None);
    }
    worker.addresses.enter(source.ip()).map(Some)
}

/// Where the connection comes from and which port it was made to, as it was `seen` or a PROXY protocol header says.
async fn ends(
    stream: &mut TcpStream,
    seen: (SocketAddr, u16),
    config: &Config,
) -> io::Result<(SocketAddr, u16)> {
    if !config.proxy_protocol {
        return Ok(seen);
    }
    let header = async { read_header(stream).await.map_err(io::Error::other) };
    match in_time(&config.limits, header).await? {
        Proxied::For {
            source,
            destination,
        } => Ok((source, destination.port())),
        Proxied::Local => Ok(seen),
    }
}

async fn in_time<T>(limits: &Limits, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(limits.head, work)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

async fn serve_clear(
    mut stream: TcpStream,
    back: &Return,
    peer: Peer,
    worker: &Rc<Worker>,
    held: Held,
) -> io::Result<()> {
    let mut first = Vec::new();
    let h2 = begins_as_h2(&mut stream, &mut first, &held).await?;
    let connection = Connection {
        peer: Rc::new(peer),
        waiting: held.waiting.clone(),
        tls: None,
        server_name: None,
        asked_host: Cell::default(),
    };
    let stream = back.lend(stream).behind(first);
    let stream = stream.told_by(held.waiting.clone());
    serve_http(stream, h2, connection, worker, held).await
}

async fn serve_tls(
    stream: Lingering,
    peer: Peer,
    worker: &Rc<Worker>,
    held: Held,
) -> io::Result<()> {
    let accepting = worker.shared.server_tls.acceptor().accept(stream);
    let stream = in_time(&worker.shared.config.limits, accepting)
        .await
        .inspect_err(|_| worker.metrics.refused("tls_handshake"))?;
    let session = stream.get_ref().1;
    let h2 = session.alpn_protocol() == Some(b"h2");
    let connection = Connection {
        peer: Rc::new(peer),
        waiting: held.waiting.clone(),
        tls: session
            .protocol_version()
            .and_then(|version| version.as_str()),
        server_name: session.server_name().map(str::to_owned),
        asked_host: Cell::default(),
    };
    serve_http(stream, h2, connection, worker, held).await
}

async fn serve_http<S>(
    stream: S,
    h2: bool,
    connection: Connection,
    worker: &Rc<Worker>,
    held: Held,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Watched::new(stream, held.waiting.clone()));
    let connection = Rc::new(connection);
    let worker = worker.clone();
    let limits = worker.shared.config.limits;
    if h2 {
        held.waiting.multiplexes(limits.http2);
    }
    let answer = move |request: Request<Incoming>| answer(&worker, &connection, request);
    let served = if h2 {
        // hyper moves a stream's future several times until it is a task, so it gets a pointer to it.
        let service = service_fn(move |request| Box::pin(answer(request)));
        let server = http2_server(&limits);
        Serve::new(server.serve_connection(io, service), held).await
    } else {
        // The future goes to hyper as it is: one more around it would hold it twice, and move it before its first poll.
        let server = http1_server(&limits).serve_connection(io, service_fn(answer));
        Serve::new(server.with_upgrades(), held).await
    };
    served.map_err(io::Error::other)
}

fn http1_server(limits: &Limits) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .half_close(true)
        .max_headers(limits.heads.fields)
        .max_buf_size(H1_BUFFER_BYTES.max(2 * limits.heads.bytes))
        // Heads are timed by the worker's reaper, which costs nothing for each request.
        .header_read_timeout(None);
    server
}

fn http2_server(limits: &Limits) -> http2::Builder<LocalExecutor> {
    let mut server = http2::Builder::new(LocalExecutor);
    server
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2.streams)
        .initial_stream_window_size(limits.http2.stream_window)
        .initial_connection_window_size(limits.http2.connection_window)
        .max_send_buf_size(H2_SEND_BUFFER)
        .max_header_list_size(u32::try_from(limits.heads.bytes).unwrap_or(u32::MAX))
        .max_local_error_reset_streams(limits.http2.resets)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS_MAX)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    server
}

/// What hyper's two servers have in common here.
trait HttpConnection: Future<Output = hyper::Result<()>> {
    /// Whether there is a word for the end of a connection besides its requests: GOAWAY. In HTTP/1.1 the head of an answer
    /// tells it. Where the drain begins behind that head, the client may ask once more: no close meets its request.
    const HAS_GOAWAY: bool;

    /// Says it.
    fn finish(self: Pin<&mut Self>) {}
}

type Io<S> = TokioIo<Watched<S>>;

impl<S, H> HttpConnection for http1::UpgradeableConnection<Io<S>, H>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    const HAS_GOAWAY: bool = false;
}

impl<S, H> HttpConnection for http2::Connection<Io<S>, H, LocalExecutor>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    H: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
    H::Future: 'static,
    BodyError: std::error::Error,
{
    const HAS_GOAWAY: bool = true;

    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Drives a connection until it ends, its time is up, or the drain that it was told of is done.
struct Serve<C> {
    connection: Pin<Box<C>>,
    held: Held,
    known_to_worker: bool,
    told_to_finish: bool,
}

impl<C: HttpConnection> Serve<C> {
    fn new(connection: C, held: Held) -> Self {
        Self {
            connection: Box::pin(connection),
            held,
            known_to_worker: false,
            told_to_finish: false,
        }
    }

    fn finish_if_ending(&mut self) -> bool {
        let now = C::HAS_GOAWAY && !self.told_to_finish && self.held.is_ending();
        if now {
            self.told_to_finish = true;
            self.connection.as_mut().finish();
        }
        now
    }
}

impl<C: HttpConnection> Future for Serve<C> {
    type Output = hyper::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.known_to_worker {
            this.known_to_worker = true;
            this.held.wake_with(cx.waker());
        }
        if this.held.waiting.is_expired() {
            if !C::HAS_GOAWAY || this.told_to_finish || this.held.is_cut() {
                return Poll::Ready(Ok(()));
            }
            // HTTP/2 is told first (GOAWAY), so that nothing the client sends meanwhile is lost.
            this.told_to_finish = true;
            this.held.waiting.renew();
            this.connection.as_mut().finish();
        }
        if this.held.waiting.is_flooding() {
            // A GOAWAY is written if it can be at once. It cannot say ENHANCE_YOUR_CALM: hyper has no way to.
            this.connection.as_mut().finish();
            let _ = this.connection.as_mut().poll(cx);
            return Poll::Ready(Ok(()));
        }
        this.finish_if_ending();
        let mut polled = this.connection.as_mut().poll(cx);
        if polled.is_pending() && this.finish_if_ending() {
            polled = this.connection.as_mut().poll(cx);
        }
        polled
    }
}
