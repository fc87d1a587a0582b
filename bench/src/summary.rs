//! From samples to one line for each case and peer: medians, and ratios taken round by round, so that
//! what slows the whole machine for a while falls out.

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::peer::Kind;
use crate::rounds::Sample;

/// Whose latency and cost everybody's is compared with.
const YARDSTICK: Kind = Kind::Nginx;

/// What one peer needed for one case over all rounds; medians where nothing else is said.
#[derive(Serialize, Deserialize, Default)]
pub(crate) struct Line {
    /// Which case.
    pub(crate) case: String,
    /// Which peer.
    pub(crate) peer: Kind,
    /// Requests that were due in a second, which each start of the peers decides; none in a closed loop.
    pub(crate) rate: Option<f64>,
    /// CPU time of one request in us.
    pub(crate) cpu_us: f64,
    /// The part of it in user mode, in us.
    pub(crate) user_us: f64,
    /// The part of it in the kernel, in us.
    pub(crate) system_us: f64,
    /// CPU time in the yardstick's; none if the yardstick was not measured.
    pub(crate) ratio: Option<Spread>,
    /// CPU time in that of the rival that needs least.
    pub(crate) to_best: Option<Spread>,
    /// CPU time in the same peer's for the case's base.
    pub(crate) to_base: Option<Spread>,
    /// The 99th percentile of latency in the yardstick's.
    pub(crate) p99_ratio: Option<Spread>,
    /// Latency that half of the answers kept to, in us.
    pub(crate) p50_us: f64,
    /// Latency that 99 % of the answers kept to, in us.
    pub(crate) p99_us: f64,
    /// Latency that 99.9 % of the answers kept to, in us.
    pub(crate) p999_us: f64,
    /// Requests answered in a second.
    pub(crate) per_second: f64,
    /// How busy the peer kept its core, 0 to 1.
    pub(crate) busy: f64,
    /// How busy others kept that core in the worst round, 0 to 1.
    pub(crate) noise_max: f64,
    /// Memory in MiB.
    pub(crate) memory_mib: f64,
    /// How many requests each version answered, over all rounds.
    pub(crate) answers: Vec<u64>,
}

/// Where the values of all rounds lie.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Spread {
    /// The least.
    pub(crate) min: f64,
    /// The middle one.
    pub(crate) median: f64,
    /// The greatest.
    pub(crate) max: f64,
}

/// A figure of a sample.
type Figure = fn(&Sample) -> f64;

const CPU: Figure = |sample| sample.cpu_us;
const P99: Figure = |sample| sample.p99_us;

/// One line for each peer of each of `cases`, in that order; those without samples get none. All
/// samples are of closed loops, or all of open ones.
pub(crate) fn summarise(cases: &[&Case], peers: &[Kind], samples: &[Sample]) -> Vec<Line> {
    let of = |case: &str, peer: Kind| -> Vec<&Sample> {
        let own = |sample: &&Sample| sample.case == case && sample.peer == peer;
        samples.iter().filter(own).collect()
    };
    let mut lines = Vec::new();
    for case in cases {
        let yardstick = of(case.name, YARDSTICK);
        let rivals = peers.iter().filter(|peer| peer.is_rival());
        let rivals: Vec<_> = rivals.map(|&peer| of(case.name, peer)).collect();
        let best = best(&rivals);
        for &peer in peers {
            let own = of(case.name, peer);
            let base = case.base.map(|base| of(base, peer)).unwrap_or_default();
            lines.extend(line(&own).map(|line| Line {
                ratio: ratio(&own, &yardstick, CPU),
                to_best: ratio(&own, best, CPU),
                to_base: ratio(&own, &base, CPU),
                p99_ratio: ratio(&own, &yardstick, P99),
                ..line
            }));
        }
    }
    lines
}

/// The samples with the least median cost.
fn best<'s>(rivals: &'s [Vec<&'s Sample>]) -> &'s [&'s Sample] {
    let cost = |samples: &&Vec<&Sample>| median(samples, CPU).unwrap_or(f64::INFINITY);
    let best = rivals
        .iter()
        .min_by(|one, other| cost(one).total_cmp(&cost(other)));
    best.map_or(&[], Vec::as_slice)
}

fn line(own: &[&Sample]) -> Option<Line> {
    let first = own.first()?;
    let median = |figure| median(own, figure);
    Some(Line {
        case: first.case.to_owned(),
        peer: first.peer,
        rate: first
            .rate
            .and(median(|sample| sample.rate.unwrap_or_default())),
        cpu_us: median(CPU)?,
        user_us: median(|sample| sample.user_us)?,
        system_us: median(|sample| sample.system_us)?,
        p50_us: median(|sample| sample.p50_us)?,
        p99_us: median(P99)?,
        p999_us: median(|sample| sample.p999_us)?,
        per_second: median(|sample| sample.per_second)?,
        busy: median(|sample| sample.busy)?,
        noise_max: own.iter().map(|sample| sample.noise).fold(0.0, f64::max),
        memory_mib: median(|sample| sample.memory_mib)?,
        answers: sum_of_answers(own),
        ..Line::default()
    })
}

/// The median of a figure over samples.
pub(crate) fn median(samples: &[&Sample], figure: Figure) -> Option<f64> {
    let values = samples.iter().map(|&sample| figure(sample)).collect();
    Spread::of(values).map(|spread| spread.median)
}

/// A figure of `own` over that of `others` in the same round.
fn ratio(own: &[&Sample], others: &[&Sample], figure: Figure) -> Option<Spread> {
    let other_of = |round| others.iter().find(|sample| sample.round == round);
    let ratios = own
        .iter()
        .filter_map(|sample| other_of(sample.round).map(|other| figure(sample) / figure(other)));
    Spread::of(ratios.collect())
}

fn sum_of_answers(own: &[&Sample]) -> Vec<u64> {
    let versions = own.first().map_or(0, |sample| sample.answers.len());
    (0..versions)
        .map(|version| own.iter().map(|sample| sample.answers[version]).sum())
        .collect()
}

impl Spread {
    /// None of no values. The median of an even number lies halfway between the two in the middle.
    fn of(mut values: Vec<f64>) -> Option<Spread> {
        values.sort_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 => f64::midpoint(values[middle - 1], values[middle]),
            _ => values[middle],
        };
        Some(Spread { min, median, max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::chosen;

    fn sample(case: &'static str, peer: Kind, round: usize, cpu_us: f64) -> Sample {
        Sample {
            case,
            peer,
            round,
            cpu_us,
            answers: vec![9, 1],
            ..Sample::default()
        }
    }

    fn lines(cases: &[&str], peers: &[Kind], samples: &[Sample]) -> Vec<Line> {
        let cases: Vec<String> = cases.iter().map(|&case| case.to_owned()).collect();
        summarise(&chosen(&cases).unwrap(), peers, samples)
    }

    fn same(value: f64) -> Option<Spread> {
        Some(Spread {
            min: value,
            median: value,
            max: value,
        })
    }

    #[track_caller]
    fn check_spread(values: &[f64], expected: Option<(f64, f64, f64)>) {
        let expected = expected.map(|(min, median, max)| Spread { min, median, max });
        assert_eq!(Spread::of(values.to_vec()), expected);
    }

    #[test]
    fn spreads() {
        check_spread(&[], None);
        check_spread(&[3.0], Some((3.0, 3.0, 3.0)));
        check_spread(&[3.0, 1.0, 2.0], Some((1.0, 2.0, 3.0)));
        check_spread(&[4.0, 1.0, 2.0, 3.0], Some((1.0, 2.5, 4.0)));
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine is twice as slow in round 1; the ratio does not see it.
        let samples = [
            sample("small", Kind::Nginx, 0, 10.0),
            sample("small", Kind::Relay, 0, 8.0),
            sample("small", Kind::Relay, 1, 16.0),
            sample("small", Kind::Nginx, 1, 20.0),
        ];
        let lines = lines(&["small"], &[Kind::Relay, Kind::Haproxy], &samples);
        let [relay] = &lines[..] else {
            panic!("one line for the one peer with samples")
        };
        assert_eq!(relay.ratio, same(0.8));
        assert_eq!((relay.cpu_us, &relay.answers[..]), (12.0, &[18, 2][..]));
    }

    #[test]
    fn cases_are_held_against_rivals_and_bases() {
        let samples = [
            sample("small", Kind::Haldane, 0, 12.0),
            sample("small", Kind::Nginx, 0, 10.0),
            sample("small", Kind::Haproxy, 0, 8.0),
            sample("small", Kind::Relay, 0, 4.0),
            sample("table", Kind::Haldane, 0, 15.0),
        ];
        let peers = [Kind::Haldane, Kind::Nginx, Kind::Haproxy, Kind::Relay];
        let lines = lines(&["small", "table"], &peers, &samples);
        // The floor is no rival.
        assert_eq!(lines[0].to_best, same(1.5));
        assert_eq!((lines[4].to_best, lines[4].to_base), (None, same(1.25)));
    }

    #[test]
    fn without_the_yardstick_there_is_no_ratio() {
        let samples = [sample("small", Kind::Relay, 0, 8.0)];
        assert_eq!(lines(&["small"], &[Kind::Relay], &samples)[0].ratio, None);
    }
}
