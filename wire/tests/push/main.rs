//! From one side of the push to the other, without a network between them.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, in its helpers too"
)]

mod changes;
mod handshake;
mod refused;
mod tables;
