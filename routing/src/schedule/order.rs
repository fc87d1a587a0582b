//! Draws the order of one period: a random perfect matching of its slots with the units of its versions.
//!
//! Version i has `w` units in a period of W slots. Unit j may stand only in the slots that the stretch from
//! `j * W / w` to `(j + 1) * W / w` touches, and each of these with a probability: the part of the slot's share
//! that lies in the stretch. Each slot's probabilities sum to one, and so do each unit's. Any
//! matching that respects this is within one request everywhere; drawing it without changing a single
//! probability makes it fair. That drawing is the forest's work; here only the edges are laid out.

use super::forest::Forest;
use super::placement::Placement;
use super::{Share, VersionIndex};
use rand::Rng;

/// A version's current unit, and what part of its probability (in W-ths) later slots must still take.
struct Unit {
    vertex: usize,
    left: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    number: u32,
    vertex: usize,
}

/// A random order of one period of at least two versions; in each, every share is met exactly.
pub(super) fn draw(shares: &[Share], random: &mut impl Rng) -> Vec<VersionIndex> {
    let period = shares.iter().map(|share| share.weight).sum();
    let mut forest = Forest::new(period, random);
    let mut units: Vec<Unit> = shares.iter().map(|_| Unit::begin(&mut forest)).collect();
    for number in 0..period {
        let slot = Slot {
            number,
            vertex: forest.add_vertex(),
        };
        for (share, unit) in shares.iter().zip(&mut units) {
            unit.spread(share, slot, &mut forest);
        }
        forest.complete(slot.vertex);
        forest.contract();
    }
    forest.into_order()
}

impl Unit {
    fn begin(forest: &mut Forest<impl Rng>) -> Self {
        Self {
            vertex: forest.add_vertex(),
            left: forest.whole(),
        }
    }

    /// Joins the slot to the unit, and to the next one where the slot straddles both.
    fn spread(&mut self, share: &Share, slot: Slot, forest: &mut Forest<impl Rng>) {
        let now = share.weight.min(self.left);
        self.join(now, share.version, slot, forest);
        if self.left == 0 {
            forest.complete(self.vertex);
            *self = Self::begin(forest);
            self.join(share.weight - now, share.version, slot, forest);
        }
    }

    fn join(
        &mut self,
        part: u32,
        version: VersionIndex,
        slot: Slot,
        forest: &mut Forest<impl Rng>,
    ) {
        self.left -= part;
        if part > 0 {
            forest.connect(
                slot.vertex,
                self.vertex,
                part,
                Placement::new(slot.number, version),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use std::collections::BTreeSet;

    const DRAWS: u32 = 4_000;

    fn shares(weights: &[u32]) -> Vec<Share> {
        let versions = (0..).map_while(VersionIndex::new);
        versions
            .zip(weights)
            .map(|(version, &weight)| Share { version, weight })
            .collect()
    }

    /// Counts for each slot and version how many of the draws give one to the other.
    fn counts(weights: &[u32]) -> Vec<Vec<u32>> {
        let whole: u32 = weights.iter().sum();
        let mut counts = vec![vec![0; weights.len()]; whole as usize];
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..DRAWS {
            for (counts, version) in counts.iter_mut().zip(draw(&shares(weights), &mut random)) {
                counts[version.index()] += 1;
            }
        }
        counts
    }

    /// No count is farther from its mean than Bernstein's inequality allows a sum of independent draws to be, but
    /// for a probability of e^-20 each: of the few hundred counts here, hardly ever one in a million runs.
    #[test]
    fn each_slot_goes_to_each_version_with_its_share() {
        for weights in [
            &[7, 3][..],
            &[5, 3, 2],
            &[1, 1, 1],
            &[13, 11, 8, 5],
            &[9, 1, 1, 1],
            &[1; 7],
        ] {
            let whole: u32 = weights.iter().sum();
            for (slot, counts) in counts(weights).into_iter().enumerate() {
                for (count, &weight) in counts.into_iter().zip(weights) {
                    let share = f64::from(weight) / f64::from(whole);
                    let mean = f64::from(DRAWS) * share;
                    let stray = 20.0 / 3.0 + (400.0 / 9.0 + 40.0 * mean * (1.0 - share)).sqrt();
                    let error = (f64::from(count) - mean).abs();
                    assert!(
                        error < stray,
                        "{weights:?}, slot {slot}: {count}, expected {mean} within {stray}"
                    );
                }
            }
        }
    }

    /// All orders in which no version is ever off by a whole request.
    fn orders_within_one(weights: &[u32]) -> Vec<Vec<usize>> {
        let whole: u32 = weights.iter().sum();
        let within_one = |order: &Vec<usize>| {
            (0..weights.len()).all(|version| {
                let count = order.iter().filter(|&&other| other == version).count() as u32;
                (count * whole).abs_diff(order.len() as u32 * weights[version]) < whole
            })
        };
        (0..whole).fold(vec![Vec::new()], |orders, _| {
            let longer = |order: Vec<usize>| {
                (0..weights.len()).map(move |version| [&order[..], &[version]].concat())
            };
            orders
                .into_iter()
                .flat_map(longer)
                .filter(within_one)
                .collect()
        })
    }

    /// The order of a period is as open as the promise allows.
    #[test]
    fn every_order_within_one_is_drawn_and_no_other() {
        let mut random = StdRng::seed_from_u64(7);
        for weights in [&[7, 3][..], &[3, 2, 1], &[1, 1, 1], &[5, 2, 1], &[4, 4, 1]] {
            let shares = shares(weights);
            let drawn: BTreeSet<Vec<usize>> = (0..DRAWS)
                .map(|_| {
                    draw(&shares, &mut random)
                        .into_iter()
                        .map(VersionIndex::index)
                        .collect()
                })
                .collect();
            let expected: BTreeSet<_> = orders_within_one(weights).into_iter().collect();
            assert_eq!(drawn, expected, "{weights:?}");
        }
    }
}
