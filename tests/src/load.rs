//! Many connections that ask all the time, and what they got.

use crate::client::{Answer, Body, Client};
use crate::epochs::Epochs;
use crate::within;
use anyhow::Context as _;
use http::Request;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// How many failures are kept to be shown.
const SHOWN_MAX: usize = 5;

/// What is asked for, by whom, until when.
pub struct Load {
    target: SocketAddr,
    connections: u64,
    requests: Option<u64>,
    per_second: Option<u64>,
    make: Arc<dyn Fn() -> Request<Body> + Send + Sync>,
    epochs: Epochs,
}

/// Load that runs.
pub struct Running {
    stop: Arc<AtomicBool>,
    done: watch::Receiver<u64>,
    tasks: JoinSet<Tally>,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Answers with status 200, by their body.
    pub answers: BTreeMap<String, u64>,
    /// All other outcomes.
    pub failed: u64,
    /// The first few of these.
    pub failures: Vec<String>,
    /// Answers whose request began and ended in the same epoch, by epoch and body.
    pub by_epoch: BTreeMap<(u64, String), u64>,
}

impl Tally {
    /// Answers with this body.
    pub fn of(&self, body: &str) -> u64 {
        self.answers.get(body).copied().unwrap_or_default()
    }

    /// All answers.
    pub fn answered(&self) -> u64 {
        self.answers.values().sum()
    }

    fn add(&mut self, epochs: (u64, u64), outcome: anyhow::Result<Answer>) {
        match outcome {
            Ok(answer) if answer.status == 200 => self.answer(epochs, answer.text()),
            Ok(answer) => self.fail(format!("{} {}", answer.status, answer.text())),
            Err(error) => self.fail(format!("{error:#}")),
        }
    }

    fn answer(&mut self, (begun, ended): (u64, u64), body: String) {
        if begun == ended {
            *self.by_epoch.entry((begun, body.clone())).or_default() += 1;
        }
        *self.answers.entry(body).or_default() += 1;
    }

    fn fail(&mut self, failure: String) {
        self.failed += 1;
        if self.failures.len() < SHOWN_MAX {
            self.failures.push(failure);
        }
    }

    fn join(&mut self, other: Self) {
        for (body, count) in other.answers {
            *self.answers.entry(body).or_default() += count;
        }
        for (key, count) in other.by_epoch {
            *self.by_epoch.entry(key).or_default() += count;
        }
        self.failed += other.failed;
        self.failures.extend(other.failures);
        self.failures.truncate(SHOWN_MAX);
    }
}

impl Load {
    /// `connections` keep-alive connections to `target`, each sending what `make` makes, one after the other.
    pub fn new(
        target: SocketAddr,
        connections: u64,
        make: impl Fn() -> Request<Body> + Send + Sync + 'static,
    ) -> Self {
        Self {
            target,
            connections,
            requests: None,
            per_second: None,
            make: Arc::new(make),
            epochs: Epochs::default(),
        }
    }

    /// Begins so many requests a second, spread evenly, however long answers take; one that finds its connection busy
    /// follows as soon as it is free, and none is left out.
    pub fn rate(self, per_second: u64) -> Self {
        Self {
            per_second: Some(per_second),
            ..self
        }
    }

    /// Ends after this many requests in all.
    pub fn requests(self, requests: u64) -> Self {
        Self {
            requests: Some(requests),
            ..self
        }
    }

    /// Notes the epochs in which requests begin and end.
    pub fn epochs(self, epochs: &Epochs) -> Self {
        Self {
            epochs: epochs.clone(),
            ..self
        }
    }

    /// Runs to its end.
    ///
    /// # Errors
    /// When a connection's task is lost.
    pub async fn run(self) -> anyhow::Result<Tally> {
        self.start().ended().await
    }

    /// Runs until stopped, or to its end.
    pub fn start(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let (done, watched) = watch::channel(0);
        let shared = Arc::new(Shared {
            left: AtomicU64::new(self.requests.unwrap_or(u64::MAX)),
            stop: stop.clone(),
            done,
            load: self,
        });
        let begun = Instant::now();
        let tasks = (0..shared.load.connections).map(|connection| {
            let turns = shared.load.turns(begun, connection);
            shared.clone().ask_all(turns)
        });
        Running {
            stop,
            done: watched,
            tasks: tasks.collect(),
        }
    }
}

impl Load {
    /// When a connection's requests are due, where there is a rate.
    fn turns(&self, begun: Instant, connection: u64) -> Option<Interval> {
        turns(self.per_second?, begun, connection, self.connections)
    }
}

/// When the requests of one of so many connections are due, for all of them to make so many a second; none is left out.
pub(crate) fn turns(
    per_second: u64,
    begun: Instant,
    connection: u64,
    connections: u64,
) -> Option<Interval> {
    let every = Duration::from_secs(1) / u32::try_from(per_second).ok()?;
    let first = begun + every * u32::try_from(connection).ok()?;
    let mut turns = interval_at(first, every * u32::try_from(connections).ok()?);
    turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
    Some(turns)
}

struct Shared {
    load: Load,
    left: AtomicU64,
    stop: Arc<AtomicBool>,
    done: watch::Sender<u64>,
}

impl Shared {
    async fn ask_all(self: Arc<Self>, mut turns: Option<Interval>) -> Tally {
        let (mut tally, mut client) = (Tally::default(), None);
        loop {
            if let Some(turns) = &mut turns {
                turns.tick().await;
            }
            if !self.goes_on() {
                return tally;
            }
            let begun = self.load.epochs.now();
            let outcome = self.ask(&mut client).await;
            tally.add((begun, self.load.epochs.now()), outcome);
            self.done.send_modify(|done| *done += 1);
        }
    }

    fn goes_on(&self) -> bool {
        let take = |left: u64| left.checked_sub(1);
        !self.stop.load(SeqCst) && self.left.fetch_update(SeqCst, SeqCst, take).is_ok()
    }

    /// A connection that the last answer announced the end of is replaced; any other end is a failure.
    async fn ask(&self, kept: &mut Option<Client>) -> anyhow::Result<Answer> {
        let mut client = match kept.take() {
            Some(client) => client,
            None => Client::h1(self.load.target).await?,
        };
        client.ready().await.context("a kept connection")?;
        let answer = client.ask((self.load.make)()).await?;
        if answer.header("connection") != "close" {
            *kept = Some(client);
        }
        Ok(answer)
    }
}

impl Running {
    /// Waits until `more` requests are over from now on.
    ///
    /// # Errors
    /// When they are not in time.
    pub async fn progress(&self, more: u64) -> anyhow::Result<()> {
        let mut done = self.done.clone();
        let goal = *done.borrow() + more;
        within("requests", done.wait_for(|done| *done >= goal)).await??;
        Ok(())
    }

    /// Requests that are over.
    pub fn done(&self) -> u64 {
        *self.done.borrow()
    }

    /// Begins no further request and waits for those that run.
    ///
    /// # Errors
    /// When a connection's task is lost.
    pub async fn stop(self) -> anyhow::Result<Tally> {
        self.stop.store(true, SeqCst);
        self.ended().await
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When a connection's task is lost.
    pub async fn ended(mut self) -> anyhow::Result<Tally> {
        let mut all = Tally::default();
        while let Some(tally) = self.tasks.join_next().await {
            all.join(tally?);
        }
        Ok(all)
    }
}
