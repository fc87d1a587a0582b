//! The live controller: watches a cluster, keeps an index, and makes tables from it with the same translation as `serve`.
//!
//! ```text
//! watches ──changes──► keeper (a thread: index, translate, last good forms, doubt) ──outcome──► lead ──► push ──► proxies
//!                                                                        │                ▲        │
//!                                                                        └──► write ◄─────┼────────┘  answers
//!                                                              status, Events, addresses  │
//!                                                                                  lease ─┘  who leads
//! ```
//!
//! The keeper knows nothing of leases, proxies or writes. Whoever publishes or writes asks the lease first. Nothing that a
//! user writes, a proxy answers or an API server does ends the process; only a part of it that ended by itself does.

mod addresses;
mod admin;
mod backoff;
mod board;
mod book;
mod change;
mod doubt;
mod events;
mod form;
mod good;
mod hooks;
mod index;
mod keeper;
mod lead;
mod lease;
mod leaving;
mod memory;
mod metrics;
mod name;
mod parts;
mod reason;
mod rollouts;
mod said;
mod secrets;
mod store;
mod watch;
mod watches;
mod write;

use crate::push::{self, Publisher, PushTls, PushTlsFault, ServeFault};
use crate::translate::Options;
use crate::webhooks::{Caller, Patience, Reach, Webhooks};
use addresses::Addresses;
use admin::Admin;
use board::Board;
use form::Form;
use index::{Index, Look};
use kube::Client;
use lead::Leader;
use lease::{Keep, Leadership, keep};
use memory::{Memory, Place};
use rollouts::calls::Calls;
use rollouts::deployment::Cleaner;
use rollouts::{Pilot, Reports};
use rustls::RootCertStore;
use std::io;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch as channel};
use tokio::task::JoinSet;
use write::{Call, Writer};

/// How long the API server keeps a watch before it ends it, in seconds. A connection that is silent 5 s longer is taken
/// for dead, so this bounds how long a peer that vanished without a word goes unnoticed.
const WATCH_S: u32 = 30;

/// What a controller is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How objects are translated.
    pub options: Options,
    /// The namespaces to watch; empty is the whole cluster.
    pub namespaces: Vec<String>,
    /// How proxies and we know each other.
    pub push: PushTls,
    /// The Lease that decides who leads.
    pub lease: LeaseName,
    /// The name that this controller has in the Lease and in Events.
    pub identity: String,
    /// Where the world reaches the proxies.
    pub publish: Publish,
    /// Which addresses webhooks may be at.
    pub webhooks: Reach,
    /// The ConfigMap, in the Lease's namespace, that keeps last valid forms for controllers that start; where absent, only
    /// those that run know them.
    pub held_config_map: Option<String>,
}

/// A Lease.
#[derive(Clone, Debug)]
pub struct LeaseName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What Ingresses have as `status.loadBalancer`.
#[derive(Clone, Debug)]
pub enum Publish {
    /// These IP addresses and host names; none: the field is left alone.
    Addresses(Vec<String>),
    /// Those of a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

/// The sockets that a controller serves on.
#[derive(Debug)]
pub struct Listeners {
    /// Where proxies follow.
    pub push: TcpListener,
    /// Where metrics and probes are.
    pub admin: TcpListener,
}

/// Why a controller does not run, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum RunFault {
    /// The metrics cannot be made.
    #[error("making the metrics failed")]
    Metrics(#[from] prometheus::Error),
    /// The thread of the index cannot be started.
    #[error("starting the index failed")]
    Thread(#[source] io::Error),
    /// Proxies cannot be served.
    #[error("serving proxies failed")]
    Push(#[from] ServeFault),
    /// The push certificate cannot be used.
    #[error("reading the push certificate failed")]
    Tls(#[from] PushTlsFault),
    /// A part that works for ever has ended, which only a fault of ours can bring about.
    #[error("a part of the controller ended by itself")]
    Ended,
}

/// Runs a controller until `shutdown`; then it gives the Lease back and lets the proxies go.
///
/// # Errors
/// [`RunFault`].
pub async fn run(
    settings: Settings,
    listeners: Listeners,
    client: Client,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RunFault> {
    let (recalled, remembered) = oneshot::channel();
    let mut index = Index::start(look(&settings), client.clone(), remembered)?;
    let (stop_lease, stopped) = oneshot::channel();
    let (leadership, keeping) = keep(lease_of(&settings, client.clone()), stopped);
    let keeping = tokio::spawn(keeping);
    let publisher = Publisher::new();
    let (close, closed) = oneshot::channel::<()>();
    let serving = push::serve(
        listeners.push,
        settings.push.clone(),
        publisher.clone(),
        async {
            // Sent or dropped, it says the same.
            let _ = closed.await;
        },
    );
    let mut serving = std::pin::pin!(serving);
    let parts = Parts {
        settings: &settings,
        index: &index,
        leadership,
        publisher,
    };
    let mut tasks = parts.start(client, listeners.admin, recalled);
    tokio::select! {
        () = shutdown => {}
        served = &mut serving => return Ok(served?),
        _ = tasks.join_next() => return Err(RunFault::Ended),
        _ = index.tasks.join_next() => return Err(RunFault::Ended),
    }
    tasks.abort_all();
    drop(close);
    drop(stop_lease);
    let (served, _) = tokio::join!(serving, keeping);
    Ok(served?)
}

fn look(settings: &Settings) -> Look {
    Look {
        options: settings.options.clone(),
        namespaces: settings.namespaces.clone(),
        watch_s: WATCH_S,
    }
}

fn lease_of(settings: &Settings, client: Client) -> Keep {
    Keep {
        client,
        namespace: settings.lease.namespace.clone(),
        name: settings.lease.name.clone(),
        identity: settings.identity.clone(),
    }
}

/// What the tasks share.
struct Parts<'a> {
    settings: &'a Settings,
    index: &'a Index,
    leadership: Leadership,
    publisher: Publisher,
}

impl Parts<'_> {
    fn start(
        &self,
        client: Client,
        admin: TcpListener,
        recalled: oneshot::Sender<Vec<Form>>,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        match self.memory(&client) {
            Some(memory) => {
                tasks.spawn(memory.run(recalled));
            }
            // The index waits for it; that it has ended, others notice.
            None => drop(recalled.send(Vec::new())),
        }
        let (addresses, given) = channel::channel(Vec::new());
        match &self.settings.publish {
            Publish::Addresses(written) => {
                let written = written.iter().map(|address| addresses::written(address));
                addresses.send_replace(written.collect());
            }
            Publish::Service { namespace, name } => {
                let (namespace, name) = (namespace.clone(), name.clone());
                tasks.spawn(addresses::follow(
                    client.clone(),
                    namespace,
                    name,
                    addresses,
                ));
            }
        }
        let (reports, rollouts) = channel::channel(Arc::default());
        tasks.spawn(self.leader().run());
        tasks.spawn(self.pilot(client.clone(), reports).run());
        tasks.spawn(self.writer(client, given, rollouts.clone()).run());
        tasks.spawn(self.admin(rollouts).serve(admin));
        tasks
    }

    fn leader(&self) -> Leader {
        Leader {
            leadership: self.leadership.clone(),
            outcomes: self.index.outcomes.clone(),
            publisher: self.publisher.clone(),
            metrics: self.index.metrics.clone(),
        }
    }

    fn memory(&self, client: &Client) -> Option<Memory> {
        let settings = self.settings;
        let name = settings.held_config_map.clone()?;
        Some(Memory {
            call: Call::new(client.clone(), settings.identity.clone()),
            place: Place {
                namespace: settings.lease.namespace.clone(),
                name,
            },
            leadership: self.leadership.clone(),
            outcomes: self.index.outcomes.clone(),
            metrics: self.index.metrics.clone(),
        })
    }

    fn webhooks(&self) -> Webhooks {
        let reach = self.settings.webhooks.clone();
        let caller = Caller::new(reach, usual_roots(), Patience::default());
        Webhooks::new(caller, self.index.metrics.webhooks())
    }

    fn pilot(&self, client: Client, reports: channel::Sender<Reports>) -> Pilot {
        Pilot {
            call: Call::new(client.clone(), self.settings.identity.clone()),
            leadership: self.leadership.clone(),
            outcomes: self.index.outcomes.clone(),
            publisher: self.publisher.clone(),
            keeper: self.index.seen.clone(),
            reports,
            calls: Calls::new(self.webhooks()),
            cleaner: Cleaner {
                client: client.clone(),
                leadership: self.leadership.clone(),
            },
            metrics: self.index.metrics.clone(),
        }
    }

    fn writer(
        &self,
        client: Client,
        addresses: channel::Receiver<Addresses>,
        rollouts: channel::Receiver<Reports>,
    ) -> Writer {
        Writer {
            rollouts,
            call: Call::new(client, self.settings.identity.clone()),
            leadership: self.leadership.clone(),
            outcomes: self.index.outcomes.clone(),
            addresses,
            publisher: self.publisher.clone(),
            metrics: self.index.metrics.clone(),
        }
    }

    fn admin(&self, rollouts: channel::Receiver<Reports>) -> Admin {
        Admin {
            rollouts,
            board: Board {
                leadership: self.leadership.clone(),
                outcomes: self.index.outcomes.clone(),
                publisher: self.publisher.clone(),
            },
            metrics: self.index.metrics.clone(),
        }
    }
}

/// The authorities that the system believes. Without any, only hooks that name their own can be called by HTTPS.
fn usual_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::debug!(%error, "an authority cannot be read");
    }
    roots.add_parsable_certificates(found.certs);
    roots
}
