//! The push port as proxies meet it: real sockets, real TLS, and proxies that say what the test wants.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a panic is the report, in its helpers too"
)]

mod authority;
mod fake;
mod following;
mod leading;
mod rotation;
mod scale;
mod tables;
