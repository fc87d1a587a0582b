//! What requests are routed by: one immutable snapshot, replaced whole, and each worker's own view of it.

use crate::endpoint::{Endpoint, Endpoints};
use crate::forwarded::is_told;
use crate::gate::RuleGate;
use crate::metrics::{Place, SeriesKey, SeriesShard, Share};
use crate::retry::Budget;
use crate::tls::{Alpn, CertificateFault, ClientTls, ClientTlsFault};
use crate::worker::Worker;
use haldane_routing::spec::{HostSpec, PathSpec, Protocol, UpstreamTlsSpec};
use haldane_routing::{
    Action, Backend, Balance, By, Forward, HashKey, Rule, RuleIndex, Sticky, Table, Version,
    VersionIndex,
};
use std::cell::{Cell, OnceCell, RefCell};
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

/// What is counted together: a version, none where the rule answers itself, and what decided on it.
type Choice = (Option<VersionIndex>, By);

/// A rule's counters by choice. Nearly all rules have one, which needs no room of its own; the others are so few that they
/// are looked through.
#[derive(Default)]
struct SeriesByChoice {
    first: OnceCell<(Choice, Rc<SeriesShard>)>,
    others: RefCell<Vec<(Choice, Rc<SeriesShard>)>>,
}

impl SeriesByChoice {
    fn find(&self, choice: Choice) -> Option<Rc<SeriesShard>> {
        let is = |known: &&(Choice, Rc<SeriesShard>)| known.0 == choice;
        if let Some((_, first)) = self.first.get().filter(is) {
            return Some(first.clone());
        }
        let others = self.others.borrow();
        others.iter().find(is).map(|(_, known)| known.clone())
    }

    fn keep(&self, choice: Choice, series: Rc<SeriesShard>) {
        if let Err(another) = self.first.set((choice, series)) {
            self.others.borrow_mut().push(another);
        }
    }
}

/// What one worker keeps of a rule: counters, the retry budget, filters that remember.
pub(crate) struct LocalRule {
    rule: Arc<Rule>,
    series: SeriesByChoice,
    pub(crate) budget: Budget,
    pub(crate) gate: Option<Box<RuleGate>>,
    /// Whether the rule looks at, or changes, what upstreams are told of a request's way.
    pub(crate) sees_told: bool,
}

fn sees_told(rule: &Rule) -> bool {
    let filters = rule.filters();
    let edits = filters.request_headers();
    let edited = edits.set().iter().chain(edits.add()).map(|(name, _)| name);
    edited.chain(edits.remove()).any(is_told)
        || filters.external_auth().is_some()
        || matches!(rule.action(), Action::Forward(forward) if picks_by_told(forward))
}

fn picks_by_told(forward: &Forward) -> bool {
    let sticky = matches!(forward.sticky(), Some(Sticky::Header(name)) if is_told(name));
    let by_told = |key: &HashKey| matches!(key, HashKey::Header(name) if is_told(name));
    sticky || matches!(forward.balance(), Balance::ConsistentHash(keys) if keys.iter().any(by_told))
}

impl LocalRule {
    pub(crate) fn rule(&self) -> &Arc<Rule> {
        &self.rule
    }

    /// Where requests to a version (or answered by the rule itself) are counted.
    pub(crate) fn series(
        &self,
        version: Option<VersionIndex>,
        by: By,
        worker: &Worker,
    ) -> Rc<SeriesShard> {
        let choice = (version, by);
        if let Some(known) = self.series.find(choice) {
            return known;
        }
        let metrics = &worker.shared.metrics;
        let counted = metrics.series(&self.key(version, by), &place(&self.rule));
        let shard = |share| Rc::new(counted.shard(share, worker.index));
        let shard = if metrics.is_other(&counted) {
            // One for all, so that rules without number have no more to read for it.
            let other = worker.other_series.get_or_init(|| shard(Share::default()));
            other.clone()
        } else {
            shard(self.share(version))
        };
        self.series.keep(choice, shard.clone());
        shard
    }

    fn share(&self, version: Option<VersionIndex>) -> Share {
        let (Some(version), Action::Forward(forward)) = (version, self.rule.action()) else {
            return Share::default();
        };
        let weights = forward.versions().iter().map(Version::weight);
        Share {
            weight: forward.versions()[version.index()].weight(),
            period: weights.fold(0, u64::saturating_add),
        }
    }

    fn key(&self, version: Option<VersionIndex>, by: By) -> SeriesKey<&str> {
        let origin = self.rule.origin();
        let (name, canary) = match (version, self.rule.action()) {
            (Some(version), Action::Forward(forward)) => {
                let version = &forward.versions()[version.index()];
                (version.name(), version.canary())
            }
            _ => ("", ""),
        };
        SeriesKey {
            namespace: &origin.namespace,
            ingress: &origin.name,
            rule: self.rule.id(),
            service: &origin.service,
            by: if version.is_some() {
                by.as_str()
            } else {
                "none"
            },
            version: name,
            canary,
        }
    }
}

/// What a rule asks for first: it has one path, and more hosts than one only by aliases.
fn place(rule: &Rule) -> Place<'_> {
    let Some(first) = rule.matches().first() else {
        return Place::default();
    };
    Place {
        host: match &first.host {
            HostSpec::Any => "_".into(),
            HostSpec::Exact(name) => name.into(),
            HostSpec::OneLabel(suffix) | HostSpec::ManyLabels(suffix) => {
                format!("*.{suffix}").into()
            }
        },
        path: match &first.path {
            PathSpec::Exact(path) | PathSpec::Prefix(path) => path.into(),
            PathSpec::Regex { pattern, .. } => pattern.into(),
        },
    }
}

/// A worker's view of a snapshot. Nothing in it is shared with another thread but the snapshot itself.
pub(crate) struct Local {
    pub(crate) snapshot: Arc<Snapshot>,
    /// By the rule's place in the table, each made at its first request.
    rules: RefCell<Vec<Option<Rc<LocalRule>>>>,
    unsent: Cell<usize>,
    /// Nobody waits any more for what is unsent: it must not be sent by this view.
    over: Cell<bool>,
    all_sent: tokio::sync::Notify,
}

impl Local {
    pub(crate) fn new(snapshot: Arc<Snapshot>) -> Rc<Self> {
        Self::with(snapshot, Vec::new())
    }

    /// The view of the next snapshot: rules that did not change keep their counters and budgets.
    pub(crate) fn next(&self, snapshot: Arc<Snapshot>) -> Rc<Self> {
        let before = self.rules.borrow();
        let keep = |(rule, local): (&Arc<Rule>, &Option<Rc<LocalRule>>)| {
            let local = local.as_ref()?;
            Arc::ptr_eq(rule, &local.rule).then(|| local.clone())
        };
        let rules = snapshot.table.rules().iter().zip(&*before).map(keep);
        Self::with(snapshot.clone(), rules.collect())
    }

    fn with(snapshot: Arc<Snapshot>, mut rules: Vec<Option<Rc<LocalRule>>>) -> Rc<Self> {
        rules.resize(snapshot.table.rules().len(), None);
        Rc::new(Self {
            snapshot,
            rules: RefCell::new(rules),
            unsent: Cell::new(0),
            over: Cell::new(false),
            all_sent: tokio::sync::Notify::new(),
        })
    }

    /// What is kept of a rule, made at its first request.
    pub(crate) fn rule(&self, index: RuleIndex, worker: &Worker) -> Rc<LocalRule> {
        let place = &mut self.rules.borrow_mut()[index.index()];
        let make = || {
            let rule = self.snapshot.table.rules()[index.index()].clone();
            Rc::new(LocalRule {
                gate: RuleGate::new(&rule, worker),
                budget: Budget::new(&rule),
                sees_told: sees_told(&rule),
                series: SeriesByChoice::default(),
                rule,
            })
        };
        place.get_or_insert_with(make).clone()
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

    /// A rule with these filters and this way to forward.
    fn table(matches: &str, filters: &str, forward: &str) -> Table {
        let spec = format!(
            r#"{{"rules": [{{"id": "r", "origin": {{}}, "matches": [{{{matches}}}], "filters": {{{filters}}},
                "action": {{"forward": {{"versions": [{{"name": "v", "weight": 1, "backend": "b"}}] {forward}}}}}}}],
               "backends": [{{"name": "b"}}]}}"#
        );
        Table::build(&serde_json::from_str(&spec).unwrap(), None, 7).unwrap()
    }

    #[track_caller]
    fn check(filters: &str, forward: &str, sees: bool) {
        let table = table("", filters, forward);
        assert_eq!(sees_told(&table.rules()[0]), sees, "{filters} {forward}");
    }

    #[test]
    fn a_rule_sees_what_is_told_where_it_edits_or_picks_by_it() {
        check("", "", false);
        check(
            r#""request_headers": {"remove": ["x-request-id"]}"#,
            "",
            true,
        );
        check(
            r#""request_headers": {"set": [["X-Real-IP", "a"]]}"#,
            "",
            true,
        );
        check(
            r#""request_headers": {"add": [["forwarded", "a"]]}"#,
            "",
            true,
        );
        check(
            r#""request_headers": {"set": [["x-other", "a"]]}"#,
            "",
            false,
        );
        check("", r#", "sticky": {"header": "x-forwarded-for"}"#, true);
        check("", r#", "sticky": {"header": "x-user"}"#, false);
        let hash =
            |key| format!(r#", "balance": {{"consistent_hash": ["host", {{"header": "{key}"}}]}}"#);
        check("", &hash("x-real-ip"), true);
        check("", &hash("x-user"), false);
    }

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
