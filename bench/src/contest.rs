//! Backends and peers that run, and who takes which turn.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use tokio::net::TcpStream;

use crate::case::Case;
use crate::counted::requests_counted;
use crate::peer::{Kind, Peer, Task, Version};
use crate::process::{Process, free_address};
use crate::rounds::{Amount, Sample, measure, order};
use crate::user::Plan;

/// How long a backend may take to start.
const BACKEND_WAIT_MAX: Duration = Duration::from_secs(5);

/// How often a starting backend is tried.
const BACKEND_LOOK_EVERY: Duration = Duration::from_millis(5);

/// Peers that run, and what is to be done with them.
pub(crate) struct Contest {
    task: Arc<Task>,
    peers: Vec<Peer>,
    events: Vec<Event>,
}

/// A case and those who take part in it.
struct Event {
    case: &'static Case,
    /// By their place among the peers, each with its clients' plan.
    entrants: Vec<(usize, Arc<Plan>)>,
}

/// Starts the servers behind all peers: one, or two to split between.
///
/// # Errors
/// If they do not start.
pub(crate) async fn start_backends(
    core: usize,
    split: bool,
    scratch: &Path,
) -> anyhow::Result<(Vec<Process>, Vec<Version>)> {
    let shares: &[(&str, u32)] = if split {
        &[("stable", 90), ("canary", 10)]
    } else {
        &[("stable", 1)]
    };
    let mut backends = Vec::new();
    let mut versions = Vec::new();
    for &(name, weight) in shares {
        let (http, grpc) = (free_address()?, free_address()?);
        let (listen, calls) = (http.to_string(), grpc.to_string());
        let command = [
            "backend",
            "--listen",
            &listen,
            "--grpc",
            &calls,
            "--version",
            name,
        ];
        let program = std::env::current_exe()?.into_os_string();
        let command: Vec<OsString> = [program]
            .into_iter()
            .chain(command.map(OsString::from))
            .collect();
        backends.push(Process::start(core, &command, &scratch.join(name))?);
        let version = Version {
            name,
            http,
            grpc,
            weight,
        };
        wait_for(&version).await?;
        versions.push(version);
    }
    Ok((backends, versions))
}

/// A backend that takes connections answers.
async fn wait_for(version: &Version) -> anyhow::Result<()> {
    let deadline = Instant::now() + BACKEND_WAIT_MAX;
    while TcpStream::connect(version.http).await.is_err() {
        ensure!(Instant::now() < deadline, "the backend does not start");
        tokio::time::sleep(BACKEND_LOOK_EVERY).await;
    }
    Ok(())
}

impl Contest {
    /// Starts every peer as often as the cases need it.
    ///
    /// # Errors
    /// If one of them does not work.
    pub(crate) async fn start(
        cases: &[&'static Case],
        kinds: &[Kind],
        task: Arc<Task>,
    ) -> anyhow::Result<Contest> {
        let mut contest = Contest {
            task,
            peers: Vec::new(),
            events: Vec::new(),
        };
        let kinds = contest.installed(kinds);
        for &case in cases {
            let mut entrants = Vec::new();
            for &kind in kinds.iter().filter(|kind| kind.takes(case)) {
                let index = contest.peer_for(kind, case).await?;
                let target = contest.peers[index].target;
                entrants.push((index, contest.task.plan(case, target)));
            }
            contest.events.push(Event { case, entrants });
        }
        Ok(contest)
    }

    fn installed(&self, kinds: &[Kind]) -> Vec<Kind> {
        let (there, missing): (Vec<Kind>, Vec<Kind>) = kinds
            .iter()
            .partition(|kind| kind.program(&self.task.haldane).is_some());
        for kind in missing {
            eprintln!("without {}: not there ({})", kind.name(), kind.remedy());
        }
        there
    }

    async fn peer_for(&mut self, kind: Kind, case: &Case) -> anyhow::Result<usize> {
        let fits = |peer: &Peer| peer.kind == kind && peer.stage == case.stage;
        if let Some(index) = self.peers.iter().position(fits) {
            return Ok(index);
        }
        let peer = Peer::start(kind, case.stage, &self.task).await?;
        self.peers.push(peer);
        Ok(self.peers.len() - 1)
    }

    /// Measures each peer that `takes_part` in a case once.
    ///
    /// # Errors
    /// If one of them fails.
    pub(crate) async fn take_turns(
        &self,
        case: &Case,
        amount: Amount,
        round: usize,
        takes_part: impl Fn(Kind) -> bool,
    ) -> anyhow::Result<Vec<Sample>> {
        let event = self
            .events
            .iter()
            .find(|event| event.case.name == case.name);
        let entrants = &event.context("a case that was not started")?.entrants;
        let entrants: Vec<_> = entrants
            .iter()
            .map(|(index, plan)| (&self.peers[*index], plan))
            .filter(|(peer, _)| takes_part(peer.kind))
            .collect();
        let mut samples = Vec::new();
        for index in order(entrants.len(), round) {
            let (peer, plan) = entrants[index];
            let sample = measure(peer, plan, amount, self.task.core).await;
            let sample = sample.with_context(|| format!("{}, {}", case.name, peer.kind.name()))?;
            samples.push(Sample { round, ..sample });
        }
        Ok(samples)
    }

    /// The cases, in order.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &'static Case> {
        self.events.iter().map(|event| event.case)
    }

    /// The kinds of peers that run, some more than once.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.peers.iter().map(|peer| peer.kind)
    }

    /// The Haldane that is measured.
    pub(crate) fn haldane(&self) -> &Path {
        &self.task.haldane
    }

    /// What all running Haldanes say they have counted; none if there is none.
    ///
    /// # Errors
    /// If one does not say.
    pub(crate) async fn counted(&self) -> anyhow::Result<Option<u64>> {
        let mut sum = None;
        for peer in self.peers.iter().filter(|peer| peer.kind == Kind::Haldane) {
            let counted = requests_counted(peer.admin).await;
            *sum.get_or_insert(0) += counted.context("haldane's metrics")?;
        }
        Ok(sum)
    }
}
