//! What the proxies saw, summed: outcomes per stratum and version, from cumulative reports that may be lost, repeated or
//! reordered on their way.
//!
//! A report holds everything its process ever counted, so only the newest one of each process matters. A process that is
//! gone keeps its last counts; a new one adds its own. Nothing is ever subtracted but what was there before the rollout
//! began.

mod counts;

pub use counts::{Arm, Arms, Counts};

use crate::stratum::Stratum;
use crate::tally::Tally;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The most processes whose counts are kept: every restart of a proxy is a new one, and a rollout outlives many.
pub const INSTANCES_MAX: usize = 4_096;

/// The most strata that a process may report: far more than a ladder has steps.
pub const STRATA_MAX: usize = 128;

/// Outcomes by stratum.
pub type Totals = BTreeMap<Stratum, Arms>;

/// Everything one process has counted since it started, for the two versions of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The process, not the machine: a restart is another one.
    pub instance: String,
    /// When it was made or received; only the age of the evidence hangs on it.
    pub at: Timestamp,
    /// The cumulative counts, all of them. A stratum that is left out has been forgotten by the process and keeps its counts
    /// here.
    pub counts: Totals,
}

/// What a report did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It brought news.
    Counted,
    /// It said what is known, or less: a repetition, or an older one that was overtaken.
    Nothing,
}

/// Why a report is left out. What was counted before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// Some counts grew and others shrank, which no order of reports explains.
    #[error("report of {0:?} goes forwards and backwards at once")]
    Inconsistent(String),
    /// More bad or slow requests than requests.
    #[error("report of {0:?} counts more bad or slow requests than requests")]
    Impossible(String),
    /// It counts other thresholds than the rollout looks at.
    #[error("report of {instance:?} counts {seen} latency thresholds, the rollout has {expected}")]
    Thresholds {
        /// Whose report it is.
        instance: String,
        /// How many it counts.
        seen: usize,
        /// How many there are.
        expected: usize,
    },
    /// More than [`INSTANCES_MAX`] processes, or [`STRATA_MAX`] strata.
    #[error("report of {0:?} finds no room")]
    Full(String),
}

/// The outcomes of a rollout so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    thresholds: usize,
    newest: Option<Timestamp>,
    /// What each process said last; `None` if its next report tells what was before.
    instances: BTreeMap<String, Option<Latest>>,
    #[serde(with = "counts::listed")]
    totals: Totals,
}

/// What one process said last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Latest(#[serde(with = "counts::listed")] Totals);

impl Evidence {
    /// No outcome yet; reports count so many latency thresholds.
    pub fn new(thresholds: usize) -> Self {
        Self {
            thresholds,
            ..Self::default()
        }
    }

    /// Takes a report in.
    ///
    /// # Errors
    ///
    /// A report that cannot be true or finds no room; nothing of it is counted.
    pub fn report(&mut self, report: &Report) -> Result<Change, ReportError> {
        self.check(report)?;
        self.newest = self.newest.max(Some(report.at));
        let known = match self.instances.get(&report.instance) {
            Some(None) => return self.report_before(report),
            known => known.and_then(Option::as_ref),
        };
        let change = known.map_or(Ok(Change::Counted), |known| known.compare(report))?;
        if change == Change::Counted {
            self.take(report);
        }
        Ok(change)
    }

    /// Takes a report in of which everything belongs to the time before the rollout: only what a later one holds beyond it
    /// will count.
    ///
    /// # Errors
    ///
    /// As [`Evidence::report`].
    pub fn report_before(&mut self, report: &Report) -> Result<Change, ReportError> {
        self.check(report)?;
        self.newest = self.newest.max(Some(report.at));
        let told = told(report).map(|(share, arms)| (*share, arms.clone()));
        let latest = Latest(told.collect());
        self.instances.insert(report.instance.clone(), Some(latest));
        Ok(Change::Counted)
    }

    /// Counts anew from here, with so many latency thresholds: everything that was reported so far belongs to the time
    /// before.
    pub fn restart(&mut self, thresholds: usize) {
        if thresholds != self.thresholds {
            self.rebase();
        }
        self.thresholds = thresholds;
        self.totals.clear();
    }

    /// Something else is counted from here on: what each process says next is what was before. What counted stays.
    pub fn rebase(&mut self) {
        self.instances
            .values_mut()
            .for_each(|latest| *latest = None);
    }

    /// What a process said last; `None` where nothing is known of it, or its next report tells what was before.
    pub fn latest(&self, instance: &str) -> Option<&Totals> {
        let latest = self.instances.get(instance)?.as_ref();
        latest.map(|Latest(totals)| totals)
    }

    /// Forgets what processes said until at most so many are remembered, which bounds what is to be stored. Those that are
    /// `gone` are forgotten first. Of one that is not, the next report then tells what was before, so that nothing counts
    /// twice.
    pub fn remember_at_most(&mut self, instances: usize, gone: impl Fn(&str) -> bool) {
        let excess = self.instances.len().saturating_sub(instances);
        let lost = self.instances.keys().filter(|name| gone(name));
        let lost: Vec<_> = lost.take(excess).cloned().collect();
        for name in lost {
            self.instances.remove(&name);
        }
        let told = self.instances.values().filter(|latest| latest.is_some());
        let excess = told.count().saturating_sub(instances);
        let told = self
            .instances
            .values_mut()
            .filter(|latest| latest.is_some());
        told.take(excess).for_each(|latest| *latest = None);
    }

    /// The outcomes by stratum, smallest share first. Shares of nothing and of everything are not among them.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// When the newest report was made; `None` before the first.
    pub fn newest(&self) -> Option<Timestamp> {
        self.newest
    }

    /// Error counts by stratum.
    pub fn errors(&self) -> impl Iterator<Item = (Stratum, Tally)> {
        self.totals
            .iter()
            .map(|(share, arms)| (*share, arms.errors()))
    }

    fn check(&self, report: &Report) -> Result<(), ReportError> {
        let instance = || report.instance.clone();
        let known = self.instances.contains_key(&report.instance);
        if report.counts.len() > STRATA_MAX || (!known && self.instances.len() >= INSTANCES_MAX) {
            return Err(ReportError::Full(instance()));
        }
        let mut counted = report.counts.values().flat_map(Arms::both);
        if let Some(counts) = counted.find(|counts| counts.slow.len() != self.thresholds) {
            return Err(ReportError::Thresholds {
                instance: instance(),
                seen: counts.slow.len(),
                expected: self.thresholds,
            });
        }
        match report.counts.values().all(Arms::is_possible) {
            true => Ok(()),
            false => Err(ReportError::Impossible(instance())),
        }
    }

    /// Puts a newer report in the place of the older and adds the difference to the sums.
    fn take(&mut self, report: &Report) {
        let known = self.instances.entry(report.instance.clone()).or_default();
        let Latest(known) = known.get_or_insert_default();
        for (share, arms) in told(report) {
            let latest = known.entry(*share).or_default();
            self.totals
                .entry(*share)
                .or_default()
                .add_growth(latest, arms);
            latest.clone_from(arms);
        }
    }
}

/// What a report says about shares that tell something.
fn told(report: &Report) -> impl Iterator<Item = (&Stratum, &Arms)> {
    report.counts.iter().filter(|(share, _)| share.tells())
}

impl Latest {
    /// Whether a report is newer, the same or older; one that is both is refused.
    fn compare(&self, report: &Report) -> Result<Change, ReportError> {
        let (mut grew, mut shrank) = (false, false);
        for (share, arms) in told(report) {
            let known = self.0.get(share);
            let (more, less) = known.map_or((true, false), |known| known.compare(arms));
            grew |= more;
            shrank |= less;
        }
        match (grew, shrank) {
            (true, true) => Err(ReportError::Inconsistent(report.instance.clone())),
            (true, false) => Ok(Change::Counted),
            (false, _) => Ok(Change::Nothing),
        }
    }
}
