//! What must hold whatever bytes come in, as plain functions that panic where it does not.
//!
//! Fuzzers call them with bytes that they make up (`fuzz/`), and a test of this crate with those that are kept there, so
//! that what was found once is tried by everybody. They know the parts that read bytes by their public functions alone.

mod annotations;
mod fields;
mod forwarded;
mod head;
mod lines;
mod path;
mod proxy;
mod shop;
#[path = "../../src/recorder/strict.rs"]
pub mod strict;
mod table;

/// Panics where something does not hold.
pub type Check = fn(&[u8]);

/// Every check, under the name that its fuzz target and its corpus have.
pub const CHECKS: [(&str, Check); 7] = [
    ("annotations", annotations::check),
    ("fields", fields::check),
    ("frames", head::check_http2),
    ("head", head::check_http1),
    ("path", path::check),
    ("proxy", proxy::check),
    ("table", table::check),
];

/// Calls the check of this name.
///
/// # Panics
/// Where something does not hold, or there is no such check.
pub fn check(name: &str, data: &[u8]) {
    let found = CHECKS.iter().find(|(known, _)| *known == name);
    let (_, check) = found.expect("a check has this name");
    check(data);
}
