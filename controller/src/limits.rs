//! Bounds of the route table that are checked here already, where the field that breaks them is known.

/// The longest period a split may have, in requests: 0.01 % steps.
pub(crate) const PERIOD_MAX: u64 = 10_000;

/// How many versions one rule may have.
pub(crate) const VERSIONS_MAX: usize = 64;
