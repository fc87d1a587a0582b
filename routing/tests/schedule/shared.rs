//! One schedule for all threads, kept over updates, and touched by nobody who takes no ticket.

use crate::{sequence, small_weights};
use haldane_routing::{Schedule, Ticket, VersionIndex};
use proptest::prelude::*;
use std::sync::{Arc, Barrier};
use std::thread;

/// Every ticket that so many threads take at once, in the order of their positions.
fn take(schedule: &Schedule, threads: usize, each: u64) -> Vec<(u64, usize)> {
    let start = Barrier::new(threads);
    let taking = || {
        start.wait();
        let tickets = (0..each).map(|_| schedule.next());
        tickets
            .map(|(ticket, version)| (ticket.position(), version.index()))
            .collect::<Vec<_>>()
    };
    let mut taken = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(taking)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect::<Vec<_>>()
    });
    taken.sort_unstable();
    taken
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whoever takes them and in whatever order, together they are what one thread would have taken.
    #[test]
    fn threads_share_one_sequence(
        weights in small_weights(),
        seed: u64,
        threads in 1..=8usize,
        each in 1..400u64,
    ) {
        let schedule = Schedule::new(&weights, seed).unwrap();
        let all = each * threads as u64;
        let expected: Vec<_> = (0..all).zip(sequence(&schedule, 0, all)).collect();
        prop_assert_eq!(take(&schedule, threads, each), expected);
        prop_assert_eq!(schedule.position(), all);
    }

    #[test]
    fn threads_that_take_whole_periods_meet_every_share(
        weights in small_weights(),
        seed: u64,
        threads in 1..=8usize,
    ) {
        let schedule = Schedule::new(&weights, seed).unwrap();
        let mut counts = vec![0; weights.len()];
        for (_, version) in take(&schedule, threads, schedule.period()) {
            counts[version] += 1;
        }
        let whole: u64 = weights.iter().sum();
        let expected: Vec<u64> =
            weights.iter().map(|weight| weight * schedule.period() / whole * threads as u64).collect();
        prop_assert_eq!(counts, expected);
    }

    /// Across a change of weights, each schedule adds less than one request to a version's error.
    #[test]
    fn a_change_of_weights_costs_less_than_two_requests(
        // Four versions before and after; the first always has some weight.
        before in prop::array::uniform4(1..=20u64),
        after in prop::array::uniform4(1..=20u64),
        tickets in prop::array::uniform2(0..200u64),
        seed: u64,
    ) {
        let mut counts = [0u64; 4];
        let mut expected = [0.0; 4];
        for (weights, tickets) in [before, after].iter().zip(tickets) {
            let schedule = Schedule::new(weights, seed).unwrap();
            let whole: u64 = weights.iter().sum();
            sequence(&schedule, 0, tickets).into_iter().for_each(|version| counts[version] += 1);
            for (expected, weight) in expected.iter_mut().zip(weights) {
                *expected += (tickets * weight) as f64 / whole as f64;
            }
        }
        for (count, expected) in counts.into_iter().zip(expected) {
            prop_assert!((count as f64 - expected).abs() < 2.0);
        }
    }
}

/// Two route tables that hold the same schedule go on where the other stopped.
#[test]
fn a_schedule_behind_an_arc_keeps_its_position() {
    let weights = [70, 30];
    let twin = Schedule::new(&weights, 4).unwrap();
    let old = Arc::new(Schedule::new(&weights, 4).unwrap());
    let new = Arc::clone(&old);
    let mut versions: Vec<_> = (0..13).map(|_| old.next().1).collect();
    versions.extend((0..13).map(|_| new.next().1));
    versions.extend((0..14).map(|_| old.next().1));
    let indices: Vec<_> = versions.into_iter().map(VersionIndex::index).collect();
    assert_eq!(indices, sequence(&twin, 0, 40));
    assert_eq!(new.position(), 40);
}

#[test]
fn looking_takes_no_ticket() {
    let schedule = Schedule::new(&[70, 30], 4).unwrap();
    let seen = schedule.version_of(Ticket::new(0));
    assert_eq!(schedule.position(), 0);
    assert_eq!(schedule.next(), (Ticket::new(0), seen));
}

#[test]
fn the_farthest_ticket_has_a_version() {
    for weights in [&[1][..], &[9, 1], &[5_001, 4_999]] {
        let schedule = Schedule::new(weights, 0).unwrap();
        assert!(schedule.version_of(Ticket::new(u64::MAX)).index() < weights.len());
    }
}
