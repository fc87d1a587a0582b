//! Haldane's judgement of a release: what is planned, what was seen, what follows from it and why, as pure values.
//!
//! This crate never reads a clock, does IO or draws at random: callers pass the time and the counts, and carry out what
//! was decided. It knows neither Kubernetes nor HTTP.
//!
//! [`betting`] holds the two tests, [`Evidence`] the counts they read. `docs/decisions.md` tells how a decision comes about.

pub mod betting;
pub mod evidence;
pub mod interval;
pub mod number;
mod stratum;
mod tally;
mod tolerance;
pub mod watermark;

pub use evidence::{Arm, Arms, Counts, Evidence, Report, ReportError, Totals};
pub use interval::RatioInterval;
pub use number::NumberError;
pub use stratum::{ShareError, Stratum};
pub use tally::Tally;
pub use tolerance::{Tolerance, ToleranceError};
