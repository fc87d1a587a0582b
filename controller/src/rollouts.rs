//! Rollouts: what is there, what was counted and what time it is, turned into who gets which share.
//!
//! All of it is a function of values. [`crate::live`] looks at the clock and the proxies' counters, writes down what comes
//! out, and only then lets it go live; `haldane-rollout` judges.

pub(crate) mod cleanup;
pub(crate) mod notice;
mod obstacle;
pub(crate) mod reading;
pub(crate) mod saved;
pub(crate) mod seen;
pub(crate) mod turn;

#[cfg(test)]
mod tests;
