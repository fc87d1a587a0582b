//! One backend: a listener that speaks HTTP/1.1 and HTTP/2 with prior knowledge on one port, counts what it is asked,
//! and lets requests finish when it is stopped.

use super::answer;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long requests in flight may take once a backend is stopped: a proxy drops its connections at once, a person who
/// pressed Ctrl-C does not wait longer.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// A stopped backend still takes requests until none came for this long, as a pod with a `preStop` hook does: whoever
/// sends them may not have heard yet, or have them on the wire.
const QUIET: Duration = Duration::from_millis(250);
/// After a failed accept (no file descriptor left, say): long enough not to spin, too short to notice.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// What a backend answers with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The pod's name.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// What is wrong with it.
    pub(crate) faults: Faults,
}

/// What a backend does wrong, for trying out what becomes of a bad release. Which requests it meets is no chance: by their
/// number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    /// Every so many are answered with 500.
    pub(crate) fail_every: Option<NonZeroU64>,
    /// Every so many take longer.
    pub(crate) slow_every: Option<NonZeroU64>,
    /// By this.
    pub(crate) slow_by: Duration,
}

impl Faults {
    pub(super) fn fails(self, number: u64) -> bool {
        self.fail_every.is_some_and(|every| number % every == 0)
    }

    pub(super) fn slows(self, number: u64) -> Option<Duration> {
        let slow = self.slow_every.is_some_and(|every| number % every == 0);
        slow.then_some(self.slow_by)
    }
}

impl Identity {
    /// A pod of this name and version.
    pub(crate) fn new(name: &str, version: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            faults: Faults::default(),
        }
    }
}

/// What one backend's requests share.
#[derive(Debug)]
pub(super) struct Pod {
    pub(super) identity: Identity,
    pub(super) requests: AtomicU64,
    /// Somebody wants it to say that it is not ready.
    pub(super) unready: AtomicBool,
}

/// A running backend. Dropping it closes its listener and leaves its connections to end by themselves.
#[derive(Debug)]
pub(crate) struct Backend {
    pod: Arc<Pod>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    accepting: JoinHandle<()>,
}

impl Backend {
    /// Listens and answers from now on; port 0 is a free one.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub(crate) async fn start(address: SocketAddr, identity: Identity) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let pod = Arc::new(Pod {
            identity,
            requests: AtomicU64::new(0),
            unready: AtomicBool::new(false),
        });
        let (stop, stopped) = oneshot::channel();
        Ok(Self {
            address: listener.local_addr()?,
            accepting: tokio::spawn(accept(listener, pod.clone(), stopped)),
            pod,
            stop,
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers with.
    pub(crate) fn identity(&self) -> &Identity {
        &self.pod.identity
    }

    /// How many requests came in so far.
    pub(crate) fn requests(&self) -> u64 {
        self.pod.requests.load(Relaxed)
    }

    /// Waits until it is quiet, takes no more connections, lets requests finish, and tells how many there were.
    pub(crate) async fn stop(self) -> u64 {
        // An accept loop that is gone has stopped already.
        let _ = self.stop.send(());
        let _ = self.accepting.await;
        self.pod.requests.load(Relaxed)
    }
}

async fn accept(listener: TcpListener, pod: Arc<Pod>, stopped: oneshot::Receiver<()>) {
    let connections = GracefulShutdown::new();
    tokio::select! {
        () = accept_all(&listener, &pod, &connections) => {}
        () = over(stopped, &pod) => {}
    }
    drop(listener);
    // What is not finished by then is cut when the runtime ends.
    let _ = tokio::time::timeout(STOP_GRACE, connections.shutdown()).await;
}

async fn accept_all(listener: &TcpListener, pod: &Arc<Pod>, connections: &GracefulShutdown) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => serve(stream, pod, connections),
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Waits until somebody stops the backend, and then until it is quiet.
async fn over(stopped: oneshot::Receiver<()>, pod: &Pod) {
    // Dropped is stopped.
    let _ = stopped.await;
    let quiet = async {
        let mut before = None;
        while before != Some(pod.requests.load(Relaxed)) {
            before = Some(pod.requests.load(Relaxed));
            tokio::time::sleep(QUIET).await;
        }
    };
    // Whoever goes on sending is cut off all the same.
    let _ = tokio::time::timeout(STOP_GRACE, quiet).await;
}

fn serve(stream: TcpStream, pod: &Arc<Pod>, connections: &GracefulShutdown) {
    // Answers are small: waiting to fill a packet would only delay them.
    let _ = stream.set_nodelay(true);
    let pod = pod.clone();
    let service = service_fn(move |request| {
        let pod = pod.clone();
        async move { Ok::<_, Infallible>(answer::answer(&pod, request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    let connection = connections.watch(connection.into_owned());
    tokio::spawn(async move {
        // A peer that breaks off is its own affair.
        let _ = connection.await;
    });
}

#[cfg(test)]
mod tests;
