//! What happens to a request before a version is chosen, and to its response: one module for each filter.
//!
//! Filters decide; the request path carries out. None of them opens a connection, reads a clock or keeps a table: times
//! are passed in, the subrequest of external authentication is sent by a closure, and what must outlive a snapshot
//! (rate limits, verified passwords) is held by the process and lent to them.

pub mod basic_auth;
#[cfg(test)]
mod built;
pub mod cors;
pub mod external_auth;
pub mod location;
pub mod rate;
