//! What a rollout has seen: the evidence, and how it grows by what proxies tell.

use super::reading::Reading;
use super::saved::Saved;
use haldane_rollout::evidence::Change;
use haldane_rollout::{Counts, Evidence, Report, Terms, Totals, Trouble};
use serde::{Deserialize, Serialize};

/// The evidence, and whether stable is failing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) evidence: Evidence,
    trouble: Trouble,
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
            trouble: Trouble::default(),
        }
    }

    /// Takes in what proxies tell. What repeats, is late or cannot be true changes nothing.
    pub(crate) fn take(&mut self, readings: &[Reading], terms: &Terms) {
        let mut stable = Counts::default();
        for reading in readings {
            let report = self.with_trouble(reading.report(terms));
            let before = sum(self.evidence.latest(&report.instance));
            match self.evidence.report(&report) {
                Ok(Change::Counted) => grow(&mut stable, &before, &sum(Some(&report.counts))),
                Ok(Change::Nothing) => {}
                Err(error) => tracing::debug!(%error, "a report is left out"),
            }
        }
        self.trouble.learn(&stable);
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
fn sum(totals: Option<&Totals>) -> Counts {
    let mut sum = Counts::default();
    for arms in totals.into_iter().flat_map(|totals| totals.values()) {
        sum.requests = sum.requests.saturating_add(arms.stable.requests);
        sum.bad = sum.bad.saturating_add(arms.stable.bad);
    }
    sum
}

fn grow(counts: &mut Counts, from: &Counts, to: &Counts) {
    counts.requests += to.requests.saturating_sub(from.requests);
    counts.bad += to.bad.saturating_sub(from.bad);
}
