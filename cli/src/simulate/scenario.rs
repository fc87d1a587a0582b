//! The releases that are compared, and what is asked about each.

use super::traffic::Traffic;

/// Requests a second, from a service that hardly anybody asks to a busy one.
pub(super) const RATES: [f64; 5] = [0.2, 1.0, 5.0, 20.0, 100.0];

/// The share of a canary that is being watched, in percent.
pub(super) const PERCENT: u64 = 5;

/// How long a release may take, in seconds.
pub(super) const SECONDS: u64 = 30 * 60;

/// What a release is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// How many are aborted.
    Aborted,
    /// How many are promoted.
    Promoted,
    /// How many are aborted, and how fast.
    Caught,
}

/// One kind of release.
pub(super) struct Scenario {
    name: &'static str,
    /// What is asked about it.
    pub(super) questions: &'static [Question],
    /// Stable's and the canary's rate.
    errors: [f64; 2],
    trouble: Trouble,
}

/// What else happens.
enum Trouble {
    None,
    Onset(u64),
    Outage,
    CanaryFailsLate,
    StableFailsLate,
    Users { every: bool },
}

use Question::{Aborted, Caught, Promoted};
use Trouble::{CanaryFailsLate, None, Onset, Outage, StableFailsLate, Users};

const HEALTHY: [f64; 2] = [0.005, 0.005];
const WORSE: [f64; 2] = [0.005, 0.03];

/// All of them.
pub(super) const SCENARIOS: &[Scenario] = &[
    scenario("healthy, 0.5 % errors", &[Aborted, Promoted], HEALTHY, None),
    scenario(
        "as bad as the tolerance allows, 0.725 %",
        &[Aborted],
        [0.005, 0.007_25],
        None,
    ),
    scenario(
        "as good as the margin forbids, 1.25 %",
        &[Promoted],
        [0.005, 0.0125],
        None,
    ),
    scenario("3 % errors", &[Promoted, Caught], WORSE, None),
    scenario("10 % errors", &[Caught], [0.005, 0.1], None),
    scenario("total outage", &[Caught], [0.005, 1.0], None),
    scenario(
        "3 % errors from the tenth minute on",
        &[Caught],
        WORSE,
        Onset(600),
    ),
    scenario(
        "healthy, both out for a minute",
        &[Aborted],
        HEALTHY,
        Outage,
    ),
    scenario(
        "3 % errors, both out for a minute",
        &[Promoted, Caught],
        WORSE,
        Outage,
    ),
    scenario(
        "both 3 %, stable's failures take 10 s",
        &[Aborted],
        [0.03, 0.03],
        StableFailsLate,
    ),
    scenario(
        "3 % errors that take 10 s",
        &[Caught],
        WORSE,
        CanaryFailsLate,
    ),
    scenario(
        "healthy, users of 20 requests, the first counts",
        &[Aborted],
        HEALTHY,
        Users { every: false },
    ),
    scenario(
        "the same, every request counts",
        &[Aborted],
        HEALTHY,
        Users { every: true },
    ),
];

const fn scenario(
    name: &'static str,
    questions: &'static [Question],
    errors: [f64; 2],
    trouble: Trouble,
) -> Scenario {
    Scenario {
        name,
        questions,
        errors,
        trouble,
    }
}

impl Scenario {
    /// What it is called where one of its questions is answered.
    pub(super) fn title(&self, question: Question) -> String {
        let asked = match question {
            Promoted => "promoted",
            Aborted | Caught => "aborted",
        };
        format!("{}: {asked}", self.name)
    }

    /// The traffic of it, at so many requests a second.
    pub(super) fn traffic(&self, rps: f64) -> Traffic {
        let [stable_errors, canary_errors] = self.errors;
        let mut traffic = Traffic {
            rps,
            stable_errors,
            canary_errors,
            onset: 0,
            outage: 0..0,
            canary_fails_after: 0,
            stable_fails_after: 0,
            requests_per_user: 1,
            count_every_request: false,
        };
        match self.trouble {
            None => {}
            Onset(second) => traffic.onset = second,
            Outage => traffic.outage = 300..360,
            CanaryFailsLate => traffic.canary_fails_after = 10,
            StableFailsLate => traffic.stable_fails_after = 10,
            Users { every } => {
                traffic.requests_per_user = 20;
                traffic.count_every_request = every;
            }
        }
        traffic
    }
}
