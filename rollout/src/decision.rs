//! What was decided, and why, in the words that status, events and logs share.

use crate::evidence::{Arms, Totals};
use crate::judge::{Measure, tallies};
use crate::number::percent_seen;
use crate::stratum::Stratum;
use crate::terms::Terms;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Leave everything as it is.
    Hold,
    /// Put the canary on this step of the ladder, counted from 0, which is this share.
    Advance {
        /// The step.
        to: usize,
        /// Its share.
        share: Stratum,
    },
    /// The canary is the stable version now.
    Promote,
    /// No request to the canary any more.
    Abort,
}

/// An action and every reason for it: for holding, all that stands in the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// What to do.
    pub action: Action,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// A person asked for it.
    ByHand,
    /// After a promotion, a person wants the old version back.
    RolledBack,
    /// The evidence that the canary is worse is strong enough.
    Worse {
        /// The logarithm of the evidence.
        ln_e: f64,
        /// What it needed to be.
        needed: f64,
        /// Whether only all measures together are to blame, and none by itself.
        together: bool,
        /// What is to blame, or looks worst.
        figures: Vec<Figures>,
    },
    /// Nothing forbids the first request.
    Begins,
    /// The step has had its time and its requests, and nothing speaks against the canary.
    StepDone,
    /// The warm-up is over; outcomes count from here.
    WarmedUp,
    /// The canary is better than the margin.
    Proven {
        /// The logarithm of the evidence.
        ln_e: f64,
        /// What it needed to be.
        needed: f64,
    },
    /// The soak with everything is over.
    Soaked,
    /// The rollout is over: the canary is the stable version.
    IsStable,
    /// The rollout is over: the canary was aborted.
    WasAborted,
    /// A person holds it.
    Paused,
    /// A person moves the weight.
    Manual,
    /// Nothing goes up now.
    Frozen(String),
    /// What must agree before a step has not.
    Gated(String),
    /// Outcomes do not count yet.
    WarmingUp {
        /// For how long.
        left: Duration,
    },
    /// The step has not had its time.
    Soaking {
        /// What is left of it.
        left: Duration,
    },
    /// No proxy has reported.
    NoReports,
    /// No proxy has reported for some time.
    Stale {
        /// How old the newest report is.
        age: Duration,
    },
    /// Too few requests of the canary on this step.
    TooFewRequests {
        /// How many there were.
        seen: u64,
        /// How many there must be.
        needed: u64,
    },
    /// The canary's share of the outcomes is not its share of the requests: some are missing.
    ShareOff {
        /// Outcomes of the canary on this step.
        seen: u64,
        /// How many there should be of so many outcomes.
        expected: u64,
    },
    /// Half way to an abort.
    Leaning {
        /// The logarithm of the evidence that the canary is worse.
        ln_e: f64,
        /// What aborts.
        needed: f64,
        /// What looks worst.
        worst: String,
    },
    /// Before everything goes to the canary, it must be shown to be good enough.
    NotProven {
        /// The logarithm of the evidence that it is.
        ln_e: f64,
        /// What it must be.
        needed: f64,
    },
    /// It has taken longer than the plan allows; a person decides.
    TooLong {
        /// How long the plan allows.
        limit: Duration,
    },
}

/// One measure of the two versions side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// What is measured: `errors`, `p99<300ms`.
    pub measure: String,
    /// The canary's requests.
    pub canary_requests: u64,
    /// Its bad or slow ones.
    pub canary_bad: u64,
    /// Stable's requests.
    pub stable_requests: u64,
    /// Its bad or slow ones.
    pub stable_bad: u64,
}

impl Figures {
    /// The figures of a measure, over all strata.
    pub fn new(terms: &Terms, totals: &Totals, measure: Measure) -> Self {
        let bad = tallies(totals, measure).fold([0, 0], |[canary, stable], (_, tally)| {
            [canary + tally.canary_bad, stable + tally.stable_bad]
        });
        let requests = |of: fn(&Arms) -> u64| totals.values().map(of).sum();
        Self {
            measure: terms.name(measure),
            canary_requests: requests(|arms| arms.canary.requests),
            canary_bad: bad[0],
            stable_requests: requests(|arms| arms.stable.requests),
            stable_bad: bad[1],
        }
    }
}

/// `errors: canary 12 of 400 (3%), stable 40 of 7600 (0.53%)`.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let canary = part(self.canary_bad, self.canary_requests);
        let stable = part(self.stable_bad, self.stable_requests);
        write!(f, "{}: canary {canary}, stable {stable}", self.measure)
    }
}

impl Decision {
    /// To leave everything as it is, because what must agree before a step has not.
    pub fn gated(why: String) -> Self {
        Self::new(Action::Hold, vec![Reason::Gated(why)])
    }

    pub(crate) fn new(action: Action, reasons: Vec<Reason>) -> Self {
        Self { action, reasons }
    }

    /// All reasons in one line.
    pub fn why(&self) -> String {
        let reasons: Vec<_> = self.reasons.iter().map(ToString::to_string).collect();
        reasons.join("; ")
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hold => f.write_str("hold"),
            Self::Advance { share, .. } => write!(f, "advance to {share}"),
            Self::Promote => f.write_str("promote"),
            Self::Abort => f.write_str("abort"),
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.why())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByHand => f.write_str("a person asked for it"),
            Self::RolledBack => f.write_str("a person wants the version before"),
            Self::Worse {
                ln_e,
                needed,
                together,
                figures,
            } => {
                let figures: Vec<_> = figures.iter().map(ToString::to_string).collect();
                let all = if *together {
                    "all measures together, most of all "
                } else {
                    ""
                };
                write!(
                    f,
                    "the canary is worse: {all}{}; evidence {}",
                    figures.join(", "),
                    strength(*ln_e, *needed)
                )
            }
            Self::Begins => f.write_str("nothing forbids the first request"),
            Self::StepDone => f.write_str(
                "the step had its time and requests, and nothing speaks against the canary",
            ),
            Self::WarmedUp => f.write_str("warmed up, outcomes count from here"),
            Self::Proven { .. } => f.write_str("the canary is shown to be better than the margin"),
            Self::Soaked => f.write_str("held all traffic for its time"),
            Self::IsStable => f.write_str("the canary is the stable version"),
            Self::WasAborted => {
                f.write_str("aborted: stays so until the version changes or a person says retry")
            }
            Self::Paused => f.write_str("paused by a person"),
            Self::Manual => f.write_str("a person moves the weight"),
            Self::Frozen(freeze) => write!(f, "nothing goes up during {freeze}"),
            Self::Gated(why) => f.write_str(why),
            Self::WarmingUp { left } => write!(f, "warming up for another {}", whole(*left)),
            Self::Soaking { left } => write!(f, "another {} on this step", whole(*left)),
            Self::NoReports => f.write_str("no proxy has reported"),
            Self::Stale { age } => write!(f, "no proxy has reported for {}", whole(*age)),
            Self::TooFewRequests { seen, needed } => {
                write!(f, "{seen} of {needed} canary requests on this step")
            }
            Self::ShareOff { seen, expected } => {
                write!(
                    f,
                    "{seen} outcomes of the canary where about {expected} should be: some are missing"
                )
            }
            Self::Leaning {
                ln_e,
                needed,
                worst,
            } => {
                write!(
                    f,
                    "{worst} may be worse: evidence {}",
                    strength(*ln_e, *needed)
                )
            }
            Self::NotProven { ln_e, needed } => {
                write!(
                    f,
                    "not yet shown to be good enough: evidence {}",
                    strength(*ln_e, *needed)
                )
            }
            Self::TooLong { limit } => write!(
                f,
                "no end within {}: a person decides",
                humantime::format_duration(*limit)
            ),
        }
    }
}

/// Evidence of evidence needed, as the factors that people know: `E = 12 of 100`.
pub(crate) fn strength(ln_e: f64, needed: f64) -> String {
    format!("E = {} of {}", factor(ln_e), factor(needed))
}

fn factor(ln: f64) -> String {
    let value = ln.exp();
    match value {
        _ if value >= 1e6 => format!("{value:.1e}"),
        _ if value >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// In whole seconds, rounded up: nobody waits for milliseconds.
fn whole(duration: Duration) -> humantime::FormattedDuration {
    let up = u64::from(duration.subsec_nanos() > 0);
    humantime::format_duration(Duration::from_secs(duration.as_secs().saturating_add(up)))
}

/// `12 of 400 (3%)`.
fn part(bad: u64, requests: u64) -> String {
    match requests {
        0 => "no request".to_owned(),
        _ => format!(
            "{bad} of {requests} ({})",
            percent_seen(bad as f64 / requests as f64)
        ),
    }
}
