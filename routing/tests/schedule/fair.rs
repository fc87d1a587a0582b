//! Fair over the seed, unpredictable from one period to the next.
//!
//! Seeds are fixed, so nothing here fails by chance on a later day. The bounds are such that a fair schedule
//! would have failed them on the first day with a probability below one in a million.

use crate::sequence;
use haldane_routing::{Schedule, Ticket};
use std::collections::HashSet;

/// How far a sum of `n` independent draws of probability `p` strays from `n * p` at most, except with
/// probability 1e-6 over all of `looks`: Bernstein's inequality, solved for the distance.
fn stray(n: f64, p: f64, looks: usize) -> f64 {
    let log = (2.0 * looks as f64 / 1e-6).ln();
    log / 3.0 + (log * log / 9.0 + 2.0 * n * p * (1.0 - p) * log).sqrt()
}

#[track_caller]
fn check_share(what: &str, count: u32, n: u32, p: f64, looks: usize) {
    let (count, n) = (f64::from(count), f64::from(n));
    let stray = stray(n, p, looks);
    assert!(
        (count - n * p).abs() <= stray,
        "{what}: {count} of {n}, expected {} within {stray}",
        n * p
    );
}

/// Draws many schedules and looks at who gets each slot of two periods.
#[track_caller]
fn check_slots(weights: &[u64], seeds: u32) {
    let whole: u64 = weights.iter().sum();
    let slots = 2 * whole;
    let mut counts = vec![vec![0; weights.len()]; slots as usize];
    for seed in 0..seeds {
        let schedule = Schedule::new(weights, seed.into()).unwrap();
        for (count, version) in counts.iter_mut().zip(sequence(&schedule, 0, slots)) {
            count[version] += 1;
        }
    }
    for (slot, counts) in counts.iter().enumerate() {
        for (&count, &weight) in counts.iter().zip(weights) {
            let what = format!("{weights:?}, slot {slot}");
            check_share(
                &what,
                count,
                seeds,
                weight as f64 / whole as f64,
                counts.len() * slots as usize,
            );
        }
    }
}

#[test]
fn each_slot_is_a_fair_draw_over_seeds() {
    for (weights, seeds) in [
        (&[9, 1][..], 4_000),
        (&[1, 1], 4_000),
        (&[7, 3], 250),
        (&[5, 3, 2], 250),
        (&[1, 1, 1], 250),
        (&[8, 0, 5, 3, 1], 150),
    ] {
        check_slots(weights, seeds);
    }
}

/// A client that comes once in each period meets each version, though its slot is always the same one.
#[test]
fn a_client_in_step_with_the_period_is_not_locked_to_a_version() {
    const PERIODS: u32 = 20_000;
    /// A split that needs a table has so many orders: a slot's share is as near as so many draws are.
    const ORDERS: f64 = 256.0;
    for (weights, orders) in [
        (&[9, 1][..], None),
        (&[1, 1], None),
        (&[7, 3], Some(ORDERS)),
    ] {
        let whole: u64 = weights.iter().sum();
        let p = weights[1] as f64 / whole as f64;
        let near = |n| stray(n, p, 24) / n;
        let near = near(PERIODS.into()) + orders.map_or(0.0, near);
        let schedule = Schedule::new(weights, 5).unwrap();
        for slot in 0..whole {
            let tickets = (0..u64::from(PERIODS)).map(|m| Ticket::new(m * whole + slot));
            let canary = tickets.filter(|&ticket| schedule.version_of(ticket).index() == 1);
            let share = canary.count() as f64 / f64::from(PERIODS);
            assert!(
                (share - p).abs() <= near,
                "{weights:?}: the canary has {share} of slot {slot}"
            );
        }
    }
}

/// Two periods are alike no more often than two orders drawn at random, however far apart they are.
#[test]
fn a_period_tells_nothing_about_the_next() {
    const PERIODS: usize = 1_000;
    // Weights, and the chance that two orders are alike: the same of so many, or equal ones of different draws.
    for (weights, alike) in [
        (&[9, 1][..], 1.0 / 10.0),
        (&[99, 1], 1.0 / 100.0),
        (&[97, 3], 1.0 / 40.0),
    ] {
        let schedule = Schedule::new(weights, 3).unwrap();
        let period = schedule.period();
        let sequence = sequence(&schedule, 0, period * PERIODS as u64);
        let periods: Vec<&[usize]> = sequence.chunks(period as usize).collect();
        for lag in 1..=8 {
            let repeats = periods
                .windows(lag + 1)
                .filter(|window| window[0] == window[lag])
                .count();
            let n = PERIODS - lag;
            check_share(
                &format!("{weights:?}, lag {lag}"),
                repeats as u32,
                n as u32,
                alike,
                24,
            );
        }
    }
}

#[test]
fn neither_periods_nor_seeds_repeat_each_other() {
    for weights in [
        &[9, 1][..],
        &[7, 3],
        &[5, 3, 2],
        &[97, 3],
        &[1, 1, 1],
        &[4_999, 3_000, 2_001],
    ] {
        let schedule = Schedule::new(weights, 1).unwrap();
        let period = schedule.period();
        let periods: HashSet<_> = (0..40)
            .map(|m| sequence(&schedule, m * period, (m + 1) * period))
            .collect();
        assert!(
            periods.len() > 3,
            "{weights:?}: {} orders in 40 periods",
            periods.len()
        );
        let other = Schedule::new(weights, 2).unwrap();
        assert_ne!(
            sequence(&schedule, 0, 40 * period),
            sequence(&other, 0, 40 * period),
            "{weights:?}"
        );
    }
}

#[test]
fn the_same_seed_makes_the_same_schedule() {
    let [one, two] = [(); 2].map(|()| Schedule::new(&[60, 30, 9, 1], 8).unwrap());
    assert_eq!(sequence(&one, 0, 1_000), sequence(&two, 0, 1_000));
}
