//! Placeholder while the workspace is laid out.

pub mod filters;
pub mod head;
pub mod metrics;
