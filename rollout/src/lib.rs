//! Haldane's judgement of a release: what is planned, what was seen, what follows from it and why, as pure values.
//!
//! This crate never reads a clock, does IO or draws at random: callers pass the time and the counts, and carry out what
//! was decided. It knows neither Kubernetes nor HTTP.
//!
//! [`betting`] holds the two tests, [`Evidence`] the counts they read. `docs/decisions.md` tells how a decision comes about.

pub mod betting;
pub mod decide;
mod decision;
pub mod evidence;
pub mod explain;
pub mod interval;
pub mod judge;
pub mod latency;
mod now;
pub mod number;
pub mod plan;
pub mod report;
mod state;
mod stratum;
mod tally;
mod terms;
mod tolerance;
mod trouble;
pub mod watermark;

pub use decide::decide;
pub use decision::{Action, Decision, Figures, Reason};
pub use evidence::{Arm, Arms, Counts, Evidence, Report, ReportError, Totals};
pub use explain::{Explanation, explain};
pub use interval::RatioInterval;
pub use judge::{Finding, Judgement, Measure, judge};
pub use latency::{Latency, Threshold};
pub use now::Now;
pub use number::NumberError;
pub use plan::{Mode, OnAbort, Plan};
pub use state::{Move, Phase, State};
pub use stratum::{ShareError, Stratum};
pub use tally::Tally;
pub use terms::Terms;
pub use tolerance::{Tolerance, ToleranceError};
pub use trouble::Trouble;
