//! Idle upstream connections, kept by each worker for itself: no lock, no hop to another thread.

use super::h1::{self, GiveBack};
use super::h2;
use super::stream::Stream;
use crate::metrics::UpstreamState;
use crate::worker::Worker;
use foldhash::HashMap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Idle connections of one worker over all endpoints: bounds descriptors, far above what one core keeps busy.
const IDLE_MAX: usize = 8_192;

/// HTTP/2 connections of one worker to one endpoint: a new one is opened where all others have as many streams as the peer
/// allows, usually 100 or more, up to this. Requests beyond wait for a stream.
const SHARED_MAX: usize = 8;

/// Puts a connection back into the pool it came from.
pub(crate) struct Back {
    worker: Rc<Worker>,
    endpoint: u32,
}

impl Back {
    pub(crate) fn new(worker: Rc<Worker>, endpoint: u32) -> Self {
        Self { worker, endpoint }
    }
}

impl GiveBack<Stream> for Back {
    fn give_back(self, connection: h1::Connection<Stream>) {
        self.worker.pool.put(self.endpoint, connection);
    }
}

struct Idle {
    connection: h1::Connection<Stream>,
    since: Instant,
}

/// The upstream connections of one worker that nobody uses now.
pub(crate) struct Pool {
    idle: RefCell<HashMap<u32, Vec<Idle>>>,
    shared: RefCell<HashMap<u32, Vec<h2::Sender>>>,
    count: Cell<usize>,
    per_endpoint: usize,
    keep: Duration,
    /// As of the last [`Pool::reap`], which is often enough to tell what is old.
    now: Cell<Instant>,
}

impl Pool {
    pub(crate) fn new(per_endpoint: usize, keep: Duration) -> Self {
        Self {
            idle: RefCell::default(),
            shared: RefCell::default(),
            count: Cell::new(0),
            per_endpoint,
            keep,
            now: Cell::new(Instant::now()),
        }
    }

    /// The connection used last, if the peer has neither closed it nor sent anything meanwhile.
    pub(crate) fn take(&self, endpoint: u32) -> Option<h1::Connection<Stream>> {
        let mut idle = self.idle.borrow_mut();
        let of_endpoint = idle.get_mut(&endpoint)?;
        loop {
            let mut kept = of_endpoint.pop()?;
            self.count.set(self.count.get() - 1);
            if kept.connection.is_reusable_now() {
                kept.connection.io_mut().is_now(UpstreamState::Busy);
                return Some(kept.connection);
            }
        }
    }

    /// Keeps a connection for the next request; over the bounds it is closed.
    pub(crate) fn put(&self, endpoint: u32, mut connection: h1::Connection<Stream>) {
        let mut idle = self.idle.borrow_mut();
        let of_endpoint = idle.entry(endpoint).or_default();
        if of_endpoint.len() < self.per_endpoint && self.count.get() < IDLE_MAX {
            connection.io_mut().is_now(UpstreamState::Idle);
            of_endpoint.push(Idle {
                connection,
                since: self.now.get(),
            });
            self.count.set(self.count.get() + 1);
        }
    }

    /// An open HTTP/2 connection to an endpoint with room for one more request; where there may be no further one, the one
    /// that is used least.
    pub(crate) fn shared(&self, endpoint: u32) -> Option<h2::Sender> {
        let mut shared = self.shared.borrow_mut();
        let of_endpoint = shared.get_mut(&endpoint)?;
        of_endpoint.retain_mut(|sender| !sender.is_closed());
        let roomy = of_endpoint.iter().find(|sender| sender.has_room());
        let full = of_endpoint.len() >= SHARED_MAX;
        let crowded = || of_endpoint.iter().min_by_key(|sender| sender.used());
        roomy.or_else(|| full.then(crowded).flatten()).cloned()
    }

    /// Lets others use a connection; over the bound it ends with its request.
    pub(crate) fn share(&self, endpoint: u32, sender: h2::Sender) {
        let mut shared = self.shared.borrow_mut();
        let of_endpoint = shared.entry(endpoint).or_default();
        of_endpoint.retain_mut(|sender| !sender.is_closed());
        if of_endpoint.len() < SHARED_MAX {
            of_endpoint.push(sender);
        }
    }

    /// Closes what has been idle too long, what the peer closed, and what leads to endpoints that are gone.
    pub(crate) fn reap(&self, now: Instant, is_known: impl Fn(u32) -> bool) {
        self.now.set(now);
        let mut idle = self.idle.borrow_mut();
        idle.retain(|id, of_endpoint| {
            let old = |kept: &Idle| now.saturating_duration_since(kept.since) > self.keep;
            let known = is_known(*id);
            of_endpoint.retain_mut(|kept| known && !old(kept) && kept.connection.is_reusable_now());
            !of_endpoint.is_empty()
        });
        self.count.set(idle.values().map(Vec::len).sum());
        self.shared.borrow_mut().retain(|id, of_endpoint| {
            let known = is_known(*id);
            let mut spare = 0;
            of_endpoint.retain_mut(|sender| {
                spare += usize::from(sender.used() == 0);
                known && !sender.is_closed() && (sender.used() > 0 || spare == 1)
            });
            !of_endpoint.is_empty()
        });
    }
}
