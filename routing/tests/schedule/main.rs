//! What a split promises (`docs/splitting.md`), as properties over weights, seeds and threads.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, in its helpers too"
)]

mod exact;
mod fair;
mod methods;
mod shared;

use haldane_routing::{Schedule, Ticket};
use proptest::prelude::*;

/// The versions of the tickets from `from` to before `to`.
fn sequence(schedule: &Schedule, from: u64, to: u64) -> Vec<usize> {
    (from..to)
        .map(|position| schedule.version_of(Ticket::new(position)).index())
        .collect()
}

/// One to ten weights, some of them zero, whose sum is small.
fn small_weights() -> impl Strategy<Value = Vec<u64>> {
    let weight = prop_oneof![1 => Just(0), 4 => 1..=9u64, 2 => 10..=40u64];
    prop::collection::vec(weight, 1..=10)
        .prop_filter("some weight", |weights| weights.iter().sum::<u64>() > 0)
}

/// Two to ten weights that sum to 10 000, as far apart as they like.
fn fine_weights() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0..=10_000u64, 1..=9).prop_map(|mut cuts| {
        cuts.extend([0, 10_000]);
        cuts.sort_unstable();
        cuts.windows(2).map(|cut| cut[1] - cut[0]).collect()
    })
}
