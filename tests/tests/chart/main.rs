//! The Helm chart, rendered: what it must never grant, what must fit together, and every line of it for review.
//!
//! Helm is a program of the test bed. Where it is not built, what needs it says so in one line and passes.

mod golden;
mod helm;
mod monitoring;
mod network;
mod objects;
mod pods;
mod refused;
mod rendered;
mod rights;
mod values;

/// The value files that stand for how the chart is used; each has a golden file of the same name.
const CASES: &[&str] = &["default", "host-ports", "tenants", "large", "bare"];
