//! Exact per period, within one always, zero is zero; and which weights are refused.

use crate::{fine_weights, small_weights};
use haldane_routing::schedule::{PERIOD_MAX, VERSIONS_MAX};
use haldane_routing::{Schedule, VersionIndex, WeightsError};
use proptest::prelude::*;

/// Takes the tickets of some periods and looks at the counts after every single one.
#[track_caller]
fn check_counts(weights: &[u64], seed: u64, periods: u64) {
    let schedule = Schedule::new(weights, seed).unwrap();
    let whole: u64 = weights.iter().sum();
    let mut counts = vec![0; weights.len()];
    for n in 1..=periods * schedule.period() {
        let (ticket, version) = schedule.next();
        assert_eq!(ticket.position(), n - 1);
        counts[version.index()] += 1;
        for (&count, &weight) in counts.iter().zip(weights) {
            let error = (count * whole).abs_diff(n * weight);
            assert!(
                error < whole,
                "{count} of {n} went to a version of weight {weight} in {whole}, seed {seed}"
            );
            assert!(
                weight > 0 || count == 0,
                "a version without weight got a ticket"
            );
            assert!(
                n % schedule.period() > 0 || error == 0,
                "a period is not exact, seed {seed}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_version_is_ever_off_by_a_whole_request(weights in small_weights(), seed: u64) {
        check_counts(&weights, seed, 5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn nor_is_it_with_fine_weights(weights in fine_weights(), seed: u64) {
        check_counts(&weights, seed, 2);
    }
}

#[test]
fn usual_and_extreme_weights_hold_too() {
    let many: Vec<u64> = (1..=64).collect();
    for weights in [
        &[1][..],
        &[7_000],
        &[0, 5, 0],
        &[1, 1],
        &[90, 10],
        &[10, 90],
        &[99, 1],
        &[95, 5],
        &[70, 30],
        &[999, 1, 0],
        &[1, 1, 1],
        &[60, 30, 9, 1],
        &[100, 1, 1, 1, 1, 1],
        &[u64::MAX, u64::MAX],
        &many,
    ]
    .map(reduced)
    {
        check_counts(&weights, 11, 3);
    }
}

/// So that the test's own products fit.
fn reduced(weights: &[u64]) -> Vec<u64> {
    let huge = weights.contains(&u64::MAX);
    weights
        .iter()
        .map(|&weight| if huge { weight / u64::MAX } else { weight })
        .collect()
}

#[test]
fn the_period_is_the_sum_of_the_reduced_weights() {
    for (weights, period) in [
        (&[7][..], 1),
        (&[90, 10], 10),
        (&[50, 50], 2),
        (&[0, 30, 20], 5),
        (&[9_999, 1], 10_000),
        (&[u64::MAX, u64::MAX, u64::MAX], 3),
    ] {
        assert_eq!(
            Schedule::new(weights, 0).unwrap().period(),
            period,
            "{weights:?}"
        );
    }
}

#[test]
fn weights_that_nobody_can_follow_are_refused() {
    let too_long = |period| WeightsError::PeriodTooLong {
        period,
        max: PERIOD_MAX,
    };
    let too_many = |count| WeightsError::TooManyVersions {
        count,
        max: VERSIONS_MAX,
    };
    for (weights, error) in [
        (&[][..], WeightsError::NoVersion),
        (&[0], WeightsError::AllZero),
        (&[0, 0, 0], WeightsError::AllZero),
        (&[1; VERSIONS_MAX + 1], too_many(VERSIONS_MAX + 1)),
        (&[10_000, 1], too_long(10_001)),
        (
            &[u64::MAX, u64::MAX - 1],
            too_long(u128::from(u64::MAX) * 2 - 1),
        ),
    ] {
        assert_eq!(Schedule::new(weights, 0).unwrap_err(), error);
    }
}

#[test]
fn a_refusal_says_what_would_be_allowed() {
    let refused = Schedule::new(&[99_999, 1], 0).unwrap_err();
    insta::assert_snapshot!(refused, @"weights repeat only after 100000 requests, at most 10000 are allowed: use rounder weights");
}

#[test]
fn a_version_index_fits_a_split() {
    assert_eq!(
        VersionIndex::new(VERSIONS_MAX - 1).map(VersionIndex::index),
        Some(VERSIONS_MAX - 1)
    );
    assert_eq!(VersionIndex::new(VERSIONS_MAX), None);
}
