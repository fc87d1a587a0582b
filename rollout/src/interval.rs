//! How many times as often as stable the canary fails: the interval that holds at every moment at once.
//!
//! It is the set of ratios that neither bet has ruled out, so a person may look at it as often as they like: over the
//! whole rollout it leaves out the true ratio with at most the stated probability.

use crate::betting::{ln_e_no_worse, ln_e_worse};
use crate::stratum::Stratum;
use crate::tally::Tally;
use crate::tolerance::Tolerance;
use serde::{Deserialize, Serialize};

/// The ratios looked at. Outside, "not at all" and "beyond measure" say as much.
const RATIO_MIN: f64 = 1e-3;
const RATIO_MAX: f64 = 1e3;

/// Halvings of the range on a scale of logarithms: enough for four digits.
const HALVINGS: u32 = 24;

/// The canary's rate of bad outcomes divided by stable's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioInterval {
    /// The lower end; 0 if nothing is ruled out from below.
    pub low: f64,
    /// The upper end; `None` if nothing is ruled out from above.
    pub high: Option<f64>,
    /// The probability, at least, with which the interval holds the ratio at every moment.
    pub confidence: f64,
}

/// The interval of the ratio, from all strata.
pub fn ratio_interval(
    strata: impl Iterator<Item = (Stratum, Tally)> + Clone,
    confidence: f64,
) -> RatioInterval {
    let out = (2.0 / (1.0 - confidence)).ln();
    let too_low = |ratio| ln_e_worse(Tolerance::ratio_alone(ratio), strata.clone()) >= out;
    let too_high = |ratio| ln_e_no_worse(Tolerance::ratio_alone(ratio), strata.clone()) >= out;
    RatioInterval {
        // The greater the ratio, the less there is to win by betting that the canary is worse than that.
        low: if too_low(RATIO_MIN) {
            border(too_low)
        } else {
            0.0
        },
        high: too_high(RATIO_MAX).then(|| border(|ratio| !too_high(ratio))),
        confidence,
    }
}

/// Where a condition that holds for small ratios stops to hold.
fn border(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (RATIO_MIN.ln(), RATIO_MAX.ln());
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if holds(middle.exp()) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(share: u64, canary_bad: u64, stable_bad: u64) -> String {
        let tally = Tally {
            canary_bad,
            stable_bad,
            good: 10_000,
        };
        let strata = [(Stratum::new(share, 100).unwrap(), tally)];
        let RatioInterval { low, high, .. } = ratio_interval(strata.into_iter(), 0.95);
        let high = high.map_or("any".to_owned(), |high| format!("{high:.2}"));
        format!("{low:.2} to {high}")
    }

    #[test]
    fn an_interval_closes_round_the_ratio_as_failures_come_in() {
        let cases = [
            (50, 0, 0, "0.00 to any"),
            (50, 10, 10, "0.23 to 4.28"),
            (50, 100, 100, "0.64 to 1.57"),
            (50, 1000, 1000, "0.86 to 1.16"),
            (5, 30, 95, "2.97 to 11.44"),
            (5, 30, 0, "77.53 to any"),
            (5, 0, 95, "0.00 to 1.39"),
        ];
        let seen = cases.map(|(share, canary, stable, _)| interval(share, canary, stable));
        assert_eq!(seen, cases.map(|(_, _, _, expected)| expected));
    }
}
