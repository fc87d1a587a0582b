//! What a rollout has seen: the evidence, and how it grows by what proxies tell.

use super::reading::Reading;
use super::saved::Saved;
use haldane_rollout::evidence::{Change, ReportError};
use haldane_rollout::{Counts, Evidence, Report, Terms, Totals, Trouble};
use serde::{Deserialize, Serialize};

/// The evidence, and whether stable is failing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) evidence: Evidence,
    trouble: Trouble,
    /// What was counted at the last look, as `Pair::mark` has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counted: Option<u64>,
}

impl Seen {
    /// Nothing, for decisions whose evidence was lost.
    pub(crate) fn unknown(saved: &Saved) -> Self {
        let thresholds = saved
            .state
            .as_ref()
            .map_or(0, |state| state.terms().thresholds.len());
        Self {
            evidence: Evidence::new(thresholds),
            ..Self::default()
        }
    }

    /// Takes in what proxies tell. What repeats, is late or cannot be true changes nothing.
    pub(crate) fn take(&mut self, readings: &[Reading], terms: &Terms) {
        let mut stable = Counts::default();
        for reading in readings {
            match self.heed(&self.with_trouble(reading.report(terms))) {
                Ok(grown) => {
                    stable.requests += grown.requests;
                    stable.bad += grown.bad;
                }
                Err(error) => tracing::warn!(%error, "a report is left out"),
            }
        }
        self.trouble.learn(&stable);
    }

    /// Notes what is counted from now on. Sums over other rules than before can be smaller than they were, and larger by what is
    /// older than the release.
    pub(crate) fn count(&mut self, mark: u64) {
        let before = self.counted.replace(mark);
        if before.is_some_and(|before| before != mark) {
            self.evidence.rebase();
        }
    }

    /// Takes in one report; what is new of stable. When a process began nobody knows, and after a takeover most are heard of
    /// anew: what one counted before it was heard of may be older than the release, and is left out.
    fn heed(&mut self, report: &Report) -> Result<Counts, ReportError> {
        let Some(latest) = self.evidence.latest(&report.instance) else {
            self.evidence.report_before(report)?;
            return Ok(Counts::default());
        };
        let before = sum(latest);
        Ok(match self.evidence.report(report)? {
            Change::Counted => growth(&before, &sum(&report.counts)),
            Change::Nothing => Counts::default(),
        })
    }

    /// Makes what proxies have told so far the time before.
    pub(crate) fn forget(&mut self, readings: &[Reading], terms: &Terms) {
        for reading in readings {
            if let Err(error) = self.evidence.report_before(&reading.report(terms)) {
                tracing::debug!(%error, "a report is left out");
            }
        }
    }

    /// Of what is new in a report, all came while stable was failing, or nothing did.
    fn with_trouble(&self, mut report: Report) -> Report {
        let latest = self.evidence.latest(&report.instance);
        for (share, arms) in &mut report.counts {
            let before = latest.and_then(|latest| latest.get(share)).cloned();
            let before = before.unwrap_or_default();
            arms.troubled = before.troubled;
            if self.trouble.is_on() {
                arms.troubled.add(arms.errors().without(before.errors()));
            }
        }
        report
    }

    /// As it is written down, with the last word of no more than so many processes of proxies: some 100 bytes for each step
    /// of each.
    pub(crate) fn bounded(&self, instances: usize, is_there: impl Fn(&str) -> bool) -> Self {
        let mut bounded = self.clone();
        let gone = |instance: &str| !is_there(instance);
        bounded.evidence.remember_at_most(instances, gone);
        bounded
    }
}

/// Stable's requests and bad ones, over all shares.
fn sum(totals: &Totals) -> Counts {
    let mut sum = Counts::default();
    for arms in totals.values() {
        sum.requests = sum.requests.saturating_add(arms.stable.requests);
        sum.bad = sum.bad.saturating_add(arms.stable.bad);
    }
    sum
}

fn growth(from: &Counts, to: &Counts) -> Counts {
    Counts {
        requests: to.requests.saturating_sub(from.requests),
        bad: to.bad.saturating_sub(from.bad),
        ..Counts::default()
    }
}
