//! The bets: how much a gambler would have won who bets, request by request, that a canary is worse than it may be.
//!
//! Under the hypothesis that is bet against, the expected wealth never grows, whatever the traffic does and however often
//! one looks; so it ever reaches `1/alpha` with probability at most `alpha` (Ville's inequality). `docs/decisions.md` has
//! the argument. Wealth is kept as its natural logarithm, lest it overflow. Nothing here has a memory: the wealth is a
//! function of counts.
//!
//! Sources: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024; Lindon,
//! Sanden and Shirikian, "Rapid regression detection in software deployments through sequential testing", KDD 2022.

use crate::stratum::Stratum;
use crate::tally::Tally;
use crate::tolerance::Tolerance;

/// Which parts of the largest stake are tried side by side, a fifth of the wealth on each. Large stakes see an outage in
/// three requests, small ones a doubled error rate over thousands; none is 1, which one lucky outcome could ruin.
pub(crate) const GRID: [f64; 5] = [1.0 / 16.0, 1.0 / 8.0, 1.0 / 4.0, 1.0 / 2.0, 3.0 / 4.0];

/// The logarithm of the wealth won by betting that the canary is worse than `tolerance` allows.
///
/// It is the logarithm of an e-process against "at every moment the canary's rate is at most `ratio * stable + slack`".
/// Strata in which only one version gets requests add nothing.
pub fn ln_e_worse(tolerance: Tolerance, strata: impl IntoIterator<Item = (Stratum, Tally)>) -> f64 {
    ln_mean(&sums(strata, |stratum| worse(tolerance, stratum)))
}

/// The logarithm of the wealth won by betting that the canary is better than `margin`.
///
/// It is the logarithm of an e-process against "at every moment the canary's rate is at least `ratio * stable + slack`".
pub fn ln_e_no_worse(margin: Tolerance, strata: impl IntoIterator<Item = (Stratum, Tally)>) -> f64 {
    ln_mean(&sums(strata, |stratum| no_worse(margin, stratum)))
}

/// Which parts of the largest stake are tried against a constant. They reach further down: where one in a hundred is
/// allowed, two in a hundred are told apart by the smallest only.
const GRID_ALONE: [f64; 5] = [1.0 / 64.0, 1.0 / 32.0, 1.0 / 16.0, 1.0 / 8.0, 1.0 / 4.0];

/// The logarithm of the wealth won by betting that more than `allowed` (above 0, below 1) of the canary's requests are bad,
/// of which `bad` of `requests` were; stable has no part in it.
///
/// It is the logarithm of an e-process against "at every moment the canary's rate is at most `allowed`".
pub fn ln_e_above(allowed: f64, bad: u64, requests: u64) -> f64 {
    let good = requests.saturating_sub(bad) as f64;
    ln_mean(&GRID_ALONE.map(|part| {
        let won = (part / allowed * (1.0 - allowed)).ln_1p();
        bad as f64 * won + good * (-part).ln_1p()
    }))
}

/// What one outcome does to the logarithm of one stake's wealth.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factors {
    pub(crate) canary_bad: f64,
    pub(crate) stable_bad: f64,
    pub(crate) good: f64,
}

impl Factors {
    fn of(self, tally: Tally) -> f64 {
        // A count of zero times anything finite is zero; every factor is positive, so its logarithm is finite.
        self.canary_bad * tally.canary_bad as f64
            + self.stable_bad * tally.stable_bad as f64
            + self.good * tally.good as f64
    }
}

/// The factors of every stake of the grid, betting on "worse than the tolerance".
///
/// An outcome counts as many times as its version's share makes it rare: `1/w` for a bad one of the canary, `ratio/(1-w)`
/// for one of stable. The mean factor is then `1 + stake * (canary - ratio * stable - slack)`. The largest stake is the one
/// that a bad outcome of stable would take all of.
pub(crate) fn worse(tolerance: Tolerance, stratum: Stratum) -> [Factors; GRID.len()] {
    let share = stratum.share();
    let lost = tolerance.ratio() / (1.0 - share) + tolerance.slack();
    GRID.map(|part| {
        let stake = part / lost;
        Factors {
            canary_bad: (stake * (1.0 / share - tolerance.slack())).ln_1p(),
            stable_bad: (-part).ln_1p(),
            good: (-stake * tolerance.slack()).ln_1p(),
        }
    })
}

/// The factors of every stake of the grid, betting on "better than the margin".
pub(crate) fn no_worse(margin: Tolerance, stratum: Stratum) -> [Factors; GRID.len()] {
    let share = stratum.share();
    let lost = 1.0 / share - margin.slack();
    GRID.map(|part| {
        let stake = part / lost;
        Factors {
            canary_bad: (-part).ln_1p(),
            stable_bad: (stake * (margin.ratio() / (1.0 - share) + margin.slack())).ln_1p(),
            good: (stake * margin.slack()).ln_1p(),
        }
    })
}

/// The logarithm of each stake's wealth after all strata.
pub(crate) fn sums(
    strata: impl IntoIterator<Item = (Stratum, Tally)>,
    factors: impl Fn(Stratum) -> [Factors; GRID.len()],
) -> [f64; GRID.len()] {
    let mut sums = [0.0; GRID.len()];
    for (stratum, tally) in strata {
        if stratum.tells() {
            for (sum, factors) in sums.iter_mut().zip(factors(stratum)) {
                *sum += factors.of(tally);
            }
        }
    }
    sums
}

/// The logarithm of the mean of what these are the logarithms of.
pub(crate) fn ln_mean(logs: &[f64]) -> f64 {
    ln_sum(logs) - (logs.len() as f64).ln()
}

/// The logarithm of the sum of what these are the logarithms of, without leaving the range of floats.
pub(crate) fn ln_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let scaled: f64 = logs.iter().map(|log| (log - largest).exp()).sum();
    largest + scaled.ln()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tally(canary_bad: u64, stable_bad: u64, good: u64) -> Tally {
        Tally {
            canary_bad,
            stable_bad,
            good,
        }
    }

    /// Share in percent, canary bad, stable bad, good, and the logarithm worked out by hand elsewhere.
    #[track_caller]
    fn check(
        what: fn(Tolerance, [(Stratum, Tally); 1]) -> f64,
        line: &str,
        share: u64,
        counts: [u64; 3],
        expected: f64,
    ) {
        let [canary_bad, stable_bad, good] = counts;
        let strata = [(
            Stratum::new(share, 100).unwrap(),
            tally(canary_bad, stable_bad, good),
        )];
        let seen = what(line.parse().unwrap(), strata);
        assert!(
            (seen - expected).abs() < 1e-12,
            "{line} {share}% {counts:?}: {seen}, expected {expected}"
        );
    }

    #[test]
    fn known_wealth_is_met_to_the_twelfth_decimal() {
        let (abort, promote) = ("errors<1.25x+0.1%", "errors<1.5x+0.5%");
        check(ln_e_worse, abort, 5, [3, 0, 0], 6.283_835_211_946_863_5);
        check(ln_e_worse, abort, 5, [3, 2, 600], 4.060_971_340_913_09);
        check(
            ln_e_no_worse,
            promote,
            25,
            [2, 8, 4000],
            2.510_724_646_180_834_4,
        );
        check(ln_e_worse, abort, 5, [0, 0, 0], 0.0);
        check(ln_e_worse, abort, 100, [9, 0, 9], 0.0);
        check(ln_e_no_worse, promote, 0, [0, 9, 9], 0.0);
    }

    /// The mean factor over the three outcomes of a request whose rates lie on the line itself.
    fn mean_factor(factors: Factors, share: f64, canary: f64, stable: f64) -> f64 {
        let (canary_bad, stable_bad) = (share * canary, (1.0 - share) * stable);
        canary_bad * factors.canary_bad.exp()
            + stable_bad * factors.stable_bad.exp()
            + (1.0 - canary_bad - stable_bad) * factors.good.exp()
    }

    fn lines() -> impl Strategy<Value = Tolerance> {
        (0.0..4.0_f64, 0.0001..0.2_f64)
            .prop_map(|(ratio, slack)| Tolerance::new(ratio, slack).unwrap())
    }

    #[test]
    fn a_constant_is_bet_against_by_the_canary_alone() {
        let seen = [(0, 0), (1, 100), (10, 100), (20, 1000), (9, 90)]
            .map(|(bad, all)| ln_e_above(0.01, bad, all));
        let shown = seen.map(|ln_e| format!("{ln_e:.2}"));
        assert_eq!(shown, ["0.00", "-1.93", "13.03", "1.66", "11.65"]);
    }

    proptest! {
        #[test]
        fn on_the_line_no_stake_wins(line in lines(), share in 1..100_u64, stable in 0.0..0.2_f64) {
            let stratum = Stratum::new(share, 100).unwrap();
            let canary = line.ratio() * stable + line.slack();
            for factors in worse(line, stratum).into_iter().chain(no_worse(line, stratum)) {
                let mean = mean_factor(factors, stratum.share(), canary, stable);
                prop_assert!((mean - 1.0).abs() < 1e-9, "{mean}");
            }
        }

        #[test]
        fn one_more_bad_outcome_of_the_canary_is_never_good_news(
            line in lines(), share in 1..100_u64, bad in 0..50_u64, stable in 0..50_u64, good in 1..5000_u64,
        ) {
            let stratum = Stratum::new(share, 100).unwrap();
            let before = [(stratum, tally(bad, stable, good))];
            for after in [tally(bad + 1, stable, good), tally(bad + 1, stable, good - 1)] {
                let after = [(stratum, after)];
                prop_assert!(ln_e_worse(line, after) >= ln_e_worse(line, before));
                prop_assert!(ln_e_no_worse(line, after) <= ln_e_no_worse(line, before));
            }
        }

        #[test]
        fn wealth_is_a_number_whatever_the_counts(
            line in lines(), share in 1..1_000_000_u64, bad: u64, stable: u64, good: u64,
        ) {
            let strata = [(Stratum::new(share, 1_000_000).unwrap(), tally(bad, stable, good))];
            prop_assert!(ln_e_worse(line, strata).is_finite());
            prop_assert!(ln_e_no_worse(line, strata).is_finite());
        }
    }
}
