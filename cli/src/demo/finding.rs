//! What an act found: what was expected, what was counted, and whether that is the same. Pure; it never counts.

use super::counts::{Name, Observed};
use serde::Serialize;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// How many requests it is about.
    pub(crate) sent: u64,
    /// What was to be expected.
    pub(crate) expected: String,
    /// What was counted.
    pub(crate) counted: String,
    /// Whether that is as expected.
    pub(crate) ok: bool,
}

/// What one act found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Found {
    /// The act's name.
    pub(crate) act: &'static str,
    /// The most telling of its results.
    pub(crate) headline: String,
    /// All of them.
    pub(crate) findings: Vec<Finding>,
}

impl Found {
    /// Whether everything is as expected.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.findings.iter().all(|finding| finding.ok)
    }
}

/// A version's count, exactly or within so many requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) version: Name,
    pub(crate) count: u64,
    pub(crate) within: u64,
}

impl Share {
    pub(crate) fn exactly(version: Name, count: u64) -> Self {
        Self {
            version,
            count,
            within: 0,
        }
    }

    fn holds(self, count: u64) -> bool {
        count.abs_diff(self.count) <= self.within
    }
}

/// Each version has its share, and the clients, the pods and the proxy all counted the same.
pub(crate) fn shares(seen: &Observed, expected: [Share; 2]) -> Finding {
    let tolerance = match expected[0].within {
        0 => String::new(),
        within => format!(" ±{within}"),
    };
    let names = expected.map(|share| format!("{} {}", share.version, grouped(share.count)));
    Finding {
        sent: seen.sent,
        expected: format!("{}{tolerance}", names.join(", ")),
        counted: counted(seen, expected.map(|share| share.version)),
        ok: seen.agrees()
            && expected
                .into_iter()
                .all(|share| share.holds(seen.clients.of(share.version))),
    }
}

/// The clients, the pods and the proxy counted the same, whatever it is.
pub(crate) fn alike(seen: &Observed, versions: [Name; 2]) -> Finding {
    Finding {
        sent: seen.sent,
        expected: "the same by all three".to_owned(),
        counted: counted(seen, versions),
        ok: seen.agrees(),
    }
}

/// Something happened so often, and not once more.
pub(crate) fn times(sent: u64, what: &str, expected: u64, counted: u64) -> Finding {
    Finding {
        sent,
        expected: format!("{} {what}", grouped(expected)),
        counted: grouped(counted),
        ok: expected == counted,
    }
}

/// No prefix was a whole request off.
pub(crate) fn within_one(sent: u64, worst: f64) -> Finding {
    Finding {
        sent,
        expected: "never a whole request off".to_owned(),
        counted: format!("{worst:.1} off at most"),
        ok: worst < 1.0,
    }
}

/// One pair of numbers when all three agree, else each for itself.
fn counted(seen: &Observed, versions: [Name; 2]) -> String {
    let pair = |counts: &super::counts::Counts| {
        versions
            .map(|version| grouped(counts.of(version)))
            .join(" / ")
    };
    let (clients, pods, proxy) = (pair(&seen.clients), pair(&seen.pods), pair(&seen.proxy));
    let mut text = if clients == pods && pods == proxy {
        clients
    } else {
        format!("clients {clients}, pods {pods}, proxy {proxy}")
    };
    if seen.failed > 0 {
        text += &format!(", {} failed", grouped(seen.failed));
    }
    text
}

/// A number with a space before each three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::counts::{Charged, Counts};
    use super::*;

    fn seen(counts: [[u64; 2]; 3], failed: u64) -> Observed {
        let of =
            |[stable, canary]: [u64; 2]| Counts::from([("stable", stable), ("canary", canary)]);
        let [clients, pods, proxy] = counts.map(of);
        Observed {
            sent: counts[0].iter().sum::<u64>() + failed,
            failed,
            clients,
            pods,
            proxy,
            charged: Charged::default(),
        }
    }

    #[track_caller]
    fn check(seen: &Observed, within: u64, counted: &str, ok: bool) {
        let stable = Share {
            version: "stable",
            count: 9_000,
            within,
        };
        let found = shares(
            seen,
            [
                stable,
                Share {
                    version: "canary",
                    count: 1_000,
                    within,
                },
            ],
        );
        assert_eq!((found.counted.as_str(), found.ok), (counted, ok));
    }

    #[test]
    fn shares_are_exact_or_within_what_is_said() {
        check(&seen([[9_000, 1_000]; 3], 0), 0, "9 000 / 1 000", true);
        check(&seen([[9_001, 999]; 3], 0), 0, "9 001 / 999", false);
        check(&seen([[9_001, 999]; 3], 0), 1, "9 001 / 999", true);
        check(&seen([[9_002, 998]; 3], 0), 1, "9 002 / 998", false);
    }

    #[test]
    fn a_count_that_one_party_does_not_share_differs() {
        let seen = seen([[9_000, 1_000], [9_000, 1_001], [9_000, 1_000]], 0);
        check(
            &seen,
            1,
            "clients 9 000 / 1 000, pods 9 000 / 1 001, proxy 9 000 / 1 000",
            false,
        );
        assert!(!alike(&seen, ["stable", "canary"]).ok);
    }

    #[test]
    fn a_failed_request_differs_and_is_told() {
        check(
            &seen([[9_000, 1_000]; 3], 2),
            1,
            "9 000 / 1 000, 2 failed",
            false,
        );
    }

    #[test]
    fn a_whole_request_off_is_too_much() {
        assert!(within_one(10, 0.9).ok);
        assert!(!within_one(10, 1.0).ok);
        assert!(times(10, "failed", 0, 0).ok);
        assert!(!times(10, "failed", 0, 1).ok);
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let cases = [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (12_345, "12 345"),
            (1_234_567, "1 234 567"),
        ];
        for (number, expected) in cases {
            assert_eq!(grouped(number), expected);
        }
    }
}
