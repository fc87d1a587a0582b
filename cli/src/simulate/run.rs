//! One release after the other, on all cores.

use super::haldane::Haldane;
use super::summary::Summary;
use super::thresholds::{Argo, Flagger};
use super::traffic::{Batch, Stream, Traffic};
use crate::decide::Bounds;
use haldane_rollout::{Plan, Stratum};
use haldane_routing::Schedule;
use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// Who decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rule {
    /// Haldane, at the given weight until it is proven or aborted.
    #[default]
    Haldane,
    /// As Argo Rollouts' example: ten looks, a minute each; more than three below 99 % success abort.
    Argo,
    /// The same with the failure limit it has when none is written: 0.
    ArgoDefault,
    /// As Flagger's example: from 5 % up by 5 to 50 %, a minute each at 99 % success; five failed checks roll back.
    Flagger,
}

/// How one release ended, and after how many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Promoted(u64),
    Aborted(u64),
    Undecided,
}

/// Something that decides about a release.
pub(super) trait Judge {
    /// The canary's share now.
    fn share(&self) -> Stratum;
    /// Requests arrive in a second, canary's and stable's.
    fn serve(&mut self, second: u64, batches: [Batch; 2]);
    /// A look at the start of second `now`.
    fn look(&mut self, now: u64) -> Option<End>;
}

/// A release that can be repeated.
pub(super) struct Simulation {
    traffic: Traffic,
    share: Stratum,
    seconds: u64,
    plan: Plan,
}

impl Simulation {
    pub(super) fn new(
        traffic: Traffic,
        share: Stratum,
        seconds: u64,
        bounds: &Bounds,
    ) -> anyhow::Result<Self> {
        let mut plan = bounds.plan([("step-interval", "0s"), ("steps", "100")])?;
        plan.steps.insert(0, share);
        Ok(Self {
            traffic,
            share,
            seconds,
            plan,
        })
    }

    /// So many releases.
    pub(super) fn run(&self, rule: Rule, runs: u32, seed: u64) -> Summary {
        let next = AtomicU32::new(0);
        let schedules = schedules(self.share, seed);
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let ends = std::thread::scope(|scope| {
            let work = || self.work(rule, &schedules, &next, runs, seed);
            let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
            let ends = handles.into_iter().map(|handle| {
                handle
                    .join()
                    .expect("a release that is simulated does not panic")
            });
            ends.flatten().collect()
        });
        Summary::new(ends, self.traffic.onset)
    }

    fn work(
        &self,
        rule: Rule,
        schedules: &Schedules,
        next: &AtomicU32,
        runs: u32,
        seed: u64,
    ) -> Vec<End> {
        let arrivals = self.traffic.arrivals();
        let mut ends = Vec::new();
        loop {
            // Relaxed: each number is handed out once, and nothing else hangs on it.
            let run = next.fetch_add(1, Ordering::Relaxed);
            if run >= runs {
                return ends;
            }
            let random = SmallRng::seed_from_u64(seed.rotate_left(32) ^ u64::from(run));
            let stream = Stream::new(&self.traffic, &arrivals, random);
            ends.push(self.release(rule, stream, schedules));
        }
    }

    fn release(&self, rule: Rule, stream: Stream<'_>, schedules: &Schedules) -> End {
        match rule {
            Rule::Haldane => {
                self.follow(Haldane::new(&self.plan, &self.traffic), stream, schedules)
            }
            Rule::Argo => self.follow(Argo::new(self.share, 3, &self.traffic), stream, schedules),
            Rule::ArgoDefault => {
                self.follow(Argo::new(self.share, 0, &self.traffic), stream, schedules)
            }
            Rule::Flagger => self.follow(Flagger::new(&self.traffic), stream, schedules),
        }
    }

    fn follow(&self, mut judge: impl Judge, mut stream: Stream<'_>, schedules: &Schedules) -> End {
        for second in 0..self.seconds {
            let Some(schedule) = schedules.get(&judge.share()) else {
                return End::Undecided;
            };
            judge.serve(second, stream.second(second, schedule));
            if let Some(end) = judge.look(second + 1) {
                return end;
            }
        }
        End::Undecided
    }
}

/// A schedule for every share that some rule may ask for. Releases share them and begin at a random place.
type Schedules = BTreeMap<Stratum, Schedule>;

fn schedules(share: Stratum, seed: u64) -> Schedules {
    let shares = Flagger::shares().chain([share]);
    let drawn = shares.filter_map(|share| {
        let (canary, period) = (u64::from(share.weight()), u64::from(share.period()));
        let schedule = Schedule::new(&[canary, period - canary], seed).ok()?;
        Some((share, schedule))
    });
    drawn.collect()
}
