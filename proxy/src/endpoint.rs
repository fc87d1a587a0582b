//! Endpoints as the data plane sees them: what is in flight, what failed, which one is next.
//!
//! State lives as long as the endpoint stands in any table, over all generations and shared by all workers.

use haldane_routing::spec::{Address, Protocol, UpstreamTlsSpec};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Failed attempts in a row after which an endpoint is ejected: one may be chance, three hardly.
const FAILURES_TO_EJECT: u32 = 3;
/// The first ejection lasts this long, the n-th n times as long.
const EJECTION_BASE: Duration = Duration::from_secs(5);
/// An ejection never lasts longer.
const EJECTION_MAX: Duration = Duration::from_secs(60);

/// What is known of one endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Unique in the process; names its pool.
    pub(crate) id: u32,
    pub(crate) address: Address,
    in_flight: AtomicU32,
    failures: AtomicU32,
    ejections: AtomicU32,
    ejected_at_ms: AtomicU64,
    ejected_until_ms: AtomicU64,
}

impl Endpoint {
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Relaxed)
    }

    /// Counts a request until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    pub(crate) fn is_ejected(&self, now_ms: u64) -> bool {
        let until = self.ejected_until_ms.load(Relaxed);
        until != 0 && now_ms < until
    }

    /// An attempt that began then was answered, whatever the status: an application's own errors are the release's evidence, not
    /// ours to hide. Where all are ejected and one answers, it is readmitted: or one that is broken would get as much as those
    /// that are well. What was under way before says nothing about that.
    pub(crate) fn succeeded(&self, began_ms: u64) {
        if self.failures.load(Relaxed) != 0 && began_ms >= self.ejected_at_ms.load(Relaxed) {
            self.failures.store(0, Relaxed);
            self.ejections.store(0, Relaxed);
            self.ejected_until_ms.store(0, Relaxed);
        }
    }

    /// An attempt failed below HTTP. True if that ejects the endpoint.
    pub(crate) fn failed(&self, now_ms: u64) -> bool {
        let failures = self.failures.fetch_add(1, Relaxed) + 1;
        if failures < FAILURES_TO_EJECT || self.is_ejected(now_ms) {
            return false;
        }
        let times = self.ejections.fetch_add(1, Relaxed) + 1;
        let lasts = (EJECTION_BASE * times.min(64)).min(EJECTION_MAX);
        self.ejected_at_ms.store(now_ms, Relaxed);
        self.ejected_until_ms.store(now_ms + as_ms(lasts), Relaxed);
        true
    }
}

/// A request on its way to an endpoint.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Relaxed);
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

type Key = (Protocol, Address, UpstreamTlsSpec, String);

/// Every endpoint of the tables in force, found again by a new table.
#[derive(Debug)]
pub(crate) struct Endpoints {
    known: Mutex<Known>,
    started: Instant,
    now_ms: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    by_key: HashMap<Key, Weak<Endpoint>>,
    next_id: u32,
}

impl Endpoints {
    pub(crate) fn new() -> Self {
        Self {
            known: Mutex::default(),
            started: Instant::now(),
            now_ms: AtomicU64::new(0),
        }
    }

    /// Moves the clock that ejections are measured by; every worker's reaper does, twice a second.
    pub(crate) fn tick(&self) {
        self.now_ms.store(as_ms(self.started.elapsed()), Relaxed);
    }

    /// That clock, in milliseconds since the process began to route: exact enough for ejections, which last seconds, and
    /// far cheaper than asking the system for each request.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_ms.load(Relaxed)
    }

    /// The endpoint at this address of this backend, new or known.
    pub(crate) fn endpoint(
        &self,
        protocol: Protocol,
        tls: &UpstreamTlsSpec,
        backend: &str,
        address: &Address,
    ) -> Arc<Endpoint> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (protocol, address.clone(), tls.clone(), backend.to_owned());
        if let Some(endpoint) = known.by_key.get(&key).and_then(Weak::upgrade) {
            return endpoint;
        }
        let endpoint = Arc::new(Endpoint {
            id: known.next_id,
            address: address.clone(),
            in_flight: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            ejected_at_ms: AtomicU64::new(0),
            ejected_until_ms: AtomicU64::new(0),
        });
        known.next_id = known.next_id.wrapping_add(1);
        known.by_key.insert(key, Arc::downgrade(&endpoint));
        endpoint
    }

    /// The numbers of all endpoints that a table names, or anybody else still uses.
    pub(crate) fn used(&self) -> HashSet<u32> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let used = known.by_key.values().filter_map(Weak::upgrade);
        used.map(|endpoint| endpoint.id).collect()
    }

    /// Forgets endpoints that no table names any more.
    pub(crate) fn sweep(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .by_key
            .retain(|_, endpoint| endpoint.strong_count() > 0);
    }

    /// How many endpoints are ejected now.
    pub(crate) fn ejected(&self) -> usize {
        let now_ms = self.now_ms();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let ejected =
            |endpoint: &Weak<Endpoint>| endpoint.upgrade().is_some_and(|e| e.is_ejected(now_ms));
        known.by_key.values().filter(|e| ejected(e)).count()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn endpoints(count: u16) -> Vec<Arc<Endpoint>> {
        let all = Endpoints::new();
        let at = |port| Address::Socket(([127, 0, 0, 1], port).into());
        let tls = UpstreamTlsSpec::default();
        (1..=count)
            .map(|port| all.endpoint(Protocol::Http, &tls, "b", &at(port)))
            .collect()
    }

    #[test]
    fn three_failures_in_a_row_eject_and_time_readmits() {
        let endpoint = &endpoints(1)[0];
        assert_eq!([endpoint.failed(0), endpoint.failed(0)], [false, false]);
        endpoint.succeeded(0);
        assert_eq!(
            [endpoint.failed(0), endpoint.failed(0), endpoint.failed(0)],
            [false, false, true]
        );
        assert!(endpoint.is_ejected(4_999));
        assert!(!endpoint.is_ejected(5_000));
        assert!(endpoint.failed(6_000), "one more failure ejects again");
        assert!(endpoint.is_ejected(15_999), "and for longer");
        endpoint.succeeded(5_999);
        assert!(endpoint.is_ejected(6_000), "what began before says nothing");
        endpoint.succeeded(6_000);
        assert!(!endpoint.is_ejected(6_000), "an answer readmits");
    }

    #[test]
    fn an_endpoint_is_used_as_long_as_anybody_holds_it() {
        let all = Endpoints::new();
        let find = |port: u16| {
            let address = Address::Socket(([127, 0, 0, 1], port).into());
            all.endpoint(Protocol::Http, &UpstreamTlsSpec::default(), "b", &address)
        };
        let (held, dropped) = (find(1), find(2));
        assert_eq!(all.used(), HashSet::from([held.id, dropped.id]));
        drop(dropped);
        assert_eq!(all.used(), HashSet::from([held.id]));
    }

    #[test]
    fn a_known_endpoint_keeps_its_state() {
        let all = Endpoints::new();
        let address = Address::Socket(([127, 0, 0, 1], 1).into());
        let find = || all.endpoint(Protocol::Http, &UpstreamTlsSpec::default(), "b", &address);
        let first = find();
        let held = first.enter();
        assert_eq!(find().in_flight(), 1);
        drop((held, first));
        all.sweep();
        assert_eq!(find().id, 1, "a forgotten one starts anew");
    }
}
