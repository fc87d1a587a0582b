//! What one proxy has counted for a rollout, as its judgement wants to hear it.
//!
//! Only requests that were drawn by lot are outcomes. One that the client broke off has none.

use crate::push::Heard;
use crate::release::Release;
use haldane_rollout::{Arm, Arms, Counts, Report, Stratum, Terms, Threshold};
use haldane_routing::By;
use haldane_wire::{LATENCY_BOUNDS_US, Outcome, Series, SeriesId, Totals};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::time::Duration;

/// Requests by duration, in the order of [`LATENCY_BOUNDS_US`], and those above.
pub(crate) type Latency = [u64; LATENCY_BOUNDS_US.len() + 1];

/// A proxy's counters of one rollout, all that it ever counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// The proxy's process.
    pub(crate) instance: String,
    /// When it was heard of last, by the steady clock.
    pub(crate) at: Timestamp,
    /// What was drawn by lot at each share of the canary: canary and stable.
    pub(crate) strata: BTreeMap<Stratum, [Totals; 2]>,
    /// All requests of the stable version, however they came to it.
    pub(crate) stable: Latency,
}

/// The two versions that are compared.
#[derive(Clone, Copy)]
pub(crate) struct Pair<'p> {
    pub(crate) release: &'p Release,
    pub(crate) stable: &'p str,
    pub(crate) canary: &'p str,
}

impl Pair<'_> {
    /// What each proxy told about them.
    pub(crate) fn readings(self, heard: &[Heard]) -> Vec<Reading> {
        let reading = |heard: &Heard| {
            let mut reading = Reading {
                instance: heard.instance.clone(),
                at: heard.at,
                ..Reading::default()
            };
            heard
                .series
                .iter()
                .for_each(|series| reading.add(series, self));
            reading
        };
        heard.iter().map(reading).collect()
    }

    /// A mark of what is counted: another one when a rule comes or goes, or calls a canary Ingress's version otherwise.
    pub(crate) fn mark(self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for (rule, named) in &self.release.rules {
            let named = named.as_ref().filter(|_| self.release.by_canary);
            (rule, named).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Which of the two a counter is of.
    fn arm(self, id: &SeriesId) -> Option<Arm> {
        let named = self.release.rules.get(&id.rule)?.as_deref();
        match self.release.by_canary {
            true if named == Some(&id.version) => Some(Arm::Canary),
            true => Some(Arm::Stable),
            false if id.version == self.canary => Some(Arm::Canary),
            false => (id.version == self.stable).then_some(Arm::Stable),
        }
    }
}

/// The canary's share, by the weight of either version: the two have all.
fn share(arm: Arm, id: &SeriesId) -> Option<Stratum> {
    let weight = match arm {
        Arm::Canary => id.weight,
        Arm::Stable => id.period.checked_sub(id.weight)?,
    };
    Stratum::new(weight, id.period).ok()
}

impl Reading {
    fn add(&mut self, series: &Series, pair: Pair<'_>) {
        let Some(arm) = pair.arm(&series.id) else {
            return;
        };
        if arm == Arm::Stable {
            add(&mut self.stable, &series.totals.latency);
        }
        let share = share(arm, &series.id).filter(|share| share.tells());
        if let Some(share) = share.filter(|_| series.id.by == By::Split) {
            self.strata.entry(share).or_default()[arm as usize] += &series.totals;
        }
    }

    /// As a judgement by these terms takes it in. What was counted at a share that is no step of theirs was not split
    /// between these two alone.
    pub(crate) fn report(&self, terms: &Terms) -> Report {
        let steps = |share: &Stratum| terms.steps.contains(share);
        let arms = |(share, [canary, stable]): (&Stratum, &[Totals; 2])| {
            let arms = Arms {
                canary: counts(canary, &terms.thresholds),
                stable: counts(stable, &terms.thresholds),
                ..Arms::default()
            };
            (*share, arms)
        };
        let told = self.strata.iter().filter(|(share, _)| steps(share));
        Report {
            instance: self.instance.clone(),
            at: self.at,
            counts: told.map(arms).collect(),
        }
    }
}

/// Adds one histogram to another.
pub(crate) fn add(sum: &mut Latency, more: &Latency) {
    for (sum, count) in sum.iter_mut().zip(more) {
        *sum = sum.saturating_add(*count);
    }
}

fn counts(totals: &Totals, thresholds: &[Threshold]) -> Counts {
    let of = |outcomes: &[Outcome]| outcomes.iter().map(|outcome| totals.of(*outcome)).sum();
    let bad: u64 = of(&[
        Outcome::ServerError,
        Outcome::UpstreamFailed,
        Outcome::InternalFailed,
    ]);
    let good: u64 = of(&[Outcome::Success, Outcome::ClientError]);
    let requests = bad.saturating_add(good);
    // Durations are those of all requests, also of those that the client broke off.
    let slow = |threshold: &Threshold| {
        let slower = threshold.slower(&bounds(), &totals.latency).unwrap_or(0);
        slower.min(requests)
    };
    Counts {
        requests,
        bad,
        slow: thresholds.iter().map(slow).collect(),
    }
}

/// Where the buckets of a histogram end.
pub(crate) fn bounds() -> [Duration; LATENCY_BOUNDS_US.len()] {
    LATENCY_BOUNDS_US.map(Duration::from_micros)
}

/// All requests of one version that were drawn by lot, by duration.
pub(crate) fn latency(readings: &[Reading], arm: Arm) -> Latency {
    let mut sum = Latency::default();
    let strata = readings.iter().flat_map(|reading| reading.strata.values());
    for totals in strata.map(|arms| &arms[arm as usize]) {
        add(&mut sum, &totals.latency);
    }
    sum
}

/// The bound, in seconds, below which this share of a histogram's requests lies; `None` without a request, and beyond the
/// last bound.
pub(crate) fn quantile(latency: &Latency, share: f64) -> Option<f64> {
    let total: u64 = latency.iter().sum();
    let mut below = 0;
    let place = latency.iter().position(|count| {
        below += count;
        total > 0 && below as f64 >= share * total as f64
    })?;
    LATENCY_BOUNDS_US
        .get(place)
        .map(|bound| *bound as f64 / 1e6)
}
