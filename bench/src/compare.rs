//! `haldane-bench compare`: starts the backends and the peers, lets the peers take turns, and
//! prints what each needed. Everything it starts ends with it, also when it is interrupted.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::case::{Case, DEFAULT, chosen};
use crate::contest::{Contest, start_backends};
use crate::pace::Pace;
use crate::peer::{Kind, Task};
use crate::process::{pin, version_of};
use crate::report::{Counted, Machine, Report};
use crate::rounds::{Amount, Sample};
use crate::summary::{median, summarise};

/// For how long requests come in one measurement of an open loop, in seconds.
const OPEN_SECONDS: f64 = 1.5;

/// The part of the slowest peer's own speed at which requests come in an open loop.
const OPEN_SHARE: f64 = 0.5;

/// What Haldane may take to notice that the last clients are gone, and how often it is asked.
const COUNT_WAIT_MAX: Duration = Duration::from_secs(5);
/// See [`COUNT_WAIT_MAX`].
const COUNT_INTERVAL: Duration = Duration::from_millis(20);

/// What to compare, and how long.
#[derive(Parser)]
pub(crate) struct Options {
    /// The cases to run, or `all`.
    #[arg(long = "case", value_delimiter = ',', default_value = DEFAULT)]
    cases: Vec<String>,
    /// How often each peer takes its turn.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How often all peers are started anew, for so many rounds each time: where a process has its memory is chance, which
    /// stays as long as the process does.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// How often each peer takes its turn at half of the slowest one's speed; 0 leaves that out.
    #[arg(long, default_value_t = 3)]
    open_rounds: u32,
    /// Requests in one measurement, instead of what each case says.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Clients that ask at the same time, instead of what each case says.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    connections: Option<u16>,
    /// The peers to run.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "haldane,nginx,haproxy,envoy,pingora,relay"
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
    let cases = chosen(&options.cases)?;
    pin(options.load_core)?;
    let scratch = TempDir::with_prefix("haldane-bench-")?;
    let (_backends, versions) =
        start_backends(options.load_core, options.split, scratch.path()).await?;
    let task = Arc::new(Task {
        core: options.peer_core,
        versions,
        certificate: Arc::new(crate::user::Certificate::new()?),
        haldane: haldane_of(options)?,
    });
    let mut all = Measured::default();
    for start in 0..options.starts {
        let contest = Contest::start(&cases, &options.only, task.clone()).await?;
        all.add(measured(options, &contest, start).await?);
        eprintln!("start {} of {}", start + 1, options.starts);
    }
    let mut lines = summarise(&cases, &options.only, &all.closed);
    lines.extend(summarise(&cases, &options.only, &all.open));
    let report = Report {
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        machine: Machine::here()?,
        versions: all.versions,
        weights: task.weights(),
        cases,
        lines,
        samples: [all.closed, all.open].concat(),
        counted: all.counted.iter().copied().reduce(Counted::and),
    };
    print!("{}", report.table());
    println!("{}", report.write(&options.out)?.display());
    all.counted.into_iter().try_for_each(check_counted)
}

/// What there is to tell of peers that were started, once or more often.
#[derive(Default)]
struct Measured {
    closed: Vec<Sample>,
    open: Vec<Sample>,
    /// At each start.
    counted: Vec<Counted>,
    versions: BTreeMap<&'static str, String>,
}

impl Measured {
    fn add(&mut self, next: Measured) {
        self.closed.extend(next.closed);
        self.open.extend(next.open);
        self.counted.extend(next.counted);
        self.versions = next.versions;
    }
}

async fn measured(options: &Options, contest: &Contest, start: u32) -> anyhow::Result<Measured> {
    let before = contest.counted().await?;
    let closed = closed_loops(options, contest, start).await?;
    let open = open_loops(options, contest, start, &closed).await?;
    let counted = match before {
        Some(before) => {
            let samples = closed.iter().chain(&open);
            vec![counted_since(contest, before, samples).await?]
        }
        None => Vec::new(),
    };
    Ok(Measured {
        closed,
        open,
        counted,
        versions: versions_of(contest),
    })
}

/// The rounds of one start among those of all.
fn rounds(start: u32, of_a_start: u32) -> std::ops::Range<usize> {
    let first = start as usize * of_a_start as usize;
    first..first + of_a_start as usize
}

/// Every case once in each round, so that a case and its base meet the same minutes.
async fn closed_loops(
    options: &Options,
    contest: &Contest,
    start: u32,
) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in rounds(start, options.rounds) {
        for case in contest.cases() {
            let amount = options.amount(case);
            samples.extend(contest.take_turns(case, amount, round, |_| true).await?);
        }
        let all = rounds(options.starts - 1, options.rounds).end;
        eprintln!("round {} of {all}", round + 1);
    }
    Ok(samples)
}

/// Haldane and its rivals only: a floor has no latency worth a comparison.
async fn open_loops(
    options: &Options,
    contest: &Contest,
    start: u32,
    closed: &[Sample],
) -> anyhow::Result<Vec<Sample>> {
    let mut samples = Vec::new();
    for round in rounds(start, options.open_rounds) {
        for case in contest.cases().filter(|case| case.has_latency()) {
            let Some(rate) = rate_of(case, closed) else {
                continue;
            };
            let amount = Amount {
                requests: (rate * OPEN_SECONDS).ceil() as u64,
                pace: Pace::Open(rate),
                ..options.amount(case)
            };
            let takes_part = |kind: Kind| kind == Kind::Haldane || kind.is_rival();
            samples.extend(contest.take_turns(case, amount, round, takes_part).await?);
        }
        let all = rounds(options.starts - 1, options.open_rounds).end;
        eprintln!("open round {} of {all}", round + 1);
    }
    Ok(samples)
}

/// The requests a second that come in an open loop of a case.
fn rate_of(case: &Case, closed: &[Sample]) -> Option<f64> {
    let speed = |peer: Kind| {
        let own = |sample: &&Sample| sample.case == case.name && sample.peer == peer;
        let own: Vec<&Sample> = closed.iter().filter(own).collect();
        median(&own, |sample| sample.per_second)
    };
    let peers = closed.iter().map(|sample| sample.peer);
    let peers = peers.filter(|peer| *peer == Kind::Haldane || peer.is_rival());
    let slowest = peers.filter_map(speed).min_by(f64::total_cmp);
    slowest.map(|per_second| per_second * OPEN_SHARE)
}

fn haldane_of(options: &Options) -> anyhow::Result<PathBuf> {
    match &options.haldane {
        Some(path) => path
            .canonicalize()
            .with_context(|| format!("{}", path.display())),
        None => Ok(std::env::current_exe()?.with_file_name("haldane")),
    }
}

/// What Haldane counted, once it has counted all: a WebSocket is one request, which ends with its connection.
async fn counted_since(
    contest: &Contest,
    before: u64,
    samples: impl Iterator<Item = &Sample> + Clone,
) -> anyhow::Result<Counted> {
    let by = Instant::now() + COUNT_WAIT_MAX;
    loop {
        let now = contest.counted().await?.unwrap_or(before);
        let counted = Counted::new(samples.clone(), now - before);
        if counted.counted >= counted.sent || Instant::now() >= by {
            return Ok(counted);
        }
        sleep(COUNT_INTERVAL).await;
    }
}

/// A wrong count is a fault of the product, so the run fails although its figures are printed.
fn check_counted(Counted { sent, counted }: Counted) -> anyhow::Result<()> {
    println!("haldane counted {counted} of {sent} requests");
    ensure!(counted == sent, "haldane's count is wrong");
    Ok(())
}

fn versions_of(contest: &Contest) -> BTreeMap<&'static str, String> {
    let version = |kind: Kind| {
        let program = kind.program(contest.haldane())?;
        let version = version_of(program.as_os_str(), kind.version_option())?;
        Some((kind.name(), version))
    };
    contest.kinds().filter_map(version).collect()
}

impl Options {
    fn amount(&self, case: &Case) -> Amount {
        Amount {
            warm_up: case.warm_up(),
            requests: self.requests.unwrap_or(case.requests),
            users: self.connections.map_or(case.users, usize::from),
            pace: Pace::Closed,
        }
    }
}
