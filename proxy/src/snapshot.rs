//! What requests are routed by: one immutable snapshot, replaced whole, and each worker's own view of it.

use crate::by_rule::ByRule;
use crate::endpoint::{Endpoint, Endpoints};
use crate::forwarded::is_told;
use crate::local_rule::LocalRule;
use crate::tls::{Alpn, CertificateFault, ClientTls, ClientTlsFault};
use crate::worker::Worker;
use haldane_routing::spec::{Protocol, UpstreamTlsSpec};
use haldane_routing::{Backend, RuleIndex, Table};
use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use thiserror::Error;

/// The number of a table that was put in force; it only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// Why a table was not put in force; the one before stays.
#[derive(Debug, Error)]
pub enum Rejected {
    /// Certificates that cannot be used, all of them.
    #[error("{}", lines(.0))]
    Certificates(Vec<CertificateFault>),
    /// The TLS settings of a backend cannot be used.
    #[error("backend {backend}: {fault}")]
    UpstreamTls {
        /// The backend's name.
        backend: String,
        /// What is wrong.
        fault: ClientTlsFault,
    },
    /// The proxy is ending.
    #[error("the proxy has stopped")]
    Stopped,
}

/// A backend with its live endpoints.
#[derive(Debug)]
pub(crate) struct LiveBackend {
    backend: Arc<Backend>,
    pub(crate) endpoints: Vec<Arc<Endpoint>>,
    pub(crate) tls: Option<Arc<rustls::ClientConfig>>,
    pub(crate) turn: AtomicUsize,
}

impl LiveBackend {
    pub(crate) fn protocol(&self) -> Protocol {
        self.backend.protocol()
    }

    pub(crate) fn name(&self) -> &str {
        self.backend.name()
    }

    pub(crate) fn tls_spec(&self) -> &UpstreamTlsSpec {
        self.backend.tls()
    }
}

/// Everything one generation routes by.
pub(crate) struct Snapshot {
    pub(crate) generation: Generation,
    pub(crate) table: Arc<Table>,
    pub(crate) backends: Vec<Arc<LiveBackend>>,
    /// Whether a condition asks for a header by which upstreams are told where a request comes from.
    pub(crate) sees_told: bool,
}

impl Snapshot {
    pub(crate) fn empty() -> Self {
        Self {
            generation: Generation(0),
            table: Arc::new(Table::empty()),
            backends: Vec::new(),
            sees_told: false,
        }
    }

    /// Whether it stands for no table at all, until there is one.
    pub(crate) fn is_first(&self) -> bool {
        self.generation == Generation(0)
    }

    /// The snapshot of a table; backends that did not change keep their identity.
    pub(crate) fn next(
        &self,
        table: Arc<Table>,
        endpoints: &Endpoints,
        tls: &ClientTls,
    ) -> Result<Self, Rejected> {
        let before: HashMap<*const Backend, &Arc<LiveBackend>> = self
            .backends
            .iter()
            .map(|live| (Arc::as_ptr(&live.backend), live))
            .collect();
        let live = |backend: &Arc<Backend>| match before.get(&Arc::as_ptr(backend)) {
            Some(same) => Ok(Arc::clone(same)),
            None => enliven(backend, endpoints, tls).map(Arc::new),
        };
        let backends = table
            .backends()
            .iter()
            .map(live)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            generation: Generation(self.generation.0 + 1),
            sees_told: table.asks_header(is_told),
            table,
            backends,
        })
    }
}

fn lines(faults: &[CertificateFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn enliven(
    backend: &Arc<Backend>,
    endpoints: &Endpoints,
    tls: &ClientTls,
) -> Result<LiveBackend, Rejected> {
    let protocol = backend.protocol();
    let alpn = match protocol {
        Protocol::Http | Protocol::H2c => None,
        Protocol::Https => Some(Alpn::Http1),
        Protocol::H2 => Some(Alpn::Http2),
    };
    let config = alpn.map(|alpn| tls.config(backend.tls(), alpn)).transpose();
    let config = config.map_err(|fault| Rejected::UpstreamTls {
        backend: backend.name().to_owned(),
        fault,
    })?;
    let live = |address| endpoints.endpoint(protocol, backend.tls(), backend.name(), address);
    Ok(LiveBackend {
        backend: backend.clone(),
        endpoints: backend.endpoints().iter().map(live).collect(),
        tls: config,
        turn: AtomicUsize::new(0),
    })
}

/// A worker's view of a snapshot. Nothing in it is shared with another thread but the snapshot itself.
pub(crate) struct Local {
    pub(crate) snapshot: Arc<Snapshot>,
    rules: ByRule<LocalRule>,
    unsent: Cell<usize>,
    /// Nobody waits any more for what is unsent: it must not be sent by this view.
    over: Cell<bool>,
    all_sent: tokio::sync::Notify,
}

impl Local {
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Rc<Self> {
        let rules = ByRule::new(snapshot.table.rules().len());
        Self::with(snapshot, rules)
    }

    /// The view of the next snapshot: rules that did not change keep their counters and budgets.
    pub(crate) fn next(&self, snapshot: Arc<Snapshot>) -> Rc<Self> {
        let (before, now) = (self.snapshot.table.rules(), snapshot.table.rules());
        let rules = self.rules.next(before, now);
        Self::with(snapshot, rules)
    }

    fn with(snapshot: Arc<Snapshot>, rules: ByRule<LocalRule>) -> Rc<Self> {
        Rc::new(Self {
            snapshot,
            rules,
            unsent: Cell::new(0),
            over: Cell::new(false),
            all_sent: tokio::sync::Notify::new(),
        })
    }

    /// What is kept of a rule, made at its first request.
    pub(crate) fn rule(&self, index: RuleIndex, worker: &Worker) -> &LocalRule {
        let index = index.index();
        let rule = || self.snapshot.table.rules()[index].clone();
        self.rules.get(index, || LocalRule::new(rule(), worker))
    }

    /// What is kept of a rule that a request was found to be under.
    pub(crate) fn kept(&self, index: RuleIndex) -> &LocalRule {
        let kept = self.known(index);
        kept.expect("it was made when the request was routed")
    }

    /// What is kept of the rule at this place, if there is one and it was asked for.
    pub(crate) fn known(&self, index: RuleIndex) -> Option<&LocalRule> {
        self.rules.known(index.index())
    }

    /// A request has chosen its version by this view and is not on the wire yet, until the guard is dropped.
    pub(crate) fn unsent(self: &Rc<Self>) -> Unsent {
        self.unsent.set(self.unsent.get() + 1);
        Unsent(self.clone())
    }

    /// What is still unsent must choose again.
    pub(crate) fn end(&self) {
        self.over.set(true);
    }

    /// Waits until no request that chose by this view is still unsent.
    pub(crate) async fn all_sent(&self) {
        while self.unsent.get() > 0 {
            self.all_sent.notified().await;
        }
    }
}

/// See [`Local::unsent`].
pub(crate) struct Unsent(Rc<Local>);

impl Unsent {
    /// Whether a newer table was acknowledged meanwhile.
    pub(crate) fn is_late(&self) -> bool {
        self.0.over.get()
    }

    /// The request waits for others: no table waits for it meanwhile.
    pub(crate) fn rests(self) -> Resting {
        Resting(self.0.clone())
    }
}

/// See [`Unsent::rests`].
pub(crate) struct Resting(Rc<Local>);

impl Resting {
    /// Its wait is over: it must choose again if a newer table was acknowledged meanwhile.
    pub(crate) fn goes_on(self) -> Option<Unsent> {
        let late = self.0.over.get();
        (!late).then(|| self.0.unsent())
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        let left = self.0.unsent.get() - 1;
        self.0.unsent.set(left);
        if left == 0 {
            self.0.all_sent.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local_rule::tests::table;

    #[test]
    fn a_table_sees_what_is_told_where_a_condition_asks_for_it() {
        let asks = |name| {
            table(
                &format!(r#""conditions": [{{"header": ["{name}", "present"]}}]"#),
                "",
                "",
            )
        };
        assert!(asks("x-forwarded-proto").asks_header(is_told));
        assert!(!asks("x-forwarded-prefix").asks_header(is_told));
    }
}
