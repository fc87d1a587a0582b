//! What a worker knows of each downstream connection: since when it waits for what, and how to wake it.
//!
//! One reaper for each worker looks at all of them twice a second, so a request costs no timer of its own.
//! Nothing here reads or writes a socket.

mod taking;

use self::taking::Taking;
use crate::limits::{Http2Limits, Limits};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often connections are looked at: limits are kept to within this.
pub(crate) const REAP_INTERVAL: Duration = Duration::from_millis(500);

/// How long a connection that is between two requests may stay so once the worker drains: a client that keeps asking is
/// told `Connection: close` with its next answer, which loses nothing, while closing on it at once could. Up to one
/// [`REAP_INTERVAL`] of it may be over before it begins.
const DRAIN_IDLE: Duration = Duration::from_secs(2);

/// Over how long requests that are taken back are counted. The clock moves with the reaper, twice a second.
const ABANDONED_WINDOW_MS: u64 = 1_000;

/// What a downstream connection waits for. Written by its own worker; atomic because hyper wants `Send` streams.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    active: AtomicU32,
    head_begun: AtomicBool,
    served: AtomicBool,
    /// HTTP/2: bytes between requests are its own affairs, not the beginning of a head.
    multiplexed: AtomicBool,
    /// Requests that may be taken back in [`ABANDONED_WINDOW_MS`].
    abandoned_max: AtomicU32,
    /// See [`Waiting::turns_opaque`].
    opaque: AtomicBool,
    taking: Taking,
    /// See [`Waiting::has_said_all`].
    said_all: AtomicBool,
    /// Old enough, or too much, to be kept for further requests.
    retired: AtomicBool,
    /// Requests taken back since then.
    abandoned: AtomicU32,
    abandoned_since_ms: AtomicU64,
    since_ms: AtomicU64,
    now_ms: Arc<AtomicU64>,
    expired: AtomicBool,
}

/// What bytes that came in are part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The first of a head, unless a part of it came with what was before.
    HeadBegins,
    /// More of a head.
    HeadGoesOn,
    /// Perhaps no head.
    Other,
}

impl Waiting {
    /// Bytes came in: outside a request they begin a head.
    pub(crate) fn bytes_read(&self) -> Reading {
        let active = self.is_active();
        let begins = !active && !self.head_begun.load(Relaxed);
        if begins {
            self.head_begun.store(true, Relaxed);
            self.since_ms.store(self.now_ms.load(Relaxed), Relaxed);
        }
        match begins {
            _ if active || self.opaque.load(Relaxed) => Reading::Other,
            true => Reading::HeadBegins,
            false => Reading::HeadGoesOn,
        }
    }

    /// A head was followed by something of its own, a body or another protocol: where the next one begins is hyper's to know.
    pub(crate) fn turns_opaque(&self) {
        self.opaque.store(true, Relaxed);
    }

    /// The connection speaks HTTP/2.
    pub(crate) fn multiplexes(&self, limits: Http2Limits) {
        self.multiplexed.store(true, Relaxed);
        self.abandoned_max
            .store(limits.abandoned.max(limits.streams), Relaxed);
        self.turns_opaque();
    }

    /// Bytes for the client could not be written.
    pub(crate) fn blocked(&self) {
        self.taking.refuses(self.now_ms.load(Relaxed));
    }

    /// The client took bytes.
    pub(crate) fn wrote(&self, bytes: usize) {
        let now = self.now_ms.load(Relaxed);
        self.taking.takes(bytes as u64, now);
        self.since_ms.store(now, Relaxed);
    }

    /// The client took all there was for it.
    pub(crate) fn wrote_all(&self) {
        self.taking.took_all();
    }

    /// A request came, and the client says whether it is the last, and all of it is here.
    pub(crate) fn says_no_more(&self, no_more: bool) {
        self.said_all.store(no_more, Relaxed);
    }

    /// Whether a client that keeps its word sends nothing more (RFC 9112, section 9.6).
    pub(crate) fn has_said_all(&self) -> bool {
        self.said_all.load(Relaxed)
    }

    /// The next answer is the connection's last.
    pub(crate) fn retire(&self) {
        self.retired.store(true, Relaxed);
    }

    /// Whether the next answer is the connection's last.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Relaxed)
    }

    /// Time runs anew, for a connection that was told to finish.
    pub(crate) fn renew(&self) {
        self.expired.store(false, Relaxed);
        self.since_ms.store(self.now_ms.load(Relaxed), Relaxed);
    }

    /// A request head is complete.
    pub(crate) fn request_begun(&self) {
        self.active.store(self.active.load(Relaxed) + 1, Relaxed);
        self.head_begun.store(false, Relaxed);
    }

    /// A client took a request back before it was answered.
    pub(crate) fn request_abandoned(&self) {
        let now = self.now_ms.load(Relaxed);
        let since = self.abandoned_since_ms.load(Relaxed);
        let goes_on = now.saturating_sub(since) < ABANDONED_WINDOW_MS;
        let before = if goes_on {
            self.abandoned.load(Relaxed)
        } else {
            0
        };
        if !goes_on {
            self.abandoned_since_ms.store(now, Relaxed);
        }
        self.abandoned.store(before + 1, Relaxed);
    }

    /// Whether so many requests were taken back lately that the connection is not worth keeping.
    pub(crate) fn is_flooding(&self) -> bool {
        self.abandoned.load(Relaxed) > self.abandoned_max.load(Relaxed)
    }

    /// A response is over.
    pub(crate) fn request_ended(&self) {
        self.active
            .store(self.active.load(Relaxed).saturating_sub(1), Relaxed);
        self.served.store(true, Relaxed);
        self.since_ms.store(self.now_ms.load(Relaxed), Relaxed);
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired.load(Relaxed)
    }

    /// Whether a request is being answered.
    pub(crate) fn is_active(&self) -> bool {
        self.active.load(Relaxed) > 0
    }

    fn overdue(&self, limits: &Limits, draining: bool) -> bool {
        if let Some(since) = self.taking.stuck_since() {
            return self.waited(since) > limits.send;
        }
        if self.is_active() {
            return false;
        }
        let in_head = self.head_begun.load(Relaxed) && !self.multiplexed.load(Relaxed);
        let between_requests = self.served.load(Relaxed) && !in_head;
        let limit = match between_requests {
            true if draining => DRAIN_IDLE,
            true => limits.keep_alive,
            false => limits.head,
        };
        self.waited(self.since_ms.load(Relaxed)) > limit
    }

    fn waited(&self, since_ms: u64) -> Duration {
        Duration::from_millis(self.now_ms.load(Relaxed).saturating_sub(since_ms))
    }
}

struct Entry {
    waiting: Arc<Waiting>,
    waker: Option<Waker>,
    retires_ms: u64,
}

/// The downstream connections of one worker.
pub(crate) struct Connections {
    entries: RefCell<Slab<Entry>>,
    draining: Cell<bool>,
    cut: Cell<bool>,
    emptied: Notify,
    started: Instant,
    now_ms: Arc<AtomicU64>,
    max: usize,
    life: Duration,
}

impl Connections {
    /// At most `max`, each of which is kept for about as long as `life`.
    pub(crate) fn new(max: usize, life: Duration) -> Rc<Self> {
        Rc::new(Self {
            entries: RefCell::default(),
            draining: Cell::new(false),
            cut: Cell::new(false),
            emptied: Notify::new(),
            started: Instant::now(),
            now_ms: Arc::default(),
            max,
            life,
        })
    }

    /// Whether there is no place for one more.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= self.max
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Enters a connection, which leaves when the guard is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Held {
        let now = self.now_ms.load(Relaxed);
        let waiting = Arc::new(Waiting {
            now_ms: self.now_ms.clone(),
            since_ms: AtomicU64::new(now),
            ..Waiting::default()
        });
        let key = self.entries.borrow_mut().insert(Entry {
            waiting: waiting.clone(),
            waker: None,
            retires_ms: now.saturating_add(jittered(self.life)),
        });
        Held {
            waiting,
            connections: self.clone(),
            key,
        }
    }

    /// Moves the clock and wakes the connections that waited too long, which then close.
    pub(crate) fn reap(&self, limits: &Limits) {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.now_ms.store(now, Relaxed);
        for (_, entry) in self.entries.borrow().iter() {
            if entry.waiting.overdue(limits, self.draining.get()) {
                entry.waiting.expired.store(true, Relaxed);
                entry.wake();
            } else if now >= entry.retires_ms && !entry.waiting.is_retired() {
                entry.waiting.retire();
                entry.wake();
            }
        }
    }

    /// Tells every connection to finish what it has and close.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.entries
            .borrow()
            .iter()
            .for_each(|(_, entry)| entry.wake());
    }

    /// Waits until no connection is left.
    pub(crate) async fn emptied(&self) {
        while self.len() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Ends every connection now.
    pub(crate) fn cut(&self) {
        self.cut.set(true);
        for (_, entry) in self.entries.borrow().iter() {
            entry.waiting.expired.store(true, Relaxed);
            entry.wake();
        }
    }
}

/// Milliseconds: a life, or up to a tenth less.
fn jittered(life: Duration) -> u64 {
    let life = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    life - life / 10 * u64::from(rand::random::<u8>()) / u64::from(u8::MAX)
}

impl Entry {
    fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }
}

/// A connection's place among the others of its worker: while it is held, the connection is open.
pub(crate) struct Held {
    pub(crate) waiting: Arc<Waiting>,
    connections: Rc<Connections>,
    key: usize,
}

impl Held {
    /// Remembers the task to wake for a drain or a timeout.
    pub(crate) fn wake_with(&self, waker: &Waker) {
        self.connections.entries.borrow_mut()[self.key].waker = Some(waker.clone());
    }

    /// Whether the connection ends as soon as nothing is lost by it.
    pub(crate) fn is_ending(&self) -> bool {
        self.connections.is_draining() || self.waiting.is_retired()
    }

    /// Whether the grace is over.
    pub(crate) fn is_cut(&self) -> bool {
        self.connections.cut.get()
    }

    /// Returns when the connection is to be cut.
    pub(crate) async fn cut(&self) {
        poll_fn(|cx| {
            self.wake_with(cx.waker());
            if self.waiting.is_expired() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut entries = self.connections.entries.borrow_mut();
        entries.remove(self.key);
        if entries.is_empty() {
            self.connections.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            ..Limits::default()
        }
    }

    #[track_caller]
    fn check(what: impl FnOnce(&Waiting), after_s: u64, overdue: bool) {
        let connections = Connections::new(1, Duration::from_secs(3_600));
        let held = connections.enter();
        what(&held.waiting);
        connections.now_ms.store(after_s * 1000, Relaxed);
        assert_eq!(held.waiting.overdue(&limits(), false), overdue);
    }

    #[test]
    fn each_phase_has_its_limit() {
        check(|_| (), 9, false);
        check(|_| (), 11, true);
        let begun = |w: &Waiting| {
            w.bytes_read();
        };
        check(begun, 11, true);
        check(Waiting::request_begun, 1_000, false);
        let served = |w: &Waiting| {
            w.request_begun();
            w.request_ended();
        };
        check(served, 59, false);
        check(served, 61, true);
        let second_head = |w: &Waiting| {
            served(w);
            w.bytes_read();
        };
        check(second_head, 11, true);
    }

    #[test]
    fn bytes_between_requests_begin_a_head_in_http1_only() {
        let pinged = |w: &Waiting| {
            w.multiplexes(Http2Limits::default());
            w.request_begun();
            w.request_ended();
            w.bytes_read();
        };
        check(pinged, 59, false);
        check(pinged, 61, true);
    }

    #[test]
    fn a_client_that_takes_nothing_is_given_up_also_amid_an_answer() {
        let stuck = |w: &Waiting| {
            w.request_begun();
            w.blocked();
        };
        check(stuck, 29, false);
        check(stuck, 32, true);
        let slow = |w: &Waiting| {
            stuck(w);
            w.wrote(1);
            w.wrote_all();
        };
        check(slow, 1_000, false);
        let dripping = |w: &Waiting| {
            stuck(w);
            w.wrote(1);
            w.blocked();
        };
        check(dripping, 32, true);
    }

    #[test]
    fn a_connection_retires_once_its_life_is_over_and_not_before_most_of_it() {
        for life in [Duration::ZERO, Duration::from_secs(3_600)] {
            let millis = u64::try_from(life.as_millis()).unwrap();
            assert!((0..100).all(|_| (millis * 9 / 10..=millis).contains(&jittered(life))));
        }
        let connections = Connections::new(1, Duration::ZERO);
        let held = connections.enter();
        assert!(!held.is_ending() && connections.is_full());
        connections.reap(&limits());
        assert!(held.is_ending() && !held.waiting.is_expired());
    }

    #[test]
    fn whoever_takes_back_too_much_at_once_floods() {
        // the streams allowed, the requests that may be taken back by themselves, and at once
        for (streams, abandoned, most) in [
            (1, 100, 100),
            (100, 100, 100),
            (1_000, 100, 1_000),
            (1, 7, 7),
        ] {
            let limits = Http2Limits {
                streams,
                abandoned,
                ..Http2Limits::default()
            };
            floods_above(limits, most);
        }
    }

    #[track_caller]
    fn floods_above(limits: Http2Limits, most: u32) {
        let connections = Connections::new(1, Duration::from_secs(3_600));
        let held = connections.enter();
        held.waiting.multiplexes(limits);
        let abandons = |count: u32, at_ms: u64| {
            connections.now_ms.store(at_ms, Relaxed);
            (0..count).for_each(|_| held.waiting.request_abandoned());
            held.waiting.is_flooding()
        };
        assert!(!abandons(most, 0));
        assert!(!abandons(most, 1_000));
        assert!(!abandons(most - 1, 2_000));
        assert!(abandons(2, 2_900));
    }

    #[test]
    fn a_connection_leaves_with_its_guard() {
        let connections = Connections::new(1, Duration::from_secs(3_600));
        let held = connections.enter();
        assert_eq!(connections.len(), 1);
        drop(held);
        assert_eq!(connections.len(), 0);
    }
}
