//! Chance, in the two forms that traffic needs: how many come, and which of them fail.

use rand::RngExt as _;
use rand::rngs::SmallRng;

/// How many arrive in a second (Poisson), by a table of cumulated probabilities.
pub(super) struct Arrivals {
    mean: f64,
    cumulated: Vec<f64>,
}

/// Above this mean the normal approximation is off by less than a run can show, and the table would grow long.
const TABLE_MEAN_MAX: f64 = 500.0;

impl Arrivals {
    pub(super) fn new(mean: f64) -> Self {
        Self {
            mean,
            cumulated: if mean <= TABLE_MEAN_MAX {
                cumulated(mean)
            } else {
                Vec::new()
            },
        }
    }

    pub(super) fn draw(&self, random: &mut SmallRng) -> u64 {
        if self.cumulated.is_empty() {
            return (self.mean + self.mean.sqrt() * normal(random))
                .round()
                .max(0.0) as u64;
        }
        let uniform: f64 = random.random();
        self.cumulated.partition_point(|below| *below < uniform) as u64
    }
}

/// Up to ten standard deviations above the mean; what is beyond happens to nobody.
fn cumulated(mean: f64) -> Vec<f64> {
    let count = (mean + 10.0 * mean.sqrt() + 10.0).ceil() as usize;
    let mut ln_one = -mean;
    let mut sum = 0.0;
    let mut sums = Vec::with_capacity(count);
    for number in 0..count {
        if number > 0 {
            ln_one += (mean / number as f64).ln();
        }
        sum += ln_one.exp();
        sums.push(sum);
    }
    sums
}

/// Standard normal, by Box and Muller.
fn normal(random: &mut SmallRng) -> f64 {
    let (radius, angle): (f64, f64) = (random.random(), random.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Which requests of one version fail: instead of a draw for each, one for the number until the next failure.
pub(super) struct Failures {
    rate: f64,
    until_next: u64,
}

impl Failures {
    pub(super) fn new(rate: f64, random: &mut SmallRng) -> Self {
        Self {
            rate,
            until_next: geometric(rate, random),
        }
    }

    /// How many of the next requests fail, at a rate that may have changed.
    pub(super) fn draw(&mut self, requests: u64, rate: f64, random: &mut SmallRng) -> u64 {
        if rate != self.rate {
            *self = Self::new(rate, random);
        }
        let (mut left, mut failed) = (requests, 0);
        while self.until_next < left {
            left -= self.until_next + 1;
            failed += 1;
            self.until_next = geometric(rate, random);
        }
        self.until_next -= left;
        failed
    }
}

fn geometric(rate: f64, random: &mut SmallRng) -> u64 {
    let uniform: f64 = random.random();
    // 1 - uniform is above 0; at a rate of 0 the quotient is infinite, which the cast makes the largest number.
    ((1.0 - uniform).ln() / (-rate).ln_1p()).floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    /// Within six standard errors: fails by chance once in hundreds of millions of seeds, and the seed is fixed.
    #[track_caller]
    fn check(what: &str, sum: u64, draws: f64, mean: f64, variance: f64) {
        let off = (sum as f64 / draws - mean).abs();
        assert!(
            off < 6.0 * (variance / draws).sqrt() + 1e-12,
            "{what}: off by {off}"
        );
    }

    #[test]
    fn means_are_met() {
        let mut random = SmallRng::seed_from_u64(1);
        for mean in [0.2, 5.0, 100.0, 2000.0] {
            let arrivals = Arrivals::new(mean);
            let sum = (0..10_000).map(|_| arrivals.draw(&mut random)).sum();
            check("arrivals", sum, 1e4, mean, mean);
        }
        for rate in [0.0, 0.001, 0.03, 0.5, 1.0] {
            let mut failures = Failures::new(rate, &mut random);
            let sum = (0..10_000)
                .map(|_| failures.draw(10, rate, &mut random))
                .sum();
            check("failures", sum, 1e5, rate, rate * (1.0 - rate));
        }
    }
}
