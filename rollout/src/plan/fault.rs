//! What is wrong with a plan: in which annotation, and why.

use super::freeze::FreezeError;
use crate::latency::LatencyError;
use crate::number::NumberError;
use crate::tolerance::ToleranceError;
use std::fmt;

/// One thing that keeps annotations from becoming a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The annotation, without its prefix.
    pub annotation: &'static str,
    /// What is wrong with it.
    pub reason: FaultReason,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "haldane.dev/{}: {}", self.annotation, self.reason)
    }
}

impl std::error::Error for Fault {}

/// Why an annotation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultReason {
    /// Not one of the words there are.
    #[error("{written:?} is none of {known}")]
    Word {
        /// What was written.
        written: String,
        /// What could be.
        known: &'static str,
    },
    /// Not a duration, or not a sensible one.
    #[error("{written:?} is not a duration such as \"2m\" or \"1h 30m\", of at most {max}")]
    Duration {
        /// What was written.
        written: String,
        /// The longest taken.
        max: String,
    },
    /// Not a probability that bounds anything.
    #[error("{0:?} is not a probability above 0 and below 0.5, such as 0.01 or 1%")]
    Probability(String),
    /// Not a whole number, or too large.
    #[error("{written:?} is not a whole number up to {max}")]
    Whole {
        /// What was written.
        written: String,
        /// The largest taken.
        max: u64,
    },
    /// A step is not a percentage.
    #[error(transparent)]
    Number(#[from] NumberError),
    /// A step that is no higher than the one before, or nothing.
    #[error("step {later} does not rise above {earlier}")]
    NotRising {
        /// The step before; 0% before the first.
        earlier: String,
        /// The step.
        later: String,
    },
    /// The ladder ends below everything.
    #[error(
        "the last step is {0}, not 100: with less than all of the traffic a version is never promoted"
    )]
    NoTop(String),
    /// More steps than are taken.
    #[error("{count} are too many, at most {max} are taken")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A tolerance or margin that is none.
    #[error(transparent)]
    Tolerance(#[from] ToleranceError),
    /// A margin that refuses what the tolerance accepts.
    #[error(
        "{margin} is narrower than the tolerance {tolerance}: a canary could be neither worse nor good enough"
    )]
    Narrow {
        /// The margin.
        margin: String,
        /// The tolerance.
        tolerance: String,
    },
    /// A latency that is none.
    #[error(transparent)]
    Latency(#[from] LatencyError),
    /// A freeze that is none.
    #[error(transparent)]
    Freeze(#[from] FreezeError),
    /// An order for no version.
    #[error("is empty: write \"true\" or a version")]
    NoVersion,
}
