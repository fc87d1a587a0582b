//! The route table from outside: what is matched, what is chosen, what is kept, what is refused.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests stand outside test functions"
)]

mod choose;
mod explain;
mod faults;
mod kept;
mod matching;
mod reference;
mod sticky;
mod support;
