//! From counts to evidence: the wealth won against "the canary is not worse", over all measures and steps, and against "it
//! is beyond the margin".
//!
//! Averages of e-processes are e-processes; a maximum is not. So one copy of the bets is started with each step, lest a
//! long clean past hide a fault that comes late, and the copies are averaged with masses that are fixed beforehand: half on
//! the first, the rest shared by the later ones. Measures are averaged evenly.

use crate::betting::{
    GRID, ln_e_above, ln_e_no_worse, ln_e_worse, ln_mean, ln_sum, no_worse, sums,
};
use crate::evidence::{Arms, Totals};
use crate::stratum::Stratum;
use crate::tally::Tally;
use crate::terms::Terms;
use serde::{Deserialize, Serialize};

/// The mass of the copy that bets from the start: an outage on the first step must be seen within three requests of a
/// canary that gets one in twenty, and half of the wealth still does that.
const FIRST_MASS: f64 = 0.5;

/// What a version can be worse at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Measure {
    /// Requests that went wrong.
    Errors,
    /// Requests that took longer than the threshold at this place of the terms.
    Slow(usize),
}

/// What the evidence says so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The logarithm of the evidence that the canary is worse, over all measures.
    pub ln_e_abort: f64,
    /// The logarithm of the evidence that the canary is better than the margin.
    pub ln_e_promote: f64,
    /// The logarithm of the evidence for each measure by itself.
    pub measures: Vec<(Measure, f64)>,
    /// What follows, by the bounds of the terms.
    pub finding: Finding,
}

/// Whether a bound is crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The canary is worse than the tolerance allows.
    Worse,
    /// The canary is better than the margin.
    GoodEnough,
    /// Neither is shown.
    Undecided,
}

/// Judges the outcomes by the terms.
pub fn judge(terms: &Terms, totals: &Totals) -> Judgement {
    let measures: Vec<_> = measures(terms)
        .map(|measure| (measure, ln_e_measure(terms, totals, measure)))
        .collect();
    let logs: Vec<_> = measures.iter().map(|(_, ln_e)| *ln_e).collect();
    let (ln_e_abort, ln_e_promote) = (ln_mean(&logs), ln_e_no_worse(terms.margin, calm(totals)));
    let finding = if ln_e_abort >= terms.ln_abort() {
        Finding::Worse
    } else if ln_e_promote >= terms.ln_promote() {
        Finding::GoodEnough
    } else {
        Finding::Undecided
    };
    Judgement {
        ln_e_abort,
        ln_e_promote,
        measures,
        finding,
    }
}

impl Judgement {
    /// The measures that are to blame by themselves: for one among many, the evidence must be that many times as strong.
    pub fn culprits(&self, terms: &Terms) -> Vec<Measure> {
        let needed = terms.ln_abort() + (terms.measures() as f64).ln();
        let guilty = self.measures.iter().filter(|(_, ln_e)| *ln_e >= needed);
        guilty.map(|(measure, _)| *measure).collect()
    }

    /// The measure with the strongest evidence.
    pub fn worst(&self) -> Measure {
        let strongest = self.measures.iter().max_by(|(_, a), (_, b)| a.total_cmp(b));
        strongest.map_or(Measure::Errors, |(measure, _)| *measure)
    }
}

fn measures(terms: &Terms) -> impl Iterator<Item = Measure> {
    let slow = (0..terms.thresholds.len()).map(Measure::Slow);
    std::iter::once(Measure::Errors).chain(slow)
}

/// The counts of one measure.
pub fn tallies(
    totals: &Totals,
    measure: Measure,
) -> impl Iterator<Item = (Stratum, Tally)> + Clone {
    totals
        .iter()
        .map(move |(share, arms)| (*share, tally(arms, measure)))
}

/// The error counts of calm times: those that may speak for the canary.
fn calm(totals: &Totals) -> impl Iterator<Item = (Stratum, Tally)> {
    totals
        .iter()
        .map(|(share, arms)| (*share, arms.calm_errors()))
}

fn tally(arms: &Arms, measure: Measure) -> Tally {
    match measure {
        Measure::Errors => arms.errors(),
        Measure::Slow(threshold) => arms.slow(threshold),
    }
}

fn ln_e_measure(terms: &Terms, totals: &Totals, measure: Measure) -> f64 {
    let threshold = match measure {
        Measure::Errors => None,
        Measure::Slow(place) => terms.thresholds.get(place),
    };
    let beside_stable = ln_e_copies(terms, |from| match measure {
        Measure::Errors => ln_e_errors(terms, totals, from),
        Measure::Slow(_) => ln_e_worse(terms.tolerance, since(from, tallies(totals, measure))),
    });
    match (threshold.and_then(|threshold| threshold.allowed), measure) {
        // Worse means both: slower than stable, and too slow for the objective. The lesser of two e-processes holds
        // against either of the two being untrue.
        (Some(allowed), Measure::Slow(place)) => beside_stable.min(ln_e_copies(terms, |from| {
            let (slow, all) = canary_since(totals, from, place);
            ln_e_above(allowed, slow, all)
        })),
        _ => beside_stable,
    }
}

/// Half of the wealth does not bet while stable fails: when everything of both fails, betting on "the canary is worse" only
/// loses, and what is lost in a common outage would be missed after it. The other half sees a canary that fails even then.
fn ln_e_errors(terms: &Terms, totals: &Totals, from: Stratum) -> f64 {
    let all = ln_e_worse(
        terms.tolerance,
        since(from, tallies(totals, Measure::Errors)),
    );
    if totals.values().all(|arms| arms.troubled.is_zero()) {
        return all;
    }
    ln_mean(&[all, ln_e_worse(terms.tolerance, since(from, calm(totals)))])
}

fn since(
    from: Stratum,
    tallies: impl Iterator<Item = (Stratum, Tally)>,
) -> impl Iterator<Item = (Stratum, Tally)> {
    tallies.filter(move |(share, _)| *share >= from)
}

/// The canary's slow requests and all of them, from a share on upwards.
fn canary_since(totals: &Totals, from: Stratum, place: usize) -> (u64, u64) {
    let since = totals.range(from..).map(|(_, arms)| &arms.canary);
    since.fold((0, 0), |(slow, all), canary| {
        let here = canary.slow.get(place).copied().unwrap_or(0);
        (slow + here, all + canary.requests)
    })
}

/// The copies that began with each step, averaged. A copy counts from its step's share on upwards, which is known before
/// each request; until then its wealth is 1.
fn ln_e_copies(terms: &Terms, ln_e_since: impl Fn(Stratum) -> f64) -> f64 {
    let count = terms.telling().count();
    if count <= 1 {
        return ln_e_since(Stratum::NONE);
    }
    let later = (1.0 - FIRST_MASS) / (count - 1) as f64;
    let copies = terms
        .telling()
        .enumerate()
        .map(|(place, from)| match place {
            0 => FIRST_MASS.ln() + ln_e_since(Stratum::NONE),
            _ => later.ln() + ln_e_since(from),
        });
    ln_sum(&copies.collect::<Vec<_>>())
}

/// How many more of the canary's requests, at this share and at the rates seen so far, would prove it good enough; `None`
/// if at these rates nothing would.
pub fn requests_missing(terms: &Terms, totals: &Totals, share: Stratum) -> Option<u64> {
    if !share.tells() {
        return None;
    }
    let all = totals.values().fold(Arms::default(), |mut sum, arms| {
        sum.add(arms);
        sum
    });
    let (canary, stable) = (
        all.canary.rate().unwrap_or(0.0),
        all.stable.rate().unwrap_or(0.0),
    );
    let others = (1.0 - share.share()) / share.share();
    let won = sums(calm(totals), |at| no_worse(terms.margin, at));
    let needed = terms.ln_promote() + (GRID.len() as f64).ln();
    let growth = no_worse(terms.margin, share).map(|factors| {
        let good = (1.0 - canary) + others * (1.0 - stable);
        canary * factors.canary_bad + others * stable * factors.stable_bad + good * factors.good
    });
    let requests = won.iter().zip(growth).filter(|(_, growth)| *growth > 0.0);
    let requests = requests.map(|(won, growth)| ((needed - won) / growth).max(0.0));
    requests
        .reduce(f64::min)
        .map(|requests| requests.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Counts;
    use crate::plan::Plan;

    /// Canary's and stable's requests and bad ones at 5 %, of which so many bad ones of each, and good ones, came while
    /// stable was failing.
    fn judged(counts: [u64; 4], [canary_bad, stable_bad, good]: [u64; 3]) -> Judgement {
        let side = |requests, bad| Counts {
            requests,
            bad,
            slow: vec![],
        };
        let arms = Arms {
            canary: side(counts[0], counts[1]),
            stable: side(counts[2], counts[3]),
            troubled: Tally {
                canary_bad,
                stable_bad,
                good,
            },
        };
        let totals = Totals::from([(Stratum::new(5, 100).unwrap(), arms)]);
        let plan = Plan {
            steps: vec![Stratum::ALL],
            ..Plan::default()
        };
        judge(&Terms::new(&plan, vec![]), &totals)
    }

    #[test]
    fn a_common_outage_neither_proves_a_canary_nor_hides_it() {
        let outage = [60, 1140, 0];
        let healthy = judged([160, 60, 3040, 1149], outage);
        assert_eq!(healthy.finding, Finding::Undecided);
        assert_eq!(
            judged([160, 60, 3040, 1149], [0; 3]).finding,
            Finding::GoodEnough
        );
        let guilty = judged([160, 72, 3040, 1149], outage);
        assert_eq!(guilty.finding, Finding::Worse);
        let alone = judged([100, 12, 1900, 9], [0; 3]);
        // Half of the wealth sat the outage out; the other half lost nearly all of its own.
        assert!((alone.ln_e_abort - 2_f64.ln() - guilty.ln_e_abort).abs() < 1e-3);
        assert_eq!(alone.ln_e_promote, guilty.ln_e_promote);
    }

    #[test]
    fn an_outage_of_the_canary_is_seen_while_stable_is_in_trouble() {
        assert_eq!(
            judged([60, 60, 1140, 300], [60, 300, 840]).finding,
            Finding::Worse
        );
    }
}
