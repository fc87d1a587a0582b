//! The load: a fixed number of requests by a fixed number of clients, each with one under way at
//! most, every answer checked. One thread, to leave the backend as much of the core as can be.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use tokio::task::JoinSet;

use crate::pace::{Alarm, Arrivals, Pace};
use crate::user::{Plan, User};

/// Longest wait for connections and for the answers of a run, beside the time its requests need.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A proxy slower than this for each request is taken to hang: far more than the dearest of them need.
const REQUEST_MAX: Duration = Duration::from_millis(5);

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Clients of one peer.
pub(crate) struct Load {
    users: Vec<User>,
    versions: usize,
}

/// What one run saw.
pub(crate) struct Outcome {
    /// From the first request to the last answer.
    pub(crate) wall: Duration,
    /// From when a request was due to having its whole answer, in ns.
    pub(crate) latency: Histogram<u64>,
    /// How many requests each version answered, in the order the versions were given.
    pub(crate) answers: Vec<u64>,
}

impl Load {
    /// That many clients, connected where their case keeps connections.
    ///
    /// # Errors
    /// If one of them cannot connect in time.
    pub(crate) async fn connect(plan: &Arc<Plan>, users: usize) -> anyhow::Result<Load> {
        let users = tokio::time::timeout(WAIT_MAX, plan.users(users)).await??;
        Ok(Load {
            users,
            versions: plan.versions(),
        })
    }

    /// Sends that many requests and checks that each is answered rightly.
    ///
    /// # Errors
    /// At the first answer that is wrong, and if the answers take too long.
    pub(crate) async fn send(&mut self, requests: u64, pace: Pace) -> anyhow::Result<Outcome> {
        let run = Arc::new(Mutex::new(Run {
            left: requests,
            arrivals: Arrivals::new(pace),
            latency: Histogram::new(LATENCY_DIGITS)?,
            answers: vec![0; self.versions],
        }));
        let requests = u32::try_from(requests).context("more requests than a run can have")?;
        let started = Instant::now();
        let sending = self.send_all(&run);
        tokio::time::timeout(WAIT_MAX + requests * REQUEST_MAX, sending)
            .await
            .context("answers are missing")??;
        let wall = started.elapsed();
        let run = Arc::into_inner(run).context("a client is still at work")?;
        let run = run.into_inner().context("a client died at work")?;
        Ok(Outcome {
            wall,
            latency: run.latency,
            answers: run.answers,
        })
    }

    async fn send_all(&mut self, run: &Arc<Mutex<Run>>) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for user in self.users.drain(..) {
            tasks.spawn(ask_until_done(user, run.clone()));
        }
        while let Some(done) = tasks.join_next().await {
            self.users.push(done??);
        }
        Ok(())
    }
}

/// What the clients of one run share.
struct Run {
    left: u64,
    arrivals: Arrivals,
    latency: Histogram<u64>,
    answers: Vec<u64>,
}

impl Run {
    /// When the next request is due, if there is one; it is the caller's.
    fn take(&mut self) -> Option<Instant> {
        self.left = self.left.checked_sub(1)?;
        Some(self.arrivals.next())
    }

    fn record(&mut self, version: usize, latency: Duration) -> anyhow::Result<()> {
        self.answers[version] += 1;
        self.latency.record(u64::try_from(latency.as_nanos())?)?;
        Ok(())
    }
}

/// A client that is late, because its last answer was, sends at once; the wait counts as latency.
async fn ask_until_done(mut user: User, run: Arc<Mutex<Run>>) -> anyhow::Result<User> {
    let lock = || run.lock().expect("no holder of this lock panics");
    let mut alarm = Alarm::new()?;
    loop {
        let taken = lock().take();
        let Some(due) = taken else { return Ok(user) };
        alarm.wait_until(due).await?;
        let version = user.ask().await?;
        lock().record(version, due.elapsed())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{CASES, Case, Stage, Way};
    use crate::user::{Certificate, Target};
    use crate::{backend, process};
    use std::net::SocketAddr;
    use tokio::net::TcpStream;

    async fn backend_of(version: &'static str) -> SocketAddr {
        let [listen, grpc] = [(); 2].map(|()| process::free_address().unwrap());
        tokio::spawn(backend::serve(listen, grpc, version));
        while TcpStream::connect(listen).await.is_err() {
            tokio::task::yield_now().await;
        }
        listen
    }

    /// The clients of a case, without a proxy between them and a backend.
    fn plan(case: &'static Case, backend: SocketAddr, versions: &[&str]) -> Arc<Plan> {
        let target = Target {
            http: backend,
            https: backend,
        };
        let certificate = Arc::new(Certificate::new().unwrap());
        Plan::new(case, target, certificate, versions)
    }

    #[tokio::test]
    async fn every_request_is_answered_once_and_counted() {
        let backend = backend_of("canary").await;
        let clear = |case: &&Case| matches!(case.way, Way::KeepAlive | Way::Idle);
        for case in CASES.iter().filter(clear) {
            // An echo is counted for the first version, whoever it is.
            let plan = plan(case, backend, &["canary", "stable"]);
            let mut load = Load::connect(&plan, 7).await.unwrap();
            for (requests, pace) in [(20, Pace::Closed), (3, Pace::Open(1e6))] {
                let outcome = load.send(requests, pace).await.unwrap();
                assert_eq!(outcome.answers, [requests, 0], "{}", case.name);
                assert_eq!(outcome.latency.len(), requests);
            }
        }
    }

    #[tokio::test]
    async fn an_unknown_body_ends_the_run() {
        let case = CASES.iter().find(|case| case.stage == Stage::Shop).unwrap();
        let plan = plan(case, backend_of("canary").await, &["stable"]);
        let mut load = Load::connect(&plan, 1).await.unwrap();
        let error = load.send(1, Pace::Closed).await.err().unwrap();
        assert_eq!(error.to_string(), "an answer with an unknown body");
    }
}
