//! Traffic: many clients at once, at a steady rate, for so many requests or until told to stop.

use super::client::{Client, Reply};
use super::counts::{Counts, Name};
use super::world::World;
use http::{HeaderMap, HeaderValue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Connections where nothing else is said: more than the proxy has workers, fewer than would queue on two cores.
pub(crate) const CONNECTIONS: u64 = 24;

/// What is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// How many requests; `u64::MAX` goes on until stopped.
    pub(crate) requests: u64,
    /// Over how many connections.
    pub(crate) connections: u64,
    /// Requests a second.
    pub(crate) rate: u32,
}

/// Who sends it: what requests carry, and who looks at the answers.
pub(crate) trait Audience: Send + Sync {
    /// The headers of the request of this number, counted from 0.
    fn headers(&self, _number: u64) -> HeaderMap {
        HeaderMap::new()
    }

    /// It was answered.
    fn answered(&self, _answer: &Answer) {}
}

/// Clients that carry nothing and remember nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Anyone;

impl Audience for Anyone {}

/// One answer, and which tables may have decided it.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The request's number.
    pub(crate) number: u64,
    /// What came back.
    pub(crate) reply: Reply,
    /// How many tables were acknowledged when the request was sent: it was decided by that one or a later one.
    pub(crate) sent_under: u64,
    /// How many tables were on their way in when the answer was there: it was decided by that one or an earlier one.
    pub(crate) answered_under: u64,
}

/// Where a load goes, and what all of its clients share.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) world: Arc<World>,
    pub(crate) host: HeaderValue,
    pub(crate) versions: [Name; 2],
}

/// A hand on a load that is running.
#[derive(Clone)]
pub(crate) struct Control {
    stopped: Arc<AtomicBool>,
    answers: Arc<watch::Sender<u64>>,
}

impl Control {
    /// For a load that has not begun.
    pub(crate) fn new() -> Self {
        Self {
            stopped: Arc::default(),
            answers: Arc::new(watch::channel(0).0),
        }
    }

    /// No more requests are sent; those in flight are answered.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, SeqCst);
    }

    /// Waits until so many more answers came.
    pub(crate) async fn answers(&self, more: u64) {
        let mut answers = self.answers.subscribe();
        let enough = *answers.borrow() + more;
        // The sender lives as long as `self`.
        let _ = answers.wait_for(|answers| *answers >= enough).await;
    }

    fn answered(&self) -> u64 {
        self.answers.send_modify(|answers| *answers += 1);
        *self.answers.borrow()
    }
}

/// What the clients counted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sent {
    pub(crate) requests: u64,
    pub(crate) failed: u64,
    pub(crate) by_version: Counts,
}

impl Sent {
    fn add(&mut self, other: &Self, versions: [Name; 2]) {
        self.requests += other.requests;
        self.failed += other.failed;
        versions
            .into_iter()
            .for_each(|version| self.by_version.add(version, other.by_version.of(version)));
    }
}

/// Sends all of it, and returns when all of it is answered.
pub(crate) async fn send(
    load: Load,
    target: &Target,
    control: &Control,
    audience: Arc<dyn Audience>,
) -> Sent {
    let shared = Arc::new(Shared {
        load,
        target: target.clone(),
        control: control.clone(),
        audience,
        next: AtomicU64::new(0),
        began: Instant::now(),
    });
    let mut clients: JoinSet<Sent> = (0..load.connections)
        .map(|_| shared.clone().client())
        .collect();
    let mut sent = Sent::default();
    while let Some(client) = clients.join_next().await {
        sent.add(&client.expect("clients do not panic"), target.versions);
    }
    sent
}

struct Shared {
    load: Load,
    target: Target,
    control: Control,
    audience: Arc<dyn Audience>,
    next: AtomicU64,
    began: Instant,
}

impl Shared {
    async fn client(self: Arc<Self>) -> Sent {
        let Target {
            world,
            host,
            versions,
        } = &self.target;
        let mut client = Client::new(world.address(), host.clone(), *versions);
        let mut sent = Sent::default();
        while let Some(number) = self.next() {
            tokio::time::sleep_until(self.due(number)).await;
            let version = self.ask(&mut client, number).await;
            sent.requests += 1;
            match version {
                Some(version) => sent.by_version.add(version, 1),
                None => sent.failed += 1,
            }
        }
        sent
    }

    fn next(&self) -> Option<u64> {
        if self.control.stopped.load(SeqCst) {
            return None;
        }
        let number = self.next.fetch_add(1, SeqCst);
        (number < self.load.requests).then_some(number)
    }

    /// Requests stand on a grid of time: a slow moment is made up for, so that the whole takes as long as meant.
    fn due(&self, number: u64) -> Instant {
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(self.load.rate.max(1));
        self.began + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    async fn ask(&self, client: &mut Client, number: u64) -> Option<Name> {
        let world = &self.target.world;
        let headers = self.audience.headers(number);
        let sent_under = world.tables_acknowledged();
        let began = Instant::now();
        let reply = client.ask(headers).await;
        world.live().answer(reply.version, began.elapsed());
        let version = reply.version;
        self.audience.answered(&Answer {
            number,
            reply,
            sent_under,
            answered_under: world.tables_begun(),
        });
        let answers = self.control.answered();
        if self.load.requests != u64::MAX {
            world
                .live()
                .progress(answers as f64 / self.load.requests as f64);
        }
        version
    }
}
