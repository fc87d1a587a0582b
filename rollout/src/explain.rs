//! A judgement in figures, for a person: both versions side by side, how sure one is, and how much is missing.
//!
//! It costs a few hundred times what deciding costs, and decides nothing.

use crate::decision::{Figures, strength};
use crate::evidence::Totals;
use crate::interval::{RatioInterval, ratio_interval};
use crate::judge::{Finding, Judgement, Measure, judge, requests_missing, tallies};
use crate::stratum::Stratum;
use crate::terms::Terms;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How sure the interval of the risk ratio is.
const CONFIDENCE: f64 = 0.95;

/// Everything that a judgement rests on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the evidence says.
    pub judgement: Judgement,
    /// The logarithm of the evidence that aborts.
    pub ln_abort: f64,
    /// The logarithm of the evidence that proves a canary good enough.
    pub ln_promote: f64,
    /// Every measure, errors first.
    pub figures: Vec<Figures>,
    /// The canary's error rate divided by stable's.
    pub ratio: RatioInterval,
    /// About how many more requests of the canary would prove it good enough, at the rates seen; `None` if none would.
    pub missing: Option<u64>,
}

/// Explains the outcomes so far; what is missing is worked out for requests at `share`.
pub fn explain(terms: &Terms, totals: &Totals, share: Stratum) -> Explanation {
    let judgement = judge(terms, totals);
    let measures = judgement.measures.iter().map(|(measure, _)| *measure);
    Explanation {
        figures: measures
            .map(|measure| Figures::new(terms, totals, measure))
            .collect(),
        ratio: ratio_interval(tallies(totals, Measure::Errors), CONFIDENCE),
        missing: requests_missing(terms, totals, share),
        ln_abort: terms.ln_abort(),
        ln_promote: terms.ln_promote(),
        judgement,
    }
}

impl Explanation {
    /// What the evidence comes to, in one sentence.
    pub fn verdict(&self) -> String {
        match (self.judgement.finding, self.missing) {
            (Finding::Worse, _) => "the canary is worse than the tolerance".to_owned(),
            (Finding::GoodEnough, _) => "the canary is better than the margin".to_owned(),
            (Finding::Undecided, Some(missing)) => {
                format!(
                    "undecided: about {} more canary requests needed if the rates stay",
                    rounded(missing)
                )
            }
            (Finding::Undecided, None) => {
                "undecided: at these rates the canary will not be shown to be good enough"
                    .to_owned()
            }
        }
    }
}

/// Two digits of an estimate are more than it is worth.
fn rounded(number: u64) -> u64 {
    let unit = 10_u64.pow(number.max(1).ilog10().saturating_sub(1));
    number.div_ceil(unit) * unit
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for figures in &self.figures {
            writeln!(f, "{figures}")?;
        }
        writeln!(f, "error ratio: {}", self.ratio)?;
        let Judgement {
            ln_e_abort,
            ln_e_promote,
            ..
        } = self.judgement;
        writeln!(
            f,
            "worse than the tolerance: {}",
            strength(ln_e_abort, self.ln_abort)
        )?;
        writeln!(
            f,
            "better than the margin: {}",
            strength(ln_e_promote, self.ln_promote)
        )?;
        writeln!(f, "{}", self.verdict())
    }
}

impl fmt::Display for RatioInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sure = self.confidence * 100.0;
        match self.high {
            Some(high) => write!(
                f,
                "{:.2} to {high:.2} times stable's, at every moment with {sure:.0}%",
                self.low
            ),
            None if self.low > 0.0 => write!(
                f,
                "at least {:.2} times stable's, at every moment with {sure:.0}%",
                self.low
            ),
            None => f.write_str("nothing is ruled out yet"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{Arms, Counts};
    use crate::plan::Plan;

    /// Percent, then requests and bad ones of canary and stable.
    fn explained(strata: &[(u64, [u64; 4])]) -> String {
        let counts = |requests, bad| Counts {
            requests,
            bad,
            slow: vec![],
        };
        let totals = strata
            .iter()
            .map(|(percent, [canary, canary_bad, stable, stable_bad])| {
                let arms = Arms {
                    canary: counts(*canary, *canary_bad),
                    stable: counts(*stable, *stable_bad),
                    ..Arms::default()
                };
                (Stratum::new(*percent, 100).unwrap(), arms)
            });
        let terms = Terms::new(&Plan::default(), vec![]);
        explain(&terms, &totals.collect(), Stratum::new(5, 100).unwrap()).to_string()
    }

    #[test]
    fn it_says_what_a_person_would_ask() {
        insta::assert_snapshot!(explained(&[]), @"
        errors: canary no request, stable no request
        error ratio: nothing is ruled out yet
        worse than the tolerance: E = 1.00 of 100
        better than the margin: E = 1.00 of 20
        undecided: about 1300 more canary requests needed if the rates stay
        ");
        insta::assert_snapshot!(explained(&[(5, [400, 12, 7600, 40])]), @"
        errors: canary 12 of 400 (3%), stable 40 of 7600 (0.53%)
        error ratio: 1.80 to 14.94 times stable's, at every moment with 95%
        worse than the tolerance: E = 160 of 100
        better than the margin: E = 0.23 of 20
        the canary is worse than the tolerance
        ");
        insta::assert_snapshot!(explained(&[(5, [2000, 4, 38000, 190])]), @"
        errors: canary 4 of 2000 (0.2%), stable 190 of 38000 (0.5%)
        error ratio: 0.01 to 1.41 times stable's, at every moment with 95%
        worse than the tolerance: E = 0.38 of 100
        better than the margin: E = 81848 of 20
        the canary is better than the margin
        ");
        insta::assert_snapshot!(explained(&[(1, [100, 0, 9900, 0]), (5, [500, 0, 9500, 0])]), @"
        errors: canary 0 of 600 (0%), stable 0 of 19400 (0%)
        error ratio: nothing is ruled out yet
        worse than the tolerance: E = 0.46 of 100
        better than the margin: E = 3.75 of 20
        undecided: about 630 more canary requests needed if the rates stay
        ");
        insta::assert_snapshot!(explained(&[(5, [400, 8, 7600, 0])]), @"
        errors: canary 8 of 400 (2%), stable 0 of 7600 (0%)
        error ratio: at least 16.40 times stable's, at every moment with 95%
        worse than the tolerance: E = 918269 of 100
        better than the margin: E = 0.26 of 20
        the canary is worse than the tolerance
        ");
    }
}
