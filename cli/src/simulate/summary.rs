//! What came of many releases.

use super::run::End;
use serde::Serialize;
use std::fmt;

/// The quantile of the normal distribution that leaves half a percent above it: intervals are of 99 %.
const Z: f64 = 2.575_829;

/// Counts, rates and times.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) runs: usize,
    pub(super) promoted: usize,
    pub(super) aborted: usize,
    pub(super) undecided: usize,
    pub(super) promoted_rate: Rate,
    pub(super) aborted_rate: Rate,
    /// From the onset of the fault; null if none was aborted.
    pub(super) seconds_to_abort: Option<Times>,
    /// From the start; null if none was promoted.
    pub(super) seconds_to_promote: Option<Times>,
}

/// A rate, and the interval that holds the true one with 99 % (Wilson's).
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Rate {
    pub(super) rate: f64,
    pub(super) low: f64,
    pub(super) high: f64,
}

/// Of the releases that ended so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Times {
    pub(super) median: u64,
    pub(super) p90: u64,
}

impl Summary {
    pub(super) fn new(ends: Vec<End>, onset: u64) -> Self {
        let runs = ends.len();
        let (mut to_abort, mut to_promote) = (Vec::new(), Vec::new());
        for end in ends {
            match end {
                End::Aborted(at) => to_abort.push(at.saturating_sub(onset)),
                End::Promoted(at) => to_promote.push(at),
                End::Undecided => {}
            }
        }
        Self {
            runs,
            promoted: to_promote.len(),
            aborted: to_abort.len(),
            undecided: runs - to_promote.len() - to_abort.len(),
            promoted_rate: Rate::new(to_promote.len(), runs),
            aborted_rate: Rate::new(to_abort.len(), runs),
            seconds_to_abort: Times::new(to_abort),
            seconds_to_promote: Times::new(to_promote),
        }
    }
}

impl Rate {
    fn new(count: usize, of: usize) -> Self {
        let (n, rate) = (of as f64, count as f64 / of as f64);
        let middle = rate + Z * Z / (2.0 * n);
        let spread = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        Self {
            rate,
            low: if count == 0 {
                0.0
            } else {
                (middle - spread) / scale
            },
            high: if count == of {
                1.0
            } else {
                (middle + spread) / scale
            },
        }
    }
}

impl Times {
    fn new(mut seconds: Vec<u64>) -> Option<Self> {
        seconds.sort_unstable();
        // Nearest rank.
        let quantile = |part: f64| {
            let rank = (part * seconds.len() as f64).ceil() as usize;
            seconds.get(rank.max(1) - 1).copied()
        };
        Some(Self {
            median: quantile(0.5)?,
            p90: quantile(0.9)?,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [rate, low, high] = [self.rate, self.low, self.high].map(|rate| rate * 100.0);
        write!(f, "{rate:.2}% (99% interval {low:.2} to {high:.2}%)")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = |times: Option<Times>| {
            times.map_or(String::new(), |times| {
                format!(
                    ", median after {} s, 90% within {} s",
                    times.median, times.p90
                )
            })
        };
        writeln!(f, "of {} releases", self.runs)?;
        writeln!(
            f,
            "promoted  {:6}  {}{}",
            self.promoted,
            self.promoted_rate,
            after(self.seconds_to_promote)
        )?;
        writeln!(
            f,
            "aborted   {:6}  {}{}",
            self.aborted,
            self.aborted_rate,
            after(self.seconds_to_abort)
        )?;
        writeln!(f, "undecided {:6}", self.undecided)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_of_the_releases_that_ended_so() {
        let ends = (1..=10)
            .map(|at| End::Aborted(10 + at))
            .chain([End::Promoted(7), End::Undecided]);
        let summary = Summary::new(ends.collect(), 10);
        assert_eq!(summary.seconds_to_abort, Some(Times { median: 5, p90: 9 }));
        assert_eq!(
            summary.seconds_to_promote,
            Some(Times { median: 7, p90: 7 })
        );
        assert_eq!(
            (
                summary.runs,
                summary.aborted,
                summary.promoted,
                summary.undecided
            ),
            (12, 10, 1, 1)
        );
        assert_eq!(Summary::new(vec![End::Undecided], 0).seconds_to_abort, None);
    }

    #[test]
    fn intervals_hold_their_rate_and_stay_within_reason() {
        let shown = [(0, 10_000), (50, 10_000), (5, 10), (10, 10)]
            .map(|(count, of)| Rate::new(count, of).to_string());
        assert_eq!(
            shown,
            [
                "0.00% (99% interval 0.00 to 0.07%)",
                "0.50% (99% interval 0.35 to 0.72%)",
                "50.00% (99% interval 18.42 to 81.58%)",
                "100.00% (99% interval 60.11 to 100.00%)"
            ]
        );
    }
}
