//! Hours of mixed load before one proxy, with one fault after the other in an order that chance chooses: afterwards it holds
//! no more than before.
//!
//! `HALDANE_TEST_SCALE` says how long; 600 is two hours, and from one hour on its memory must not grow either.

mod beside;
mod scene;
mod strike;

use crate::stand::Stand;
use anyhow::Context as _;
use beside::Beside;
use haldane_tests::ledger::{Clients, Ledger, Running};
use haldane_tests::plane::until;
use haldane_tests::scale::{chance, scaled};
use haldane_tests::vitals::{Vitals, growth_per_hour};
use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use scene::Scene;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};
use strike::Fault;

/// Seconds of a run of scale 1.
const SECONDS: u64 = 12;
/// Descriptors of the proxy: a crowd is larger, everything else takes a fraction of them.
const DESCRIPTORS: usize = 400;
/// Requests a second in clear and over TLS: little, so that a run of hours leaves the machine to others.
const PER_SECOND: (u64, u64) = (120, 60);
/// Requests in clear before, and after, a fault strikes.
const AROUND: u64 = 60;

/// Descriptors and threads that the last look may find beside those of the first: what is made when it is first needed, and
/// the scrapes that look.
const PASSING: (usize, u64) = (4, 2);

/// How long a run is whose memory is judged: in a shorter one the noise is larger than what may be lost.
const JUDGED: Duration = Duration::from_secs(3_600);
/// The part of a run in which memory may still grow: pools and tables find their size.
const WARM_UP: f64 = 0.25;
/// What memory may grow by in an hour, in KiB.
const GROWTH_KIB_MAX: f64 = 1_024.0;
/// What it may grow by in a run that is too short to be judged, in KiB.
const SHORT_GROWTH_KIB_MAX: u64 = 128 * 1_024;

/// The load that the ledger knows.
struct Load {
    clear: Running,
    tls: Running,
}

impl Load {
    fn start(stand: &Stand, scene: &Scene) -> anyhow::Result<Self> {
        let https = stand.serve.https.expect("it was asked for");
        let tls = Clients::of(&stand.ledger, &[https]).connections(3, 2);
        Ok(Self {
            clear: stand.clients().rate(PER_SECOND.0).start(),
            tls: tls.over_tls(scene.trust()?).rate(PER_SECOND.1).start(),
        })
    }

    async fn progress(&self, more: u64) -> anyhow::Result<()> {
        self.clear.progress(more).await
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.clear.stop().await?;
        self.tls.stop().await
    }
}

/// A run.
struct Soak {
    stand: Stand,
    scene: Scene,
    beside: Beside,
    chance: SmallRng,
    begun: Instant,
    looks: Vec<Vitals>,
    /// Rounds, requests and those that the fault cost, by fault.
    tallies: BTreeMap<Fault, (usize, usize, usize)>,
    /// What was not as it must be: said at once, held against the run at its end, so that hours are not lost.
    findings: usize,
}

impl Soak {
    async fn begin() -> anyhow::Result<Self> {
        let ledger = Ledger::default();
        let scene = Scene::new(&ledger).await?;
        let https = ["--https", "127.0.0.1:0"];
        let objects = scene.objects();
        let stand = Stand::with_descriptors(&ledger, &objects, &https, Some(DESCRIPTORS)).await?;
        let begun = Instant::now();
        Ok(Self {
            looks: vec![Vitals::of(stand.serve.id()?, begun.elapsed())?],
            beside: Beside::start(stand.serve.http),
            chance: chance(),
            tallies: BTreeMap::new(),
            findings: 0,
            begun,
            stand,
            scene,
        })
    }

    /// Load, a fault in the middle of it, and what must be true of every request then.
    async fn round(&mut self, fault: Fault) -> anyhow::Result<()> {
        self.before(fault).await;
        let load = Load::start(&self.stand, &self.scene)?;
        load.progress(AROUND).await?;
        self.during(fault, &load).await?;
        load.progress(AROUND).await?;
        load.stop().await?;
        self.after(fault).await?;
        self.audit(fault).await?;
        let now = Vitals::of(self.stand.serve.id()?, self.begun.elapsed())?;
        self.looks.push(now);
        Ok(())
    }

    async fn audit(&mut self, fault: Fault) -> anyhow::Result<()> {
        let audit = self.stand.audit().await?;
        let failures = self.beside.failures();
        let judged = catch_unwind(AssertUnwindSafe(|| {
            audit.assert_sound();
            audit.assert_none(&format!("{fault:?} may not cost this"), |entry| {
                !entry.is_good() && !fault.may_cost(entry)
            });
            let excused = failures.is_empty() || fault == Fault::Crowd;
            assert!(excused, "{fault:?}: {failures:#?}");
        }));
        self.findings += usize::from(judged.is_err());
        let all = audit.entries().count();
        let tally = self.tallies.entry(fault).or_default();
        *tally = (tally.0 + 1, tally.1 + all, tally.2 + all - audit.good());
        self.stand.ledger.strike_out();
        self.stand.begin_log().await
    }

    /// Ends all load, and waits until the proxy holds what it held at the beginning.
    async fn end(&mut self) -> anyhow::Result<()> {
        self.beside.stop().await;
        self.stand.change(&self.scene.without_backends()).await?;
        let (stand, base) = (&self.stand, self.looks[0]);
        let (begun, id) = (self.begun, stand.serve.id()?);
        let rest = until("the proxy to let go", || async {
            let metrics = stand.serve.metrics().await?;
            let open = |listener| metrics.sum("haldane_connections", &[("listener", listener)]);
            let held = metrics.sum("haldane_requests_in_flight", &[])
                + metrics.sum("haldane_upstream_connections", &[])
                + open("http")
                + open("https");
            let now = Vitals::of(id, begun.elapsed())?;
            let back = now.descriptors <= base.descriptors + PASSING.0
                && now.threads <= base.threads + PASSING.1;
            Ok((held == 0.0 && back).then_some(()))
        });
        let rest = rest.await;
        let now = Vitals::of(id, begun.elapsed())?;
        self.looks.push(now);
        rest.with_context(|| format!("{base:?} has become {now:?}"))
    }

    fn print(&self) {
        let rows = self.looks.len().div_ceil(24);
        println!("minutes    RSS KiB    PSS KiB  descriptors  threads");
        for look in self.looks.iter().step_by(rows).chain(self.looks.last()) {
            println!(
                "{:7.1} {:10} {:10} {:12} {:8}",
                look.at.as_secs_f64() / 60.0,
                look.rss_kib,
                look.pss_kib,
                look.descriptors,
                look.threads
            );
        }
        for (fault, (rounds, requests, cost)) in &self.tallies {
            println!("{fault:?}: {rounds} times, {requests} requests, {cost} of them cost");
        }
        println!("{} calls and messages beside", self.beside.done());
    }

    fn judge(&self) {
        let all = self.begun.elapsed();
        let warm = self
            .looks
            .iter()
            .filter(|look| look.at >= all.mul_f64(WARM_UP));
        let warm: Vec<Vitals> = warm.copied().collect();
        let growth = growth_per_hour(&warm, |look| look.rss_kib as f64);
        println!("growth of RSS after warming up: {growth:.0} KiB an hour");
        if all >= JUDGED {
            assert!(growth < GROWTH_KIB_MAX, "{growth} KiB an hour");
        } else {
            let (first, last) = (
                self.looks[0].rss_kib,
                self.looks[self.looks.len() - 1].rss_kib,
            );
            assert!(
                last < first + SHORT_GROWTH_KIB_MAX,
                "{first} has become {last}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f26_hours_of_mixed_faults_leave_nothing_behind() -> anyhow::Result<()> {
    let mut soak = Soak::begin().await?;
    let duration = Duration::from_secs(scaled(SECONDS));
    let mut faults: Vec<Fault> = Vec::new();
    while soak.begun.elapsed() < duration {
        let next = faults.pop();
        let Some(fault) = next else {
            // Each once before any comes again.
            faults = Fault::ALL.to_vec();
            faults.shuffle(&mut soak.chance);
            continue;
        };
        soak.round(fault).await?;
    }
    let ended = soak.end().await;
    soak.print();
    ended?;
    soak.judge();
    assert_eq!(soak.findings, 0, "see above");
    Ok(())
}
