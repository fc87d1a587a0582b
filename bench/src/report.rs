//! What a run leaves behind: a table for people and a JSON file for everything else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use serde::Serialize;

use crate::rounds::{Amount, Sample};
use crate::summary::Line;

/// Everything about one run.
#[derive(Serialize)]
pub(crate) struct Report {
    /// What it ran on.
    pub(crate) machine: Machine,
    /// Version by peer, as each prints it.
    pub(crate) versions: BTreeMap<&'static str, String>,
    /// How much was sent in a measurement.
    pub(crate) amount: Amount,
    /// The versions behind the peers and their weights.
    pub(crate) weights: Vec<(&'static str, u32)>,
    /// One line for each peer.
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
#[derive(Serialize)]
pub(crate) struct Machine {
    /// Release of the kernel.
    kernel: String,
    /// Model of the processor.
    processor: String,
    /// Cores of the machine.
    cores: usize,
    /// When the run ended, in seconds since 1970.
    ended_unix_s: u64,
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

impl Report {
    /// The table, one line for each peer.
    pub(crate) fn table(&self) -> String {
        let mut table = format!(
            "{:<11}{:>8}{:>7}{:>7}{:>8}{:>16}{:>9}{:>9}{:>9}{:>6}{:>7}\n",
            "peer",
            "us/req",
            "user",
            "sys",
            "x nginx",
            "(min - max)",
            "p50 us",
            "p99 us",
            "req/s",
            "busy",
            "noise"
        );
        for line in &self.lines {
            table.push_str(&self.row(line));
            table.push('\n');
        }
        table
    }

    fn row(&self, line: &Line) -> String {
        let (ratio, spread) = match &line.ratio {
            Some(ratio) => (
                format!("{:.3}", ratio.median),
                format!("({:.2} - {:.2})", ratio.min, ratio.max),
            ),
            None => ("-".to_owned(), String::new()),
        };
        format!(
            "{:<11}{:>8.2}{:>7.2}{:>7.2}{ratio:>8}{spread:>16}{:>9.0}{:>9.0}{:>9.0}{:>5.0}%{:>6.0}%{}",
            line.peer.name(),
            line.cpu_us,
            line.user_us,
            line.system_us,
            line.p50_us,
            line.p99_us,
            line.per_second,
            line.busy * 100.0,
            line.noise_max * 100.0,
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
