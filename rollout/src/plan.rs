//! What an SRE asked for: the annotations of a rollout, parsed.
//!
//! A plan that exists is sound. Every fault is reported at once, each with the annotation it stands in. Nothing here knows
//! what was seen or what time it is.

mod fault;
mod freeze;
mod order;
mod read;

pub use fault::{Fault, FaultReason};
pub use freeze::{Freeze, FreezeError};
pub use order::{Hand, ORDERS, Order};
pub use read::{ANNOTATIONS, STEPS_MAX};

use crate::latency::Latency;
use crate::stratum::Stratum;
use crate::tolerance::Tolerance;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who moves the weight up. A canary that the evidence finds worse is aborted either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Haldane, step by step.
    Auto,
    /// A person, by `promote`.
    Manual,
}

/// What becomes of an aborted canary, beyond getting no more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnAbort {
    /// Its pods stay, to be looked at.
    Hold,
    /// Its pods go.
    ScaleDown,
    /// Its Deployment returns to the revision before.
    Undo,
}

/// A rollout as asked for.
///
/// What the error bounds hang on (steps, tolerance, margin, alpha, beta, latency) is copied into [`crate::Terms`] when a
/// rollout begins and does not change under it; the rest takes effect at once.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Who moves the weight.
    pub mode: Mode,
    /// The ladder: rising shares, the last of which is everything.
    pub steps: Vec<Stratum>,
    /// The least time on a step.
    pub step_interval: Duration,
    /// What is not worse.
    pub tolerance: Tolerance,
    /// What is too bad to promote; no narrower than the tolerance.
    pub margin: Tolerance,
    /// What is too slow.
    pub latency: Latency,
    /// The probability, at most, with which a canary within the tolerance is ever aborted.
    pub alpha: f64,
    /// The probability, at most, with which a canary beyond the margin is ever promoted.
    pub beta: f64,
    /// Requests of the canary to be seen on each step.
    pub min_requests: u64,
    /// After this time without an end, a person decides.
    pub max_duration: Option<Duration>,
    /// How long outcomes are left out at first, on both sides.
    pub warm_up: Duration,
    /// How long the old version can be brought back after a promotion.
    pub rollback_window: Duration,
    /// When nothing goes up.
    pub freezes: Vec<Freeze>,
    /// What becomes of an aborted canary.
    pub on_abort: OnAbort,
    /// What a person asks for now.
    pub hand: Hand,
}

impl Plan {
    /// Reads annotations, given without their prefix; those of other subjects are passed over. `None` if there is no
    /// `rollout` among them.
    ///
    /// # Errors
    ///
    /// Every fault of every annotation.
    pub fn read<'a>(
        annotations: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Option<Self>, Vec<Fault>> {
        read::plan(&annotations.into_iter().collect())
    }

    /// The freeze that `now` falls into, if any.
    pub fn frozen(&self, now: Timestamp) -> Option<&Freeze> {
        self.freezes.iter().find(|freeze| freeze.contains(now))
    }
}

/// What an empty `rollout: auto` means.
impl Default for Plan {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            steps: read::default_steps(),
            step_interval: Duration::from_secs(120),
            tolerance: Tolerance::DEFAULT,
            margin: Tolerance::DEFAULT_MARGIN,
            latency: Latency::Ignored,
            alpha: 0.01,
            beta: 0.05,
            // Enough to see a canary that fails one request in ten before its share grows.
            min_requests: 50,
            max_duration: None,
            warm_up: Duration::ZERO,
            rollback_window: Duration::from_secs(3600),
            freezes: Vec::new(),
            on_abort: OnAbort::Hold,
            hand: Hand::default(),
        }
    }
}

#[cfg(test)]
mod tests;
