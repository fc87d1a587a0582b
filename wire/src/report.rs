//! What a proxy counted, on its way to the controller.
//!
//! Counts are totals since the proxy's process began, so that a report that is lost costs nothing: the next one says it
//! all again.

use crate::proto;
use haldane_routing::By;
use std::iter::Sum;
use std::ops::AddAssign;
use thiserror::Error;

/// The upper bounds (inclusive) of the latency buckets, in microseconds; one more bucket has none.
///
/// They hold every default bound of Prometheus' client libraries (5 ms to 10 s), so that existing panels keep their
/// lines, and go below for backends on the same node and above to the usual limit on a response, 60 s.
pub const LATENCY_BOUNDS_US: [u64; 16] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000, 60_000_000,
];

/// Latency buckets there are.
const BUCKETS: usize = LATENCY_BOUNDS_US.len() + 1;

/// A rule's id and a version's name are made of Kubernetes names and a path; longer ones are no names of ours.
const NAME_BYTES_MAX: usize = 16 << 10;

/// Series in one message: with names of a usual length some 300 KiB.
pub const SERIES_PER_MESSAGE_MAX: usize = 1_000;

/// How a finished request is judged. Every one falls in exactly one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Answered below 400 and to the end.
    Success,
    /// Answered with 4xx.
    ClientError,
    /// The backend itself answered with 5xx.
    ServerError,
    /// The backend gave no whole answer: what we said instead of it, or a body that broke off.
    UpstreamFailed,
    /// The client went away or broke the request off.
    DownstreamFailed,
    /// The proxy refused, or failed.
    InternalFailed,
}

impl Outcome {
    /// Every outcome, in the order of the protocol.
    pub const ALL: [Self; 6] = [
        Self::Success,
        Self::ClientError,
        Self::ServerError,
        Self::UpstreamFailed,
        Self::DownstreamFailed,
        Self::InternalFailed,
    ];
}

/// What a series counts: requests that got one version of one rule for one reason, at one share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId {
    /// The rule's id.
    pub rule: String,
    /// The version's name.
    pub version: String,
    /// What decided.
    pub by: By,
    /// The version's share when the request was assigned: this of `period`.
    pub weight: u64,
    /// The sum of the rule's weights then.
    pub period: u64,
}

/// What was counted under one id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Finished requests, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Finished requests by duration, in the order of [`LATENCY_BOUNDS_US`], and those above.
    pub latency: [u64; BUCKETS],
    /// The sum of the durations, in nanoseconds.
    pub latency_sum_ns: u64,
}

impl Totals {
    /// Finished requests of one outcome.
    #[must_use]
    pub fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// All finished requests.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.outcomes
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// What was counted since `earlier`; a number that is less than it was gives 0.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut grown = *self;
        grown.each_with(earlier, u64::saturating_sub);
        grown
    }

    fn each_with(&mut self, other: &Self, combine: fn(u64, u64) -> u64) {
        let numbers = self.outcomes.iter_mut().chain(&mut self.latency);
        let others = other.outcomes.iter().chain(&other.latency);
        for (number, other) in numbers.zip(others) {
            *number = combine(*number, *other);
        }
        self.latency_sum_ns = combine(self.latency_sum_ns, other.latency_sum_ns);
    }
}

impl AddAssign<&Self> for Totals {
    /// Saturating: a peer that counts nonsense does not panic us.
    fn add_assign(&mut self, other: &Self) {
        self.each_with(other, u64::saturating_add);
    }
}

impl<'a> Sum<&'a Self> for Totals {
    fn sum<I: Iterator<Item = &'a Self>>(totals: I) -> Self {
        totals.fold(Self::default(), |mut sum, totals| {
            sum += totals;
            sum
        })
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Series {
    /// What was counted.
    pub id: SeriesId,
    /// How much, since the process began.
    pub totals: Totals,
}

/// Why a line of a report says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SeriesFault {
    /// A list has another length than we know.
    #[error("{list} has {count} numbers")]
    Count {
        /// Which list.
        list: &'static str,
        /// How long it is.
        count: usize,
    },
    /// It names no reason that we know.
    #[error("nothing decides by {0:?}")]
    By(String),
    /// A name is longer than any of ours.
    #[error("a name has {0} bytes")]
    Name(usize),
}

impl TryFrom<proto::Series> for Series {
    type Error = SeriesFault;

    fn try_from(sent: proto::Series) -> Result<Self, SeriesFault> {
        let bytes = sent.rule.len().max(sent.version.len());
        if bytes > NAME_BYTES_MAX {
            return Err(SeriesFault::Name(bytes));
        }
        Ok(Self {
            totals: Totals {
                outcomes: numbers("outcomes", &sent.outcomes)?,
                latency: numbers("latency", &sent.latency)?,
                latency_sum_ns: sent.latency_sum_ns,
            },
            id: SeriesId {
                by: by(sent.by)?,
                rule: sent.rule,
                version: sent.version,
                weight: sent.weight,
                period: sent.period,
            },
        })
    }
}

fn numbers<const N: usize>(list: &'static str, sent: &[u64]) -> Result<[u64; N], SeriesFault> {
    let count = sent.len();
    sent.try_into()
        .map_err(|_| SeriesFault::Count { list, count })
}

fn by(sent: String) -> Result<By, SeriesFault> {
    [By::Match, By::Sticky, By::Split, By::Failover]
        .into_iter()
        .find(|by| by.as_str() == sent)
        .ok_or(SeriesFault::By(sent))
}

impl From<Series> for proto::Series {
    fn from(series: Series) -> Self {
        Self {
            rule: series.id.rule,
            version: series.id.version,
            by: series.id.by.as_str().to_owned(),
            weight: series.id.weight,
            period: series.id.period,
            outcomes: series.totals.outcomes.to_vec(),
            latency: series.totals.latency.to_vec(),
            latency_sum_ns: series.totals.latency_sum_ns,
        }
    }
}

/// The messages that carry these series: none where there are none.
pub fn counters(series: Vec<Series>) -> impl Iterator<Item = proto::Counters> {
    let mut left = series.into_iter().map(proto::Series::from).peekable();
    std::iter::from_fn(move || {
        left.peek()?;
        let series = left.by_ref().take(SERIES_PER_MESSAGE_MAX).collect();
        Some(proto::Counters { series })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(rule: &str) -> Series {
        let id = SeriesId {
            rule: rule.to_owned(),
            version: "1.14".to_owned(),
            by: By::Split,
            weight: 90,
            period: 100,
        };
        let mut totals = Totals::default();
        totals.outcomes[Outcome::ServerError as usize] = 3;
        totals.latency[16] = 3;
        totals.latency_sum_ns = 200_000_000_000;
        Series { id, totals }
    }

    #[test]
    fn a_series_comes_back_as_it_was_sent() {
        for by in [By::Match, By::Sticky, By::Split, By::Failover] {
            let mut series = series("shop/web");
            series.id.by = by;
            let sent = proto::Series::from(series.clone());
            assert_eq!(Series::try_from(sent), Ok(series));
        }
    }

    #[track_caller]
    fn check_refused(change: impl FnOnce(&mut proto::Series), reason: &str) {
        let mut sent = proto::Series::from(series("shop/web"));
        change(&mut sent);
        let fault = Series::try_from(sent).expect_err("it was broken");
        assert_eq!(fault.to_string(), reason);
    }

    #[test]
    fn what_says_nothing_is_refused() {
        check_refused(|sent| sent.by.push('!'), r#"nothing decides by "split!""#);
        check_refused(|sent| sent.outcomes.push(0), "outcomes has 7 numbers");
        check_refused(|sent| sent.latency.clear(), "latency has 0 numbers");
        check_refused(
            |sent| sent.rule = "r".repeat(16_385),
            "a name has 16385 bytes",
        );
    }

    #[test]
    fn long_reports_go_in_several_messages() {
        let lengths = |count: usize| -> Vec<usize> {
            let series = (0..count).map(|index| series(&index.to_string())).collect();
            counters(series)
                .map(|message| message.series.len())
                .collect()
        };
        assert!(lengths(0).is_empty());
        assert_eq!(lengths(1_000), [1_000]);
        assert_eq!(lengths(2_001), [1_000, 1_000, 1]);
    }

    #[test]
    fn what_grew_is_what_is_added_next() {
        let (earlier, mut later) = (series("r").totals, series("r").totals);
        later.outcomes[0] += 5;
        later.latency_sum_ns += 7;
        let grown = later.since(&earlier);
        assert_eq!((grown.of(Outcome::Success), grown.requests()), (5, 5));
        let mut sum = earlier;
        sum += &grown;
        assert_eq!(sum, later);
        assert_eq!(earlier.since(&later), Totals::default());
        assert_eq!([earlier, grown].iter().sum::<Totals>(), later);
    }

    #[test]
    fn every_outcome_has_its_place() {
        for (place, outcome) in Outcome::ALL.into_iter().enumerate() {
            assert_eq!(outcome as usize, place);
        }
    }
}
