//! Haldane's route table as an immutable value: what is matched, how traffic is split, and why.
//!
//! This crate never reads a clock, draws from the system's randomness or does IO: callers pass what they
//! saw of a request, a seed, a key.

pub mod schedule;
pub mod spec;

pub use schedule::{Schedule, Ticket, VersionIndex, WeightsError};
