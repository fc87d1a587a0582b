//! From samples to one line for each peer: medians, and ratios to the yardstick taken round by
//! round, so that what slows the whole machine for a while falls out.

use serde::Serialize;

use crate::peer::Kind;
use crate::rounds::Sample;

/// What everybody is compared with.
pub(crate) const YARDSTICK: Kind = Kind::Nginx;

/// What one peer needed over all rounds; medians where nothing else is said.
#[derive(Serialize)]
pub(crate) struct Line {
    /// Which peer.
    pub(crate) peer: Kind,
    /// CPU time of one request in us.
    pub(crate) cpu_us: f64,
    /// The part of it in user mode, in us.
    pub(crate) user_us: f64,
    /// The part of it in the kernel, in us.
    pub(crate) system_us: f64,
    /// CPU time in yardsticks; none if the yardstick was not measured.
    pub(crate) ratio: Option<Spread>,
    /// Latency that half of the answers kept to, in us.
    pub(crate) p50_us: f64,
    /// Latency that 99 % of the answers kept to, in us.
    pub(crate) p99_us: f64,
    /// Requests answered in a second.
    pub(crate) per_second: f64,
    /// How busy the peer kept its core, 0 to 1.
    pub(crate) busy: f64,
    /// How busy others kept that core in the worst round, 0 to 1.
    pub(crate) noise_max: f64,
    /// How many requests each version answered, over all rounds.
    pub(crate) answers: Vec<u64>,
}

/// Where the values of all rounds lie.
#[derive(Serialize, PartialEq, Debug)]
pub(crate) struct Spread {
    /// The least.
    pub(crate) min: f64,
    /// The middle one.
    pub(crate) median: f64,
    /// The greatest.
    pub(crate) max: f64,
}

/// One line for each of `peers`, in that order; peers without samples get none.
pub(crate) fn summarise(peers: &[Kind], samples: &[Sample]) -> Vec<Line> {
    peers
        .iter()
        .filter_map(|&peer| {
            let own: Vec<&Sample> = samples
                .iter()
                .filter(|sample| sample.peer == peer)
                .collect();
            line(peer, &own, samples)
        })
        .collect()
}

fn line(peer: Kind, own: &[&Sample], all: &[Sample]) -> Option<Line> {
    let median = |value: fn(&Sample) -> f64| {
        let values = own.iter().map(|&sample| value(sample)).collect();
        Spread::of(values).map(|spread| spread.median)
    };
    Some(Line {
        peer,
        cpu_us: median(|sample| sample.cpu_us)?,
        user_us: median(|sample| sample.user_us)?,
        system_us: median(|sample| sample.system_us)?,
        ratio: ratio(own, all),
        p50_us: median(|sample| sample.p50_us)?,
        p99_us: median(|sample| sample.p99_us)?,
        per_second: median(|sample| sample.per_second)?,
        busy: median(|sample| sample.busy)?,
        noise_max: own.iter().map(|sample| sample.noise).fold(0.0, f64::max),
        answers: sum_of_answers(own),
    })
}

/// The peer's CPU time over the yardstick's of the same round.
fn ratio(own: &[&Sample], all: &[Sample]) -> Option<Spread> {
    let yardstick_of = |round| {
        all.iter()
            .find(|sample| sample.peer == YARDSTICK && sample.round == round)
    };
    let ratios = own.iter().filter_map(|sample| {
        yardstick_of(sample.round).map(|yardstick| sample.cpu_us / yardstick.cpu_us)
    });
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

    fn sample(peer: Kind, round: usize, cpu_us: f64) -> Sample {
        Sample {
            peer,
            round,
            cpu_us,
            user_us: 0.0,
            system_us: 0.0,
            per_second: 0.0,
            p50_us: 0.0,
            p99_us: 0.0,
            busy: 0.0,
            noise: 0.0,
            answers: vec![9, 1],
        }
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
            sample(Kind::Nginx, 0, 10.0),
            sample(Kind::Relay, 0, 8.0),
            sample(Kind::Relay, 1, 16.0),
            sample(Kind::Nginx, 1, 20.0),
        ];
        let lines = summarise(&[Kind::Relay, Kind::Haproxy], &samples);
        let [relay] = &lines[..] else {
            panic!("one line for the one peer with samples")
        };
        assert_eq!(
            relay.ratio,
            Some(Spread {
                min: 0.8,
                median: 0.8,
                max: 0.8
            })
        );
        assert_eq!((relay.cpu_us, &relay.answers[..]), (12.0, &[18, 2][..]));
    }

    #[test]
    fn without_the_yardstick_there_is_no_ratio() {
        let lines = summarise(&[Kind::Relay], &[sample(Kind::Relay, 0, 8.0)]);
        assert_eq!(lines[0].ratio, None);
    }
}
