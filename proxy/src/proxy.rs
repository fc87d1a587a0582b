//! A running proxy: its threads, the table in force, its end.

use crate::access_log::{AccessLog, Sink};
use crate::admin_server;
use crate::config::{AccessLogTarget, Config};
use crate::country::{CountryFault, CountrySource};
use crate::endpoint::Endpoints;
use crate::forwarded;
use crate::gate::FilterStates;
use crate::limits::descriptors;
use crate::limits::memory::Memory;
use crate::listener;
use crate::metrics::Listener;
use crate::metrics::Metrics;
use crate::snapshot::{Generation, Rejected, Snapshot};
use crate::tls::{Certificates, ClientTls, ServerTls};
use crate::upstream::connect::Reach;
use crate::vital::{Vital, Vitals};
use crate::worker::{self, Command, Shared};
use arc_swap::ArcSwap;
use haldane_routing::{Table, TicketKey};
use std::collections::HashSet;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Commands a worker has not looked at yet; tables are installed one after the other, so few are ever there.
const COMMANDS_MAX: usize = 16;

/// How long the access log may take to write what it still has.
const LOG_PATIENCE: Duration = Duration::from_secs(2);

/// Why a proxy does not start. Nothing is left running.
#[derive(Debug, Error)]
pub enum StartError {
    /// An address cannot be listened on.
    #[error("listening on {address} failed")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("starting a worker failed")]
    Thread(#[source] io::Error),
    /// The access log cannot be written.
    #[error("opening the access log failed")]
    AccessLog(#[source] io::Error),
    /// The country database cannot be read.
    #[error(transparent)]
    Country(#[from] CountryFault),
    /// TLS cannot be set up.
    #[error("setting TLS up failed")]
    Tls(#[source] rustls::Error),
}

/// A running proxy. Dropping it ends its workers without a drain.
pub struct Proxy {
    shared: Arc<Shared>,
    workers: Vec<mpsc::Sender<Command>>,
    installing: Mutex<()>,
    state: Arc<State>,
    addresses: Addresses,
    _admin: Option<admin_server::Running>,
}

/// Whether traffic is welcome, as `/readyz` tells it.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) has_table: AtomicBool,
    pub(crate) draining: AtomicBool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Addresses {
    http: Option<SocketAddr>,
    https: Option<SocketAddr>,
    admin: Option<SocketAddr>,
}

impl Proxy {
    /// Binds every address, then starts the workers. Requests are answered with 503 until a table is installed.
    ///
    /// # Errors
    /// [`StartError`]; all addresses are bound before any thread starts.
    pub fn start(mut config: Config) -> Result<Self, StartError> {
        config.workers = config.workers.max(1);
        descriptors::raise();
        let sockets = Sockets::bind(&config)?;
        let addresses = sockets.addresses();
        if let (0, Some(https)) = (config.https_redirect_port, addresses.https) {
            config.https_redirect_port = https.port();
        }
        let shared = Arc::new(share(config, addresses)?);
        let state = Arc::new(State::default());
        let admin = sockets
            .admin
            .map(|socket| admin_server::start(socket, shared.clone(), state.clone()));
        Ok(Self {
            workers: start_workers(&shared, sockets.http, sockets.https)?,
            installing: Mutex::new(()),
            _admin: admin.transpose().map_err(StartError::Thread)?,
            state,
            addresses,
            shared,
        })
    }

    /// Where HTTP is served.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.addresses.http
    }

    /// Where HTTPS is served.
    pub fn https_address(&self) -> Option<SocketAddr> {
        self.addresses.https
    }

    /// Where metrics and probes are served.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.addresses.admin
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.shared.metrics
    }

    /// The table in force.
    pub fn table(&self) -> Arc<Table> {
        self.shared.snapshot.load().table.clone()
    }

    /// Puts a table in force, whole or not at all. When this returns, every worker routes by it and no request that
    /// chose its version by an older one is still to be sent: those that were stuck for more than 5 s choose again.
    ///
    /// # Errors
    /// [`Rejected`]; the table before stays in force.
    pub async fn install(&self, table: Arc<Table>) -> Result<Generation, Rejected> {
        let _one_at_a_time = self.installing.lock().await;
        let generation = self
            .publish(table)
            .inspect_err(|_| self.shared.metrics.table_rejected())?;
        for adopted in self.tell_all(Command::Adopt).await {
            adopted.await.map_err(|_| Rejected::Stopped)?;
        }
        self.state.has_table.store(true, Relaxed);
        self.shared.endpoints.sweep();
        self.forget_series();
        Ok(generation)
    }

    /// Counters of rules that are gone are forgotten after a while.
    fn forget_series(&self) {
        let table = self.table();
        let rules: HashSet<&str> = table.rules().iter().map(|rule| rule.id()).collect();
        self.shared
            .metrics
            .forget(|key| rules.contains(key.rule.as_str()));
    }

    fn publish(&self, table: Arc<Table>) -> Result<Generation, Rejected> {
        let shared = &self.shared;
        let certificates =
            Certificates::build(table.certificates(), Some(&shared.certificates.load()))
                .map_err(Rejected::Certificates)?;
        let next = shared
            .snapshot
            .load()
            .next(table, &shared.endpoints, &shared.client_tls)?;
        let generation = next.generation;
        shared.certificates.store(Arc::new(certificates));
        shared.snapshot.store(Arc::new(next));
        shared.metrics.set_generation(generation.0);
        Ok(generation)
    }

    /// Tells every worker; one that is gone answers that it will not.
    async fn tell_all(
        &self,
        command: impl Fn(oneshot::Sender<()>) -> Command,
    ) -> Vec<oneshot::Receiver<()>> {
        let mut answers = Vec::new();
        for worker in &self.workers {
            let (done, answer) = oneshot::channel();
            // Where nobody takes the command, its sender goes with it, and the answer is that there is none.
            let _ = worker.send(command(done)).await;
            answers.push(answer);
        }
        answers
    }

    /// Waits until a part that cannot be missed has ended by a fault of its own; its name. The process should end: it
    /// serves a part of what it should, or nothing.
    pub async fn lost(&self) -> &'static str {
        self.shared.vitals.lost().await
    }

    pub(crate) fn vital(&self, part: &'static str) -> Vital {
        self.shared.vitals.of(part)
    }

    /// Opens the file of the access log anew, where there is one.
    pub fn reopen_access_log(&self) {
        if let Some(log) = &self.shared.access_log {
            log.reopen();
        }
    }

    /// `/readyz` says no from now on, while connections are still taken: load balancers look elsewhere meanwhile.
    pub fn stop_being_ready(&self) {
        self.state.draining.store(true, Relaxed);
    }

    /// Takes no more connections, lets what is in flight finish for at most `grace`, and cuts what is left.
    pub async fn drain(&self, grace: Duration) {
        self.stop_being_ready();
        let told = self.tell_all(|done| Command::Drain { grace, done }).await;
        for drained in told {
            // A worker that is gone has nothing left to drain.
            let _ = drained.await;
        }
        if let Some(log) = &self.shared.access_log
            && let Err(stuck) = log.close(LOG_PATIENCE)
        {
            tracing::warn!("{stuck}");
        }
    }
}

struct Sockets {
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
    admin: Option<TcpListener>,
}

impl Sockets {
    fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            http: bind(config.http, config.workers)?,
            https: bind(config.https, config.workers)?,
            admin: bind(config.admin, 1)?.pop(),
        })
    }

    fn addresses(&self) -> Addresses {
        let of = |socket: Option<&TcpListener>| socket.and_then(|s| s.local_addr().ok());
        Addresses {
            http: of(self.http.first()),
            https: of(self.https.first()),
            admin: of(self.admin.as_ref()),
        }
    }
}

fn bind(address: Option<SocketAddr>, count: usize) -> Result<Vec<TcpListener>, StartError> {
    let Some(address) = address else {
        return Ok(Vec::new());
    };
    listener::bind(address, count).map_err(|source| StartError::Bind { address, source })
}

fn share(config: Config, addresses: Addresses) -> Result<Shared, StartError> {
    let metrics = if config.nginx_names {
        Metrics::new(config.workers)
    } else {
        Metrics::without_nginx_names(config.workers)
    };
    let certificates: Arc<ArcSwap<Certificates>> = Arc::default();
    let own = [addresses.http, addresses.https, addresses.admin];
    let key = config.ticket_key.unwrap_or_else(rand::random);
    Ok(Shared {
        snapshot: ArcSwap::from_pointee(Snapshot::empty()),
        endpoints: Endpoints::new(),
        reach: Reach {
            loopback: config.allow_loopback_endpoints,
            own: own.into_iter().flatten().collect(),
        },
        ticket_key: TicketKey::from_bytes(key),
        server_tls: ServerTls::new(certificates.clone()).map_err(StartError::Tls)?,
        certificates,
        client_tls: ClientTls::default(),
        filters: FilterStates::new(),
        access_log: open_log(&config.access_log, &metrics).map_err(StartError::AccessLog)?,
        metrics,
        vitals: Vitals::default(),
        country: CountrySource::open(config.country_header.clone(), config.geoip.as_deref())?,
        forwarding: forwarded::Policy {
            trusted: config.trusted.clone(),
            writes_forwarded: config.writes_forwarded,
        },
        memory: Memory::new(config.limits.memory),
        config,
    })
}

fn open_log(target: &AccessLogTarget, metrics: &Metrics) -> io::Result<Option<AccessLog>> {
    let sink = match target {
        AccessLogTarget::Off => return Ok(None),
        AccessLogTarget::Stdout => Sink::Stdout,
        AccessLogTarget::File(path) => Sink::File(path.clone()),
    };
    AccessLog::open(sink, metrics.access_log_dropped()).map(Some)
}

fn start_workers(
    shared: &Arc<Shared>,
    http: Vec<TcpListener>,
    https: Vec<TcpListener>,
) -> Result<Vec<mpsc::Sender<Command>>, StartError> {
    let (mut http, mut https) = (http.into_iter(), https.into_iter());
    (0..shared.config.workers)
        .map(|index| {
            let sockets = http.next().map(|s| (Listener::Http, s)).into_iter();
            let sockets = sockets
                .chain(https.next().map(|s| (Listener::Https, s)))
                .collect();
            start_worker(index, shared.clone(), sockets).map_err(StartError::Thread)
        })
        .collect()
}

fn start_worker(
    index: usize,
    shared: Arc<Shared>,
    sockets: Vec<(Listener, TcpListener)>,
) -> io::Result<mpsc::Sender<Command>> {
    let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
    thread::Builder::new()
        .name(format!("worker-{index}"))
        .spawn(move || {
            let vitals = shared.vitals.clone();
            let _vital = vitals.of("a worker");
            if let Err(error) = worker::run(index, shared, sockets, receiver) {
                tracing::error!(%error, worker = index, "a worker ended");
                vitals.lose("a worker");
            }
        })?;
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_that_panics_is_told_of() {
        let config = Config {
            http: Some(([127, 0, 0, 1], 0).into()),
            workers: 2,
            ..Config::default()
        };
        let proxy = Proxy::start(config).expect("a proxy");
        let told = proxy.workers[0].send(Command::Panic).await;
        assert!(told.is_ok());
        // Its listener and its reaper go with it, whichever is first.
        proxy.lost().await;
        // The other one drains all the same.
        proxy.drain(Duration::from_secs(30)).await;
    }
}
