//! More requests than backends can take, and more than there is memory for.

use crate::stand::{Stand, arguments, pods};
use haldane_tests::ledger::{Asked, Clients, Ledger, Play, Script, Target, Then, answer_to};
use haldane_tests::manifests::{Manifests, ingress, pod, service, shop};
use haldane_tests::plane::until;
use haldane_tests::process::raise_descriptors;
use haldane_tests::raw::{Pace, Raw};
use haldane_tests::scale::scaled;
use haldane_tests::serve::Serve;
use haldane_tests::vitals::Vitals;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Requests that one backend takes in a second, and how many it may take at once after a pause.
const CAPACITY: (f64, f64) = (100.0, 20.0);
/// Backends.
const BACKENDS: usize = 2;
/// The load in turn, as multiples of what all backends can take.
const LOADS: [f64; 5] = [0.5, 1.0, 2.0, 3.0, 0.5];
/// Clients that ask at once: as many as find no answer within half a second at the highest load.
const CLIENTS: (usize, usize) = (200, 100);

/// The share of requests that may be tried again, and what may have been saved up besides, on each of two workers.
const RETRIES: f64 = 0.2;
/// See [`RETRIES`].
const SAVED_RETRIES: f64 = 200.0;

/// What a backend has left of the second.
struct Capacity {
    left: f64,
    at: Instant,
}

/// Answers as long as there is capacity, and resets the connection otherwise, as a system does whose queues are full.
fn limited(name: &str) -> Script {
    let (per_second, most) = CAPACITY;
    let capacity = Mutex::new(Capacity {
        left: most,
        at: Instant::now(),
    });
    let name = name.to_owned();
    Arc::new(move |id, request| {
        let mut capacity = capacity.lock().unwrap_or_else(PoisonError::into_inner);
        let earned = capacity.at.elapsed().as_secs_f64() * per_second;
        capacity.left = (capacity.left + earned).min(most) - 1.0;
        capacity.at = Instant::now();
        if capacity.left < 0.0 {
            // What is refused costs nothing.
            capacity.left += 1.0;
            return Play {
                bytes: Vec::new(),
                then: Then::Reset,
            };
        }
        Play {
            bytes: answer_to(id, request, &name),
            then: Then::Listen,
        }
    })
}

/// The time that a good answer took which 99 of 100 did not exceed.
fn p99(asked: &[&Asked]) -> Duration {
    let good = asked.iter().filter(|asked| asked.outcome.is_good());
    let mut took: Vec<Duration> = good.map(|asked| asked.ended - asked.begun).collect();
    took.sort();
    let last = (took.len() * 99 / 100).min(took.len().saturating_sub(1));
    took.get(last).copied().unwrap_or_default()
}

/// From the first of them to the last.
fn lasted(asked: &[&Asked]) -> Duration {
    let begun = asked.iter().map(|asked| asked.begun).min();
    let ended = asked.iter().map(|asked| asked.ended).max();
    begun
        .zip(ended)
        .map_or(Duration::ZERO, |(begun, ended)| ended - begun)
}

#[tokio::test(flavor = "multi_thread")]
async fn f22_overload_is_not_answered_with_more_load() -> anyhow::Result<()> {
    let ledger = Ledger::default();
    let targets = (0..BACKENDS).map(|number| {
        let name = format!("backend {number}");
        Target::with(&ledger, &name, limited(&name))
    });
    let targets = targets.collect::<anyhow::Result<Vec<_>>>()?;
    let stand = Stand::before(&ledger, &targets.iter().collect::<Vec<_>>()).await?;
    let capacity = CAPACITY.0 * BACKENDS as f64;
    let retries = || async {
        let metrics = stand.serve.metrics().await?;
        anyhow::Ok(metrics.sum("haldane_retries_total", &[]))
    };
    println!("  load  asked/s  good/s  p99 of good  retries");
    for load in LOADS {
        let (first, before) = (ledger.begun(), retries().await?);
        let rate = (capacity * load) as u64;
        let clients = stand.clients().connections(CLIENTS.0, CLIENTS.1).rate(rate);
        clients.ask(rate * scaled(1)).await?;
        let outcomes = ledger.outcomes();
        let outcomes: Vec<_> = outcomes.iter().filter(|asked| asked.id >= first).collect();
        let good = outcomes.iter().filter(|asked| asked.outcome.is_good());
        let took = lasted(&outcomes).as_secs_f64();
        println!(
            "{load:5.1}x {:8.0} {:7.0} {:>12.1?} {:8.0}",
            outcomes.len() as f64 / took,
            good.count() as f64 / took,
            p99(&outcomes),
            retries().await? - before
        );
    }
    let audit = stand.audit().await?;
    audit.assert_sound();
    audit.assert_none("a request without an answer", |entry| {
        !entry.is_good() && !matches!(entry.status(), Some(502 | 503))
    });
    let asked = audit.entries().count() as f64;
    // Whoever finds a kept connection closed takes another, at no charge; each was kept for a good answer.
    let kept = audit.good() as f64;
    let retried = retries().await?;
    let most = asked * RETRIES + SAVED_RETRIES + kept;
    assert!(retried <= most, "{retried} of {asked}, {kept} good");
    let sent = ledger.executions().len() as f64;
    assert!(
        sent <= asked + retried,
        "{sent} of {asked}, {retried} again"
    );
    Ok(())
}

/// Requests that begin to wait for their answer at once; and how often at most.
const WAITING: usize = 100;
/// See [`WAITING`].
const FLOODS: usize = 60;
/// What the proxy may have, in MiB: some four times what it needs for itself.
const LIMIT_MIB: u64 = 96;
/// The host of requests that wait for ever.
const SLOW: &str = "slow.example.com";

/// A proxy with little memory, before a backend of the ledger and one that never answers.
struct Short<'l> {
    ledger: &'l Ledger,
    serve: Serve,
    _manifests: Manifests,
    silent: JoinHandle<()>,
}

impl<'l> Short<'l> {
    async fn start(ledger: &'l Ledger, good: &Target, limit_mib: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut objects = shop(&[], &pods(&[good]));
        objects.extend([
            service("slow", &[]),
            ingress("slow", &[], SLOW, "slow"),
            pod("slow", "1.0", listener.local_addr()?),
        ]);
        let manifests = Manifests::of(&objects)?;
        let limit = limit_mib.to_string();
        let args = [&arguments("/dev/null")[..], &["--memory-limit", &limit]].concat();
        Ok(Self {
            ledger,
            serve: Serve::start_with(manifests.path(), &args).await?,
            _manifests: manifests,
            silent: tokio::spawn(hold(listener)),
        })
    }

    fn rss_kib(&self) -> anyhow::Result<u64> {
        Ok(Vitals::of(self.serve.id()?, Duration::ZERO)?.rss_kib)
    }

    /// More requests that wait, each of them under way or refused when this returns.
    async fn wait(&self) -> anyhow::Result<Vec<Raw>> {
        let before = self.taken_or_refused().await?;
        let mut all = Vec::new();
        for _ in 0..WAITING {
            let mut raw = Raw::to(self.serve.http).await?;
            let request = format!("GET / HTTP/1.1\r\nHost: {SLOW}\r\n\r\n");
            raw.write(request.as_bytes(), Pace::Whole).await;
            all.push(raw);
        }
        until("requests to wait or be refused", || async {
            let more = self.taken_or_refused().await? - before;
            Ok((more >= WAITING as f64).then_some(()))
        })
        .await?;
        Ok(all)
    }

    async fn taken_or_refused(&self) -> anyhow::Result<f64> {
        let metrics = self.serve.metrics().await?;
        let waiting = metrics.sum("haldane_requests_in_flight", &[]);
        Ok(waiting + self.refused().await?)
    }

    async fn refused(&self) -> anyhow::Result<f64> {
        let metrics = self.serve.metrics().await?;
        Ok(metrics.sum("haldane_refused_total", &[("reason", "overloaded")]))
    }

    /// Whether so many requests are all answered as they should.
    async fn serves(&self, requests: u64) -> anyhow::Result<bool> {
        let first = self.ledger.begun();
        let clients = Clients::of(self.ledger, &[self.serve.http]);
        clients.ask(requests).await?;
        let outcomes = self.ledger.outcomes();
        let mut outcomes = outcomes.iter().filter(|asked| asked.id >= first);
        Ok(outcomes.all(|asked| asked.outcome.is_good()))
    }
}

/// Takes connections and leaves it at that.
async fn hold(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_proxy_that_is_short_of_memory_refuses_and_recovers() -> anyhow::Result<()> {
    raise_descriptors();
    let ledger = Ledger::default();
    let good = Target::start(&ledger, "good")?;
    let mut short = Short::start(&ledger, &good, LIMIT_MIB).await?;
    println!("at first {} KiB", short.rss_kib()?);
    assert!(short.serves(scaled(100)).await?);
    let mut flood = Vec::new();
    while short.refused().await? == 0.0 {
        assert!(flood.len() < WAITING * FLOODS, "nothing is refused");
        flood.extend(short.wait().await?);
    }
    let most = short.rss_kib()?;
    println!("{} wait: {most} KiB", flood.len());
    assert!(most <= LIMIT_MIB * 1_024, "{most} KiB");
    assert!(short.serve.is_running()?);
    // The backend ends, and all that waited for it with it. Nobody asks for anything until the memory has come back: who is
    // short of it does little that could give it back on the way.
    short.silent.abort();
    drop(flood);
    until("memory to come back", || async {
        Ok((short.rss_kib()? < LIMIT_MIB * 1_024 * 2 / 3).then_some(()))
    })
    .await?;
    until("requests to be served again", || async {
        Ok(short.serves(200).await?.then_some(()))
    })
    .await?;
    println!("at last {} KiB", short.rss_kib()?);
    Ok(())
}

/// Connections of a load that is normal, over either version of HTTP, and its requests.
const NORMAL: (usize, usize, u64) = (200, 20, 2_000);
/// More than any load here needs, in MiB.
const AMPLE_MIB: u64 = 4_096;

impl Short<'_> {
    /// The most that it ever held.
    fn peak_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.serve.id()?))?;
        let mut lines = status.lines();
        let peak = lines.find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        Ok(peak.unwrap_or_default().trim().parse()?)
    }

    /// The share of a normal load that is served, of one.
    async fn goodput(&self) -> anyhow::Result<f64> {
        let first = self.ledger.begun();
        let (h1, h2, requests) = NORMAL;
        let clients = Clients::of(self.ledger, &[self.serve.http]).connections(h1, h2);
        clients.ask(scaled(requests)).await?;
        let outcomes = self.ledger.outcomes();
        let asked: Vec<_> = outcomes.iter().filter(|asked| asked.id >= first).collect();
        let good = asked.iter().filter(|asked| asked.outcome.is_good());
        Ok(good.count() as f64 / asked.len() as f64)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f21_a_fifth_more_memory_than_is_normal_is_enough() -> anyhow::Result<()> {
    const GOODPUT_MIN: f64 = 0.7;
    raise_descriptors();
    let ledger = Ledger::default();
    let good = Target::start(&ledger, "good")?;
    let ample = Short::start(&ledger, &good, AMPLE_MIB).await?;
    assert!(ample.goodput().await? == 1.0);
    let normal = ample.peak_kib()?;
    drop(ample);
    let mut tight = Short::start(&ledger, &good, (normal * 12 / 10).div_ceil(1_024)).await?;
    let goodput = tight.goodput().await?;
    let needs = tight.rss_kib()?;
    println!("normal {normal} KiB; with a fifth more {goodput} of all are good, {needs} KiB");
    assert!(goodput >= GOODPUT_MIN && tight.serve.is_running()?);
    Ok(())
}
