//! Haldane's route table as an immutable value: what is matched, how traffic is split, and why.
//!
//! This crate never reads a clock, draws from the system's randomness or does IO: callers pass what they
//! saw of a request, a seed, a key.
//!
//! [`spec`] holds what was written, [`Table::build`] parses it, [`Table::find`] and [`Forward::choose`]
//! answer for one request, [`Table::explain`] says why.

pub mod address;
mod backend;
mod common;
mod condition;
mod explain;
mod fault;
pub mod filters;
mod forward;
mod host;
mod index;
mod parse;
mod path;
mod pattern;
mod precedence;
mod redirect;
mod request;
mod rule;
pub mod schedule;
pub mod spec;
mod table;

pub use backend::Backend;
pub use explain::{Considered, Decision, Explanation, Outcome, Share, Verdict};
pub use fault::{Fault, FaultReason};
pub use filters::Filters;
pub use forward::{
    Balance, By, Choice, Empty, Forward, HashKey, Mirror, Sticky, TicketKey, Timeouts, Version,
};
pub use index::{BackendIndex, RuleIndex};
pub use path::PathMatch;
pub use redirect::Redirect;
pub use request::{Country, CountryError, RequestView};
pub use rule::{Action, Rule};
pub use schedule::{Schedule, Ticket, VersionIndex, WeightsError};
pub use table::{Found, Table};
