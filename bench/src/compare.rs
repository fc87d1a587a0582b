//! `haldane-bench compare`: starts the backends and the peers, lets the peers take turns, and
//! prints what each needed. Everything it starts ends with it, also when it is interrupted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::counted::requests_counted;
use crate::peer::{Kind, Peer, Task, Version, answers_once};
use crate::process::{Process, free_address, pin, version_of};
use crate::report::{Counted, Machine, Report};
use crate::rounds::{Amount, Sample, WARM_UP_REQUESTS, measure, order};
use crate::summary::summarise;

/// How long a backend may take to start.
const BACKEND_WAIT_MAX: Duration = Duration::from_secs(5);

/// What to compare, and how long.
#[derive(Parser)]
pub(crate) struct Options {
    /// How often each peer takes its turn.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Requests in one measurement.
    #[arg(long, default_value_t = 40_000, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// Keep-alive connections, each with one request under way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    connections: u16,
    /// The peers to run.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "haldane,nginx,haproxy,relay"
    )]
    only: Vec<Kind>,
    /// Two versions behind each peer, 90 to 10, instead of one.
    #[arg(long)]
    split: bool,
    /// The haldane program, if not the one built beside this program.
    #[arg(long)]
    haldane: Option<PathBuf>,
    /// The core of the peer under test.
    #[arg(long, default_value_t = 0)]
    peer_core: usize,
    /// The core of the load and the backends.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Where the JSON file goes.
    #[arg(long, default_value = "bench/out")]
    out: PathBuf,
}

/// Runs the comparison, or stops at SIGINT or SIGTERM.
///
/// # Errors
/// If a peer fails, gives a wrong answer or (Haldane) miscounts, and if interrupted.
pub(crate) async fn compare(options: Options) -> anyhow::Result<()> {
    ensure!(
        options.peer_core != options.load_core,
        "the peer and the load need a core each"
    );
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    // Dropping the run's future ends every process it has started.
    tokio::select! {
        done = run(&options) => done,
        _ = interrupted.recv() => bail!("interrupted"),
        _ = terminated.recv() => bail!("terminated"),
    }
}

async fn run(options: &Options) -> anyhow::Result<()> {
    pin(options.load_core)?;
    let scratch = TempDir::with_prefix("haldane-bench-")?;
    let (_backends, task) = start_backends(options, &scratch).await?;
    let peers = start_peers(&options.only, &task).await?;
    let (samples, counted) = take_turns(options, &peers, &task).await?;
    let report = report(options, &peers, &task, samples, counted)?;
    print!("{}", report.table());
    println!("{}", report.write(&options.out)?.display());
    check_counted(counted)
}

async fn start_backends(
    options: &Options,
    scratch: &TempDir,
) -> anyhow::Result<(Vec<Process>, Task)> {
    let shares: &[(&str, u32)] = if options.split {
        &[("stable", 90), ("canary", 10)]
    } else {
        &[("stable", 1)]
    };
    let mut backends = Vec::new();
    let mut versions = Vec::new();
    for &(name, weight) in shares {
        let address = free_address()?;
        let listen = address.to_string();
        let arguments = ["backend", "--listen", &listen, "--version", name].map(OsString::from);
        let command: Vec<OsString> = [std::env::current_exe()?.into()]
            .into_iter()
            .chain(arguments)
            .collect();
        backends.push(Process::start(
            options.load_core,
            &command,
            &scratch.path().join(name),
        )?);
        versions.push(Version {
            name,
            address,
            weight,
        });
    }
    let haldane = haldane_of(options)?;
    let task = Task {
        core: options.peer_core,
        versions,
        haldane,
    };
    wait_for_backends(&task).await?;
    Ok((backends, task))
}

async fn wait_for_backends(task: &Task) -> anyhow::Result<()> {
    let deadline = Instant::now() + BACKEND_WAIT_MAX;
    let names = task.version_names();
    for version in &task.versions {
        while let Err(error) = answers_once(version.address, &names).await {
            ensure!(
                Instant::now() < deadline,
                "the backend does not start: {error}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    Ok(())
}

fn haldane_of(options: &Options) -> anyhow::Result<PathBuf> {
    match &options.haldane {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("{}", path.display())),
        None => Ok(std::env::current_exe()?.with_file_name("haldane")),
    }
}

async fn start_peers(kinds: &[Kind], task: &Task) -> anyhow::Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for &kind in kinds {
        if kind.program(task).is_none() {
            eprintln!("without {}: not installed ({})", kind.name(), kind.remedy());
            continue;
        }
        peers.push(Peer::start(kind, task).await?);
    }
    Ok(peers)
}

/// All rounds; beside the samples, what Haldane counted meanwhile.
async fn take_turns(
    options: &Options,
    peers: &[Peer],
    task: &Task,
) -> anyhow::Result<(Vec<Sample>, Option<Counted>)> {
    let haldane = peers.iter().find(|peer| peer.kind == Kind::Haldane);
    let before = counted_by(haldane).await?;
    let versions = task.version_names();
    let mut samples = Vec::new();
    for round in 0..options.rounds as usize {
        for index in order(peers.len(), round) {
            let peer = &peers[index];
            let sample = measure(peer, round, options.amount(), task.core, &versions).await;
            samples.push(sample.with_context(|| format!("measuring {}", peer.kind.name()))?);
        }
        eprintln!("round {} of {}", round + 1, options.rounds);
    }
    let sent = u64::from(options.rounds) * (options.requests + WARM_UP_REQUESTS);
    let after = counted_by(haldane).await?;
    let counted = before.zip(after).map(|(before, after)| Counted {
        sent,
        counted: after - before,
    });
    Ok((samples, counted))
}

async fn counted_by(haldane: Option<&Peer>) -> anyhow::Result<Option<u64>> {
    match haldane {
        Some(peer) => requests_counted(peer.admin)
            .await
            .context("haldane's metrics")
            .map(Some),
        None => Ok(None),
    }
}

/// A wrong count is a fault of the product, so the run fails although its figures are printed.
fn check_counted(counted: Option<Counted>) -> anyhow::Result<()> {
    if let Some(Counted { sent, counted }) = counted {
        println!("haldane counted {counted} of {sent} requests");
        ensure!(counted == sent, "haldane's count is wrong");
    }
    Ok(())
}

fn report(
    options: &Options,
    peers: &[Peer],
    task: &Task,
    samples: Vec<Sample>,
    counted: Option<Counted>,
) -> anyhow::Result<Report> {
    let kinds: Vec<Kind> = peers.iter().map(|peer| peer.kind).collect();
    Ok(Report {
        machine: Machine::here()?,
        versions: versions_of(&kinds, task),
        amount: options.amount(),
        weights: task
            .versions
            .iter()
            .map(|version| (version.name, version.weight))
            .collect(),
        lines: summarise(&kinds, &samples),
        samples,
        counted,
    })
}

fn versions_of(kinds: &[Kind], task: &Task) -> BTreeMap<&'static str, String> {
    let version = |kind: &Kind| {
        let program = kind.program(task)?;
        Some((
            kind.name(),
            version_of(program.as_os_str(), kind.version_option())?,
        ))
    };
    kinds.iter().filter_map(version).collect()
}

impl Options {
    fn amount(&self) -> Amount {
        Amount {
            requests: self.requests,
            connections: self.connections.into(),
        }
    }
}
