//! The admin port's own thread: probes, metrics and explanations never wait for traffic, nor traffic for them.

use crate::admin::{self, AdminState};
use crate::metrics::Metrics;
use crate::proxy::State;
use crate::worker::Shared;
use haldane_routing::{Table, TicketKey};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};

/// Connections answered at once: a scraper, a probe, a person, and some to spare.
const CONNECTIONS_MAX: usize = 64;
/// How long a peer may take to send a request head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);
/// How long to leave the socket alone when accepting fails.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The admin server; it ends when this is dropped.
pub(crate) struct Running {
    _stop: oneshot::Sender<()>,
}

/// Serves the admin port on a thread of its own.
pub(crate) fn start(
    socket: TcpListener,
    shared: Arc<Shared>,
    state: Arc<State>,
) -> io::Result<Running> {
    let (stop, stopped) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let view = Arc::new(View { shared, state });
    thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || {
            let _vital = view.shared.vitals.of("the admin port");
            runtime.block_on(async {
                tokio::select! {
                    // Only a dropped sender ends this; nothing is ever sent.
                    _ = stopped => {}
                    () = accept(socket, view) => {}
                }
            });
        })?;
    Ok(Running { _stop: stop })
}

async fn accept(socket: TcpListener, view: Arc<View>) {
    let listener = match tokio::net::TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the admin port is not served"),
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let view = view.clone();
                tokio::spawn(async move {
                    serve(stream, view).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting on the admin port pauses");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, view: Arc<View>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response: Response<String> = admin::respond(&request.map(|_| ()), view.as_ref());
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection ended");
    }
}

struct View {
    shared: Arc<Shared>,
    state: Arc<State>,
}

impl AdminState for View {
    fn metrics(&self) -> &Metrics {
        let ejected = self.shared.endpoints.ejected();
        self.shared.metrics.set_endpoints_ejected(ejected);
        &self.shared.metrics
    }

    fn table(&self) -> (Arc<Table>, u64) {
        let snapshot = self.shared.snapshot.load();
        (snapshot.table.clone(), snapshot.generation.0)
    }

    fn ready(&self) -> bool {
        self.state.has_table.load(Relaxed) && !self.state.draining.load(Relaxed)
    }

    fn ticket_key(&self) -> &TicketKey {
        &self.shared.ticket_key
    }
}
