//! Clients that ask at a fixed rate, whatever comes back and however late, and remember every answer.
//!
//! The rate does not fall when answers are slow: a release that makes clients wait is seen, not hidden.

use crate::client::{Answer, Body, Client, get_with};
use crate::within;
use http::Request;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

/// How many connections that are not in use are kept for each target.
const IDLE_MAX: usize = 64;
/// How many failures are shown.
const SHOWN_MAX: usize = 5;

/// One question and what came of it.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its number, from 0 without a gap.
    pub id: u64,
    /// Who was asked.
    pub target: SocketAddr,
    /// When it was sent.
    pub sent: Instant,
    /// When its outcome was known.
    pub known: Instant,
    /// The outcome.
    pub outcome: Outcome,
}

/// An answer, or why there was none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What came back.
    Answer {
        /// The status.
        status: u16,
        /// Which version answered, by its own word.
        version: String,
        /// Which pod, likewise.
        pod: String,
    },
    /// Nothing came back.
    Nothing(String),
}

impl Asked {
    /// The version that answered with status 200.
    pub fn version(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answer {
                status: 200,
                version,
                ..
            } => Some(version),
            _ => None,
        }
    }

    /// The pod that answered with status 200.
    pub fn pod(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Answer {
                status: 200, pod, ..
            } => Some(pod),
            _ => None,
        }
    }
}

/// What is asked, of whom, how often.
#[derive(Clone)]
pub struct Asking {
    /// Asked in turn.
    pub targets: Vec<SocketAddr>,
    /// Questions each second.
    pub per_second: u32,
    /// The host that is asked for.
    pub host: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Questions that go on.
pub struct Running {
    asking: JoinHandle<()>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
}

struct Shared {
    plan: Asking,
    idle: Mutex<Vec<(SocketAddr, Client)>>,
    record: watch::Sender<Vec<Asked>>,
}

impl Asking {
    /// Asks these for this host, so often each second.
    pub fn new(targets: &[SocketAddr], host: &str, per_second: u32) -> Self {
        Self {
            targets: targets.to_vec(),
            per_second,
            host: host.to_owned(),
            headers: Vec::new(),
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Asks from now on.
    pub fn start(self) -> Running {
        let (stop, stopped) = watch::channel(false);
        let shared = Shared::new(self);
        Running {
            asking: tokio::spawn(shared.clone().ask_until(stopped)),
            shared,
            stop,
        }
    }

    /// Asks one after the other, so many times, as fast as answers come.
    pub async fn times(self, count: u64) -> Record {
        let shared = Shared::new(self);
        for id in 0..count {
            shared.clone().ask(id).await;
        }
        Record(shared.record.send_replace(Vec::new()))
    }
}

impl Running {
    /// Waits until an answer that was asked for from now on is as wanted; when it was known.
    ///
    /// # Errors
    /// When none is in time.
    pub async fn until(
        &self,
        what: &str,
        is_so: impl Fn(&Asked) -> bool,
    ) -> anyhow::Result<Instant> {
        let now = Instant::now();
        let mut record = self.shared.record.subscribe();
        // Each is looked at once: the record is long.
        let mut looked_at = record.borrow().len();
        let found = async {
            loop {
                let found = {
                    let record = record.borrow_and_update();
                    let new = &record[looked_at..];
                    looked_at = record.len();
                    let mut found = new.iter().filter(|asked| asked.sent >= now && is_so(asked));
                    found.next().map(|asked| asked.known)
                };
                match found {
                    Some(known) => return anyhow::Ok(known),
                    None => record.changed().await?,
                }
            }
        };
        within(what, found).await?
    }

    /// Waits until `count` more questions have an outcome.
    ///
    /// # Errors
    /// When they have not in time.
    pub async fn more(&self, count: usize) -> anyhow::Result<()> {
        let mut record = self.shared.record.subscribe();
        let goal = record.borrow().len() + count;
        within("answers", record.wait_for(|record| record.len() >= goal)).await??;
        Ok(())
    }

    /// Asks no more; everything that came of it.
    ///
    /// # Errors
    /// When outcomes are missing.
    pub async fn stop(self) -> anyhow::Result<Record> {
        self.stop.send_replace(true);
        within("the last answers", self.asking).await??;
        Ok(Record(self.shared.record.send_replace(Vec::new())))
    }
}

impl Shared {
    fn new(plan: Asking) -> Arc<Self> {
        Arc::new(Self {
            plan,
            idle: Mutex::default(),
            record: watch::Sender::default(),
        })
    }

    async fn ask_until(self: Arc<Self>, mut stopped: watch::Receiver<bool>) {
        let mut ticks = interval(Duration::from_secs(1) / self.plan.per_second);
        // A tick that was missed is asked late: the number of questions is what was said.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut open = JoinSet::new();
        for id in 0.. {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stopped.changed() => break,
            }
            open.spawn(self.clone().ask(id));
            while open.try_join_next().is_some() {}
        }
        while open.join_next().await.is_some() {}
    }

    async fn ask(self: Arc<Self>, id: u64) {
        let turn = usize::try_from(id).unwrap_or(0) % self.plan.targets.len();
        let target = self.plan.targets[turn];
        let sent = Instant::now();
        let outcome = match self.answer(target, id).await {
            Ok(answer) => Outcome::Answer {
                status: answer.status.as_u16(),
                version: answer.header("x-version").to_owned(),
                pod: answer.header("x-pod").to_owned(),
            },
            Err(error) => Outcome::Nothing(format!("{error:#}")),
        };
        let known = Instant::now();
        self.record.send_modify(|record| {
            record.push(Asked {
                id,
                target,
                sent,
                known,
                outcome,
            });
        });
    }

    /// Over a connection that is kept, or a new one. One that ended before it was asked anything more is left: a server may end
    /// it when nobody uses it, and no request is lost with it. Once there is a request, only an end that was announced may be
    /// met by another connection.
    async fn answer(&self, target: SocketAddr, id: u64) -> anyhow::Result<Answer> {
        let mut client = self.client(target).await?;
        let answer = client.ask(self.request(id)).await?;
        let mut idle = lock(&self.idle);
        if answer.header("connection") != "close" && idle.len() < IDLE_MAX * self.plan.targets.len()
        {
            idle.push((target, client));
        }
        Ok(answer)
    }

    async fn client(&self, target: SocketAddr) -> anyhow::Result<Client> {
        while let Some(mut kept) = self.take(target) {
            if kept.ready().await.is_ok() {
                return Ok(kept);
            }
        }
        let mut new = Client::h1(target).await?;
        new.ready().await?;
        Ok(new)
    }

    fn take(&self, target: SocketAddr) -> Option<Client> {
        let mut idle = lock(&self.idle);
        let at = idle.iter().rposition(|(known, _)| *known == target)?;
        Some(idle.swap_remove(at).1)
    }

    fn request(&self, id: u64) -> Request<Body> {
        {
            let headers: Vec<_> = self
                .plan
                .headers
                .iter()
                .map(|(name, value)| (*name, value.as_str()))
                .collect();
            get_with(&self.plan.host, &format!("/?id={id}"), &headers)
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that was asked, in the order in which outcomes were known.
#[derive(Clone, Debug, Default)]
pub struct Record(Vec<Asked>);

impl Record {
    /// All of it.
    pub fn all(&self) -> &[Asked] {
        &self.0
    }

    /// How often each version answered.
    pub fn versions(&self) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for version in self.0.iter().filter_map(Asked::version) {
            *counts.entry(version).or_default() += 1;
        }
        counts
    }

    /// How many questions had no answer with status 200.
    pub fn failed(&self) -> usize {
        self.0
            .iter()
            .filter(|asked| asked.version().is_none())
            .count()
    }

    /// What was sent from then on.
    #[must_use]
    pub fn since(&self, when: Instant) -> Self {
        self.filter(|asked| asked.sent >= when)
    }

    /// What is as wanted.
    #[must_use]
    pub fn filter(&self, is_so: impl Fn(&Asked) -> bool) -> Self {
        Self(
            self.0
                .iter()
                .filter(|asked| is_so(asked))
                .cloned()
                .collect(),
        )
    }

    /// How long after `when` the last answer of a version was known; nothing where none was.
    pub fn last_of(&self, version: &str, when: Instant) -> Duration {
        let known = self
            .0
            .iter()
            .filter(|asked| asked.version() == Some(version));
        let last = known.map(|asked| asked.known).max();
        last.map_or(Duration::ZERO, |last| last.saturating_duration_since(when))
    }

    /// How long after `when` the last request that a pod answered was sent; nothing where none was.
    pub fn last_sent_to(&self, pod: &str, when: Instant) -> Duration {
        let sent = self.0.iter().filter(|asked| asked.pod() == Some(pod));
        let last = sent.map(|asked| asked.sent).max();
        last.map_or(Duration::ZERO, |last| last.saturating_duration_since(when))
    }

    /// Together with another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Prints what a lab is about in one line.
    ///
    /// # Errors
    /// When anything failed: the first failures.
    pub fn report(&self, lab: &str, measured: &str) -> anyhow::Result<()> {
        let (all, failed) = (self.0.len(), self.failed());
        println!(
            "{lab}: {all} requests, {failed} failed, {:?}; {measured}",
            self.versions()
        );
        let failures = self.0.iter().filter(|asked| asked.version().is_none());
        let shown: Vec<_> = failures.take(SHOWN_MAX).collect();
        anyhow::ensure!(failed == 0, "{failed} of {all} failed: {shown:#?}");
        Ok(())
    }
}
