//! What deterministic methods reach, beside what a schedule does: the worst error over one period of the weights
//! as they are written.

use crate::sequence;
use haldane_routing::Schedule;
use std::cmp::Reverse;

/// An error in parts of one request: the second number is the whole.
type Error = (i64, i64);

/// Runs a method, which is told the counts before each ticket, and returns its worst error.
fn worst(weights: &[i64], mut choose: impl FnMut(&[i64]) -> usize) -> Error {
    let whole: i64 = weights.iter().sum();
    let mut counts = vec![0; weights.len()];
    let mut worst = 0;
    for n in 1..=whole {
        let version = choose(&counts);
        counts[version] += 1;
        let errors = counts
            .iter()
            .zip(weights)
            .map(|(count, weight)| (count * whole - n * weight).abs());
        worst = errors.max().unwrap().max(worst);
    }
    (worst, whole)
}

/// R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32 (1980): of the versions that may not wait
/// (much) longer, the one whose deadline is nearest.
fn tijdeman(weights: &[i64]) -> Error {
    let whole: i64 = weights.iter().sum();
    let q = 2 * weights.len() as i64 - 2;
    worst(weights, |counts| {
        let n = counts.iter().sum::<i64>() + 1;
        let late = |&i: &usize| q * (n * weights[i] - whole * counts[i]) >= whole;
        // Deadlines are fractions over the weight: comparing them means multiplying with the other's weight.
        let deadline = |i: usize| q * (counts[i] + 1) - 1;
        let earlier =
            |&a: &usize, &b: &usize| (deadline(a) * weights[b]).cmp(&(deadline(b) * weights[a]));
        (0..weights.len())
            .filter(late)
            .min_by(earlier)
            .expect("somebody is always late")
    })
}

/// Smooth weighted round robin, as nginx does it: who is owed most.
fn smooth(weights: &[i64]) -> Error {
    let whole: i64 = weights.iter().sum();
    worst(weights, |counts| {
        let n = counts.iter().sum::<i64>() + 1;
        (0..weights.len())
            .max_by_key(|&i| (n * weights[i] - counts[i] * whole, Reverse(i)))
            .unwrap()
    })
}

/// Earliest deadline first, as Envoy and Traefik do it: the k-th request of a version is due at k / weight; of those due
/// together, the one that waited longest.
fn earliest_deadline(weights: &[i64]) -> Error {
    let mut since = vec![-1; weights.len()];
    worst(weights, |counts| {
        let due = |i: usize| counts[i] + 1;
        let earlier = |&a: &usize, &b: &usize| {
            (due(a) * weights[b])
                .cmp(&(due(b) * weights[a]))
                .then(since[a].cmp(&since[b]))
        };
        let version = (0..weights.len()).min_by(earlier).unwrap();
        since[version] = counts.iter().sum();
        version
    })
}

/// A list in which each version stands as often as its weight says, one after the other.
fn expanded_list(weights: &[i64]) -> Error {
    worst(weights, |counts| {
        (0..weights.len())
            .find(|&i| counts[i] < weights[i])
            .unwrap()
    })
}

/// The worst of some schedules.
fn schedules(weights: &[i64]) -> Error {
    let weights_unsigned: Vec<u64> = weights.iter().map(|&weight| weight as u64).collect();
    let errors = (0..10).map(|seed| {
        let schedule = Schedule::new(&weights_unsigned, seed).unwrap();
        let mut versions = sequence(&schedule, 0, weights.iter().sum::<i64>() as u64).into_iter();
        worst(weights, |_| versions.next().unwrap())
    });
    errors.max().unwrap()
}

/// One line of the table: bound, Tijdeman, smooth, earliest deadline, list.
fn line(weights: &[i64]) -> String {
    let names: Vec<_> = weights.iter().map(i64::to_string).collect();
    let q = 2 * weights.len() as i64 - 2;
    let errors = [
        (q - 1, q),
        tijdeman(weights),
        smooth(weights),
        earliest_deadline(weights),
        expanded_list(weights),
    ];
    let decimals = errors.map(|(error, whole)| format!("{:9.3}", error as f64 / whole as f64));
    format!("{:22}{}\n", names.join("/"), decimals.concat())
}

const SPLITS: [&[i64]; 8] = [
    &[50, 50],
    &[90, 10],
    &[70, 30],
    &[99, 1],
    &[1, 1, 1],
    &[60, 30, 10],
    &[60, 30, 9, 1],
    &[20, 3, 3, 3, 3, 3, 3, 3, 3, 3],
];

#[test]
fn the_worst_error_of_deterministic_methods() {
    let table: String = SPLITS.iter().map(|weights| line(weights)).collect();
    let heads = "weights                   bound tijdeman   smooth deadline     list";
    insta::assert_snapshot!(format!("{heads}\n{table}"), @"
    weights                   bound tijdeman   smooth deadline     list
    50/50                     0.500    0.500    0.500    0.500   25.000
    90/10                     0.500    0.500    0.500    0.800    9.000
    70/30                     0.500    0.500    0.500    0.600   21.000
    99/1                      0.500    0.500    0.500    0.980    0.990
    1/1/1                     0.750    0.667    0.667    0.667    0.667
    60/30/10                  0.750    0.600    0.600    0.800   24.000
    60/30/9/1                 0.833    0.800    0.800    1.400   24.000
    20/3/3/3/3/3/3/3/3/3      0.944    0.936    0.894    3.638   11.489
    ");
}

#[test]
fn tijdeman_keeps_his_bound_and_a_schedule_stays_below_one() {
    for weights in SPLITS {
        let q = 2 * weights.len() as i64 - 2;
        let (error, whole) = tijdeman(weights);
        assert!(
            error * q <= whole * (q - 1),
            "{weights:?}: {error} of {whole}"
        );
        let (error, whole) = schedules(weights);
        assert!(error < whole, "{weights:?}: {error} of {whole}");
    }
}
