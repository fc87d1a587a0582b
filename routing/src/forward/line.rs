//! The line that sticky users stand on: 2^32 points, cut into one region for each version.
//!
//! Users hold a point, not a version. From left to right stand version 1, then 3, 4 and so on, then the stable version
//! (0), then version 2. As long as at most two versions besides the stable one have weight, raising the share of one
//! moves only users of the stable version to it, and lowering it moves only those back. With more, the regions from
//! version 3 on are pushed along the line when one to their left grows, and some of their users move too.

use crate::schedule::VersionIndex;

/// How many points the line has.
const LENGTH: u128 = 1 << 32;

/// A user's place.
pub(super) type Position = u32;

/// Who owns which part of the line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From left to right; each region starts where the one before it ends. Empty ones are left out.
    regions: Box<[Region]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Region {
    version: VersionIndex,
    /// The first point to the right of it.
    end: u64,
}

impl Line {
    /// At least one weight is above 0, as for a schedule.
    pub(super) fn new(weights: &[u64]) -> Self {
        let sum: u128 = weights.iter().copied().map(u128::from).sum();
        let mut weight_up_to = 0;
        let regions = order(weights.len())
            .filter(|&at| weights[at] > 0)
            .map(|at| {
                weight_up_to += u128::from(weights[at]);
                let end = scaled(weight_up_to, sum);
                let version = VersionIndex::new(at).expect("a schedule has no more versions");
                Region { version, end }
            });
        Self {
            regions: regions.collect(),
        }
    }

    /// Whose the point is.
    pub(super) fn owner(&self, position: Position) -> VersionIndex {
        let at = self
            .regions
            .partition_point(|region| region.end <= u64::from(position));
        self.regions[at].version
    }

    /// A point of this version's region, uniform if `random` is; `None` where it owns nothing.
    pub(super) fn point_of(&self, version: VersionIndex, random: u64) -> Option<Position> {
        let at = self
            .regions
            .iter()
            .position(|region| region.version == version)?;
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.regions[before].end);
        let length = self.regions[at].end - start;
        let offset = (u128::from(random) * u128::from(length)) >> 64;
        Position::try_from(u128::from(start) + offset).ok()
    }
}

/// `LENGTH * part / whole`, rounded down. The product fits: a few dozen weights below 2^64 sum to less than 2^96.
fn scaled(part: u128, whole: u128) -> u64 {
    u64::try_from(part * LENGTH / whole).expect("a part of the line is no longer than the line")
}

/// Versions from left to right.
fn order(count: usize) -> impl Iterator<Item = usize> {
    let at = |at: usize| (at < count).then_some(at);
    let left = at(1).into_iter().chain(3..count.max(3));
    left.chain(at(0)).chain(at(2))
}
