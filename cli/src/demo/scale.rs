//! How much traffic the acts send, and how fast: enough to see, slow enough to watch.

use std::time::Duration;

/// Requests of the 90/10 act where nobody asks for another number.
const REQUESTS: u64 = 10_000;
const REQUESTS_QUICK: u64 = 2_000;
/// Whole hundreds are whole periods of every split in the demo.
const WHOLE: u64 = 100;
/// Live traffic, in requests a second: two cores have room for it beside the view, in a debug build as well.
const RATE: u32 = 3_000;
const RATE_QUICK: u32 = 6_000;

/// The size of everything that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    quick: bool,
    requests: u64,
}

impl Scale {
    /// `requests` in whole hundreds, at least one.
    pub(crate) fn new(quick: bool, requests: Option<u64>) -> Self {
        let requests = requests.unwrap_or(if quick { REQUESTS_QUICK } else { REQUESTS });
        Self {
            quick,
            requests: (requests / WHOLE).max(1) * WHOLE,
        }
    }

    /// Requests of the 90/10 act over many connections.
    pub(crate) fn requests(self) -> u64 {
        self.requests
    }

    /// A part of it, in whole hundreds, at least one.
    pub(crate) fn part(self, divisor: u64) -> u64 {
        (self.requests / divisor / WHOLE).max(1) * WHOLE
    }

    /// Users of the sticky act: a whole number of tens, so that their first split is exact.
    pub(crate) fn users(self) -> u64 {
        if self.quick { 50 } else { 200 }
    }

    /// How often the colours change.
    pub(crate) fn flips(self) -> u64 {
        if self.quick { 8 } else { 20 }
    }

    /// How long a release stays on each step at least, as an annotation has it.
    pub(crate) fn step_interval(self) -> &'static str {
        if self.quick { "300ms" } else { "1s" }
    }

    /// Answers between two changes under load.
    pub(crate) fn answers_between(self) -> u64 {
        if self.quick { 150 } else { 450 }
    }

    /// Requests a second of live traffic.
    pub(crate) fn rate(self) -> u32 {
        if self.quick { RATE_QUICK } else { RATE }
    }

    /// Requests a second at which so many take about so long; never faster than live traffic when somebody watches.
    pub(crate) fn rate_over(self, requests: u64, time: Duration) -> u32 {
        if self.quick {
            return RATE_QUICK;
        }
        let rate = u128::from(requests) * 1_000 / time.as_millis().max(1);
        u32::try_from(rate).map_or(u32::MAX, |rate| rate.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_in_whole_hundreds() {
        let cases = [
            (None, 10_000),
            (Some(100), 100),
            (Some(199), 100),
            (Some(12_345), 12_300),
            (Some(1), 100),
        ];
        for (asked, expected) in cases {
            assert_eq!(Scale::new(false, asked).requests(), expected, "{asked:?}");
        }
        assert_eq!(Scale::new(false, Some(1_000)).part(3), 300);
        assert_eq!(Scale::new(false, Some(100)).part(3), 100);
    }

    #[test]
    fn traffic_takes_the_time_asked_for() {
        assert_eq!(
            Scale::new(false, None).rate_over(10_000, Duration::from_secs(4)),
            2_500
        );
        assert_eq!(
            Scale::new(false, None).rate_over(1, Duration::from_secs(4)),
            1
        );
    }
}
