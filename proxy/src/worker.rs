//! One worker: a thread with a runtime of its own, its listeners, its upstream connections, its view of the table.

use crate::accept;
use crate::access_log::{AccessLog, Entry};
use crate::config::Config;
use crate::connection::{Connections, REAP_INTERVAL};
use crate::country::CountrySource;
use crate::endpoint::Endpoints;
use crate::forwarded;
use crate::gate::FilterStates;
use crate::limits::addresses::Addresses;
use crate::limits::memory::{self, Memory};
use crate::limits::{Limits, descriptors};
use crate::metrics::Listener;
use crate::metrics::{Metrics, Outcome, SeriesShard, WorkerMetrics};
use crate::snapshot::{Local, Snapshot};
use crate::streams::Streams;
use crate::tls::{Certificates, ClientTls, ServerTls};
use crate::upstream::connect::Reach;
use crate::upstream::pool::Pool;
use crate::vital::{Vital, Vitals};
use crate::waits::Waits;
use arc_swap::ArcSwap;
use haldane_routing::TicketKey;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::cell::{OnceCell, RefCell};
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

/// How long an installed table waits for requests that chose by the one before and are not on the wire: longer than three
/// attempts to connect usually take. What is unsent then chooses again.
const ADOPT_WAIT_MAX: Duration = Duration::from_secs(5);

/// What all workers share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) endpoints: Endpoints,
    pub(crate) reach: Reach,
    pub(crate) ticket_key: TicketKey,
    pub(crate) certificates: Arc<ArcSwap<Certificates>>,
    pub(crate) server_tls: ServerTls,
    pub(crate) client_tls: ClientTls,
    pub(crate) filters: FilterStates,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) country: CountrySource,
    pub(crate) forwarding: forwarded::Policy,
    pub(crate) memory: Memory,
    pub(crate) vitals: Vitals,
}

/// What a worker is told.
pub(crate) enum Command {
    /// Route by the newest snapshot, and say when nothing unsent is left of the one before.
    Adopt(oneshot::Sender<()>),
    /// Take no more connections, finish what is there within the grace, and end.
    Drain {
        grace: Duration,
        done: oneshot::Sender<()>,
    },
    /// End by a fault.
    #[cfg(test)]
    Panic,
}

/// A worker's own things; never seen by another thread.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    pub(crate) connections: Rc<Connections>,
    pub(crate) addresses: Rc<Addresses>,
    pub(crate) streams: Streams,
    pub(crate) waits: Waits,
    pub(crate) rng: RefCell<SmallRng>,
    pub(crate) metrics: WorkerMetrics,
    /// Where all requests are counted whose rules have no series of their own.
    pub(crate) other_series: OnceCell<Rc<SeriesShard>>,
    /// Cloned by every copy of a request under way, so that its count tells how many there are.
    pub(crate) mirrors: Rc<()>,
    current: RefCell<Rc<Local>>,
    before: RefCell<Option<Rc<Local>>>,
}

impl Worker {
    fn new(index: usize, shared: Arc<Shared>) -> Rc<Self> {
        let limits = shared.config.limits;
        Rc::new(Self {
            index,
            pool: Pool::new(limits.idle_per_endpoint, limits.upstream_idle),
            connections: connections(&limits, shared.config.workers),
            addresses: Addresses::new(limits.connections_per_address),
            streams: Streams::default(),
            waits: Waits::default(),
            rng: RefCell::new(SmallRng::from_rng(&mut rand::rng())),
            metrics: shared.metrics.worker(index),
            other_series: OnceCell::new(),
            current: RefCell::new(Local::new(shared.snapshot.load_full())),
            before: RefCell::new(None),
            mirrors: Rc::new(()),
            shared,
        })
    }

    /// The view of the snapshot in force.
    pub(crate) fn current(&self) -> Rc<Local> {
        let newest = self.shared.snapshot.load();
        let mut current = self.current.borrow_mut();
        if !Arc::ptr_eq(&current.snapshot, &newest) {
            let next = current.next(Arc::clone(&newest));
            self.before
                .replace(Some(std::mem::replace(&mut current, next)));
        }
        current.clone()
    }

    pub(crate) fn log(&self, entry: Entry, outcome: &Outcome) {
        if let Some(log) = &self.shared.access_log {
            log.write(entry, outcome);
        }
    }

    async fn adopt(&self) {
        self.current();
        let before = self.before.take();
        let Some(before) = before else { return };
        let sent = tokio::time::timeout(ADOPT_WAIT_MAX, before.all_sent()).await;
        if sent.is_err() {
            tracing::warn!("requests of the table before are still connecting; they choose again");
        }
        before.end();
    }

    fn reap(&self) {
        self.shared.endpoints.tick();
        let (now, limits) = (Instant::now(), &self.shared.config.limits);
        self.connections.reap(limits);
        self.streams.reap(now, limits.send);
        self.waits.reap(now);
        // Not only those of the table: external authentication has an endpoint too.
        let used = self.shared.endpoints.used();
        self.pool.reap(now, |id| used.contains(&id));
    }

    async fn drain(&self, grace: Duration, stop: &Notify, accepting: &mut Vec<JoinHandle<()>>) {
        self.connections.drain();
        stop.notify_waiters();
        for task in accepting.drain(..) {
            // One that panicked has nothing left to accept.
            let _ = task.await;
        }
        if tokio::time::timeout(grace, self.connections.emptied())
            .await
            .is_err()
        {
            tracing::warn!(
                connections = self.connections.len(),
                "the grace is over; what is left is cut"
            );
            self.connections.cut();
        }
    }
}

fn connections(limits: &Limits, workers: usize) -> Rc<Connections> {
    let max = limits.connections;
    let max = max.unwrap_or_else(|| descriptors::connections(workers));
    Connections::new(max, limits.life)
}

/// Runs a worker on this thread until it is drained or the proxy is dropped.
pub(crate) fn run(
    index: usize,
    shared: Arc<Shared>,
    sockets: Vec<(Listener, TcpListener)>,
    commands: mpsc::Receiver<Command>,
) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(Default::default())?;
    runtime.block_on(async {
        let worker = Worker::new(index, shared);
        let stop = Rc::new(Notify::new());
        let mut accepting = Vec::new();
        for (kind, socket) in sockets {
            let listener = tokio::net::TcpListener::from_std(socket)?;
            let accept = accept::run(listener, kind, worker.clone(), stop.clone());
            let vital = worker.shared.vitals.of("a listener");
            accepting.push(tokio::task::spawn_local(living(vital, accept)));
        }
        let vital = worker.shared.vitals.of("a reaper");
        tokio::task::spawn_local(living(vital, reap(worker.clone())));
        if index == 0 && worker.shared.memory.has_limit() {
            let vital = worker.shared.vitals.of("the look at memory");
            tokio::task::spawn_local(living(vital, weigh(worker.clone())));
        }
        obey(&worker, commands, &stop, accepting).await;
        Ok(())
    })
}

/// Does its work as a part of which the loss is told.
async fn living(_vital: Vital, work: impl Future<Output = ()>) {
    work.await;
}

async fn reap(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(REAP_INTERVAL);
    loop {
        ticks.tick().await;
        worker.reap();
    }
}

/// Looks at what the process holds, for all workers.
async fn weigh(worker: Rc<Worker>) {
    let mut ticks = tokio::time::interval(memory::LOOK_INTERVAL);
    loop {
        ticks.tick().await;
        worker.shared.memory.look();
    }
}

async fn obey(
    worker: &Rc<Worker>,
    mut commands: mpsc::Receiver<Command>,
    stop: &Notify,
    mut accepting: Vec<JoinHandle<()>>,
) {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Adopt(done) => {
                let worker = worker.clone();
                tokio::task::spawn_local(async move {
                    worker.adopt().await;
                    // Nobody waiting any more is no fault.
                    let _ = done.send(());
                });
            }
            Command::Drain { grace, done } => {
                worker.drain(grace, stop, &mut accepting).await;
                let _ = done.send(());
                return;
            }
            #[cfg(test)]
            Command::Panic => panic!("on purpose"),
        }
    }
}
