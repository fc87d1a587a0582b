//! How much a test does: little by default, more by hand.

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// `count`, times the whole number in `HALDANE_TEST_SCALE` (1 where it is absent).
pub fn scaled(count: u64) -> u64 {
    let factor = std::env::var("HALDANE_TEST_SCALE")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    count.saturating_mul(factor)
}

/// Chance that can be had again: by the seed in `HALDANE_TEST_SEED`, or a new one, which is printed.
pub fn chance() -> SmallRng {
    SmallRng::seed_from_u64(seed())
}

fn seed() -> u64 {
    let given = std::env::var("HALDANE_TEST_SEED").ok();
    let seed = given
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random());
    println!("HALDANE_TEST_SEED={seed}");
    seed
}

/// Chooses some of many cases. A failing test shows the seed that it chose by; `HALDANE_TEST_SEED` chooses so again.
pub struct Sample {
    seed: u64,
}

impl Sample {
    /// By [`chance`]'s seed.
    pub fn new() -> Self {
        Self { seed: seed() }
    }

    /// `count` of `cases`, or all where there are no more.
    pub fn of<T: Clone>(&self, cases: Vec<T>, count: usize) -> Vec<T> {
        let mut chance = SmallRng::seed_from_u64(self.seed);
        cases.sample(&mut chance, count).cloned().collect()
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self::new()
    }
}
