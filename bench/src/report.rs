//! What a run leaves behind: a table for people and a JSON file for everything else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::peer::Kind;
use crate::rounds::Sample;
use crate::summary::{Line, Spread};

/// Everything about one run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// The arguments it was started with.
    pub(crate) command: String,
    /// What it ran on.
    pub(crate) machine: Machine,
    /// Version by peer, as each prints it.
    pub(crate) versions: BTreeMap<&'static str, String>,
    /// The versions behind the peers and their weights.
    pub(crate) weights: Vec<(&'static str, u32)>,
    /// What was done.
    pub(crate) cases: Vec<&'static Case>,
    /// One line for each case, peer and kind of loop.
    pub(crate) lines: Vec<Line>,
    /// Every measurement.
    pub(crate) samples: Vec<Sample>,
    /// What Haldane counted by itself, if it ran.
    pub(crate) counted: Option<Counted>,
}

/// The requests that Haldane was sent and those that it says it served.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Counted {
    /// Requests that were answered.
    pub(crate) sent: u64,
    /// What its counter grew by.
    pub(crate) counted: u64,
}

/// What the figures depend on.
#[derive(Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Release of the kernel.
    pub(crate) kernel: String,
    /// Model of the processor.
    pub(crate) processor: String,
    /// Cores of the machine.
    pub(crate) cores: usize,
    /// When the run ended, in seconds since 1970.
    ended_unix_s: u64,
}

impl Counted {
    /// What was sent in `samples` beside what was counted.
    pub(crate) fn new<'s>(samples: impl Iterator<Item = &'s Sample>, counted: u64) -> Self {
        let own = samples.filter(|sample| sample.peer == Kind::Haldane);
        Self {
            sent: own.map(|sample| sample.sent).sum(),
            counted,
        }
    }

    /// With what others were sent and served.
    pub(crate) fn and(self, others: Self) -> Self {
        Self {
            sent: self.sent + others.sent,
            counted: self.counted + others.counted,
        }
    }
}

impl Machine {
    /// This machine, now.
    ///
    /// # Errors
    /// If `/proc` does not tell.
    pub(crate) fn here() -> anyhow::Result<Machine> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let model = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name"));
        let model = model
            .and_then(|line| line.split_once(':'))
            .map(|(_, model)| model.trim());
        Ok(Machine {
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?
                .trim()
                .to_owned(),
            processor: model.unwrap_or("unknown").to_owned(),
            cores: processors
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            ended_unix_s: SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs(),
        })
    }
}

const CLOSED_HEAD: &str = "case        peer          us/req    user      sys x nginx   (min - max)  x best  x base    req/s   p50 us   p99 us  busy  noise     MiB\n";
const OPEN_HEAD: &str = "\nat half of the slowest peer's speed\n\
     case        peer          rate/s   p50 us   p99 us  p99.9 us x nginx   (min - max)  noise\n";

fn open_row(line: &Line) -> String {
    format!(
        "{:<12}{:<11}{:>9.0}{:>9.0}{:>9.0}{:>10.0}{:>8}{:>14}{:>6.0}%\n",
        line.case,
        line.peer.name(),
        line.rate.unwrap_or_default(),
        line.p50_us,
        line.p99_us,
        line.p999_us,
        median(line.p99_ratio),
        line.p99_ratio.map(range).unwrap_or_default(),
        line.noise_max * 100.0,
    )
}

fn median(spread: Option<Spread>) -> String {
    spread.map_or("-".to_owned(), |spread| format!("{:.3}", spread.median))
}

fn range(spread: Spread) -> String {
    format!("{:.2} - {:.2}", spread.min, spread.max)
}

impl Report {
    /// The tables, one line for each peer of each case.
    pub(crate) fn table(&self) -> String {
        let mut table = String::from(CLOSED_HEAD);
        for line in self.lines.iter().filter(|line| line.rate.is_none()) {
            table.push_str(&self.closed_row(line));
        }
        let mut open = self
            .lines
            .iter()
            .filter(|line| line.rate.is_some())
            .peekable();
        if open.peek().is_some() {
            table.push_str(OPEN_HEAD);
        }
        table.extend(open.map(open_row));
        table
    }

    fn closed_row(&self, line: &Line) -> String {
        format!(
            "{:<12}{:<11}{:>9.2}{:>8.2}{:>9.2}{:>8}{:>14}{:>8}{:>8}{:>9.0}{:>9.0}{:>9.0}{:>6.0}%{:>6.0}%{:>8.1}{}\n",
            line.case,
            line.peer.name(),
            line.cpu_us,
            line.user_us,
            line.system_us,
            median(line.ratio),
            line.ratio.map(range).unwrap_or_default(),
            median(line.to_best),
            median(line.to_base),
            line.per_second,
            line.p50_us,
            line.p99_us,
            line.busy * 100.0,
            line.noise_max * 100.0,
            line.memory_mib,
            self.answers(line)
        )
    }

    /// Who answered, where there was something to split.
    fn answers(&self, line: &Line) -> String {
        if self.weights.len() < 2 {
            return String::new();
        }
        let names = self.weights.iter().map(|(name, _)| name);
        names
            .zip(&line.answers)
            .map(|(name, answers)| format!("  {name} {answers}"))
            .collect()
    }

    /// Writes the JSON file into `directory`, named by the time; returns its path.
    ///
    /// # Errors
    /// If the directory or file cannot be written.
    pub(crate) fn write(&self, directory: &Path) -> anyhow::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("compare-{}.json", self.machine.ended_unix_s));
        let json = serde_json::to_vec_pretty(self)?;
        fs::write(&path, json).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    }
}
