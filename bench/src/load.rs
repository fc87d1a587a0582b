//! The load: a fixed number of requests over a fixed number of keep-alive connections in a closed
//! loop (each connection asks again when it has its answer), every answer checked. One thread, to
//! leave the backend as much of the core as can be.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::answer::{REQUEST, body_in, body_of};

/// Longest answer in bytes: far above the benchmark's own.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Longest wait for connections and for the answers of a run, beside the time its requests need.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// A proxy slower than this for each request is taken to hang: fifty times what the peers need.
const REQUEST_MAX: Duration = Duration::from_millis(1);

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;

/// Open connections to one peer.
pub(crate) struct Load {
    connections: Vec<TcpStream>,
}

/// What one run saw.
pub(crate) struct Outcome {
    /// From the first request to the last answer.
    pub(crate) wall: Duration,
    /// From writing a request to having its whole answer, in ns.
    pub(crate) latency: Histogram<u64>,
    /// How many requests each version answered, in the order the versions were given.
    pub(crate) answers: Vec<u64>,
}

impl Load {
    /// Opens the connections.
    ///
    /// # Errors
    /// If one of them cannot be opened in time.
    pub(crate) async fn connect(to: SocketAddr, connections: usize) -> anyhow::Result<Load> {
        let connecting = async {
            let mut open = Vec::with_capacity(connections);
            for _ in 0..connections {
                let stream = TcpStream::connect(to).await?;
                stream.set_nodelay(true)?;
                open.push(stream);
            }
            anyhow::Ok(open)
        };
        let connections = tokio::time::timeout(WAIT_MAX, connecting).await??;
        Ok(Load { connections })
    }

    /// Sends that many requests and checks that each is answered by one of `versions`.
    ///
    /// # Errors
    /// At the first answer that is wrong, and if the answers take too long.
    pub(crate) async fn send(
        &mut self,
        requests: u64,
        versions: &[String],
    ) -> anyhow::Result<Outcome> {
        let run = Arc::new(Run::new(requests, versions)?);
        let requests = u32::try_from(requests).context("more requests than a run can have")?;
        let started = Instant::now();
        let sending = self.send_all(&run);
        tokio::time::timeout(WAIT_MAX + requests * REQUEST_MAX, sending)
            .await
            .context("answers are missing")??;
        let wall = started.elapsed();
        let tally = Arc::into_inner(run)
            .context("a connection is still at work")?
            .tally;
        let tally = tally.into_inner().context("a connection died at work")?;
        Ok(Outcome {
            wall,
            latency: tally.latency,
            answers: tally.answers,
        })
    }

    async fn send_all(&mut self, run: &Arc<Run>) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for stream in self.connections.drain(..) {
            tasks.spawn(ask_until_done(stream, run.clone()));
        }
        while let Some(done) = tasks.join_next().await {
            self.connections.push(done??);
        }
        Ok(())
    }
}

/// What the connections of one run share.
struct Run {
    left: AtomicU64,
    bodies: Vec<String>,
    tally: Mutex<Tally>,
}

struct Tally {
    latency: Histogram<u64>,
    answers: Vec<u64>,
}

impl Run {
    fn new(requests: u64, versions: &[String]) -> anyhow::Result<Run> {
        let latency = Histogram::new(LATENCY_DIGITS)?;
        Ok(Run {
            left: AtomicU64::new(requests),
            bodies: versions.iter().map(|version| body_of(version)).collect(),
            tally: Mutex::new(Tally {
                latency,
                answers: vec![0; versions.len()],
            }),
        })
    }

    /// Whether there is another request to send; if so, it is the caller's.
    fn take(&self) -> bool {
        let less_one = |left: u64| left.checked_sub(1);
        self.left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less_one)
            .is_ok()
    }

    fn record(&self, body: &[u8], latency: Duration) -> anyhow::Result<()> {
        let version = self
            .bodies
            .iter()
            .position(|known| known.as_bytes() == body);
        let version = version.context("an answer with an unknown body")?;
        let mut tally = self.tally.lock().expect("no holder of this lock panics");
        tally.answers[version] += 1;
        tally.latency.record(u64::try_from(latency.as_nanos())?)?;
        Ok(())
    }
}

async fn ask_until_done(mut stream: TcpStream, run: Arc<Run>) -> anyhow::Result<TcpStream> {
    let mut buffer = [0; ANSWER_BYTES_MAX];
    while run.take() {
        let asked = Instant::now();
        stream.write_all(REQUEST).await?;
        let body = read_answer(&mut stream, &mut buffer).await?;
        run.record(body, asked.elapsed())?;
    }
    Ok(stream)
}

async fn read_answer<'b>(stream: &mut TcpStream, buffer: &'b mut [u8]) -> anyhow::Result<&'b [u8]> {
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(
            read > 0,
            "the connection ended after {filled} bytes of an answer"
        );
        filled += read;
        if let Some(body) = body_in(&buffer[..filled])? {
            let body_bytes = body.len();
            return Ok(&buffer[filled - body_bytes..filled]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{backend, process};

    async fn backend_of(version: &'static str) -> SocketAddr {
        let listen = process::free_address().unwrap();
        tokio::spawn(backend::serve(listen, version));
        while TcpStream::connect(listen).await.is_err() {
            tokio::task::yield_now().await;
        }
        listen
    }

    #[tokio::test]
    async fn every_request_is_answered_once_and_counted() {
        let mut load = Load::connect(backend_of("canary").await, 7).await.unwrap();
        for requests in [100, 3] {
            let versions = ["stable".to_owned(), "canary".to_owned()];
            let outcome = load.send(requests, &versions).await.unwrap();
            assert_eq!(outcome.answers, [0, requests]);
            assert_eq!(outcome.latency.len(), requests);
        }
    }

    #[tokio::test]
    async fn an_unknown_body_ends_the_run() {
        let mut load = Load::connect(backend_of("canary").await, 1).await.unwrap();
        let error = load.send(1, &["stable".to_owned()]).await.err().unwrap();
        assert_eq!(error.to_string(), "an answer with an unknown body");
    }
}
