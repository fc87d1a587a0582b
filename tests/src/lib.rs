//! What tests of whole processes need: the `haldane` program, manifests, backends, clients. It holds no test itself and
//! is no part of what is released.
//!
//! Every wait is for a condition and has a limit; no port is fixed; a child ends with the value that holds it.

pub mod asking;
pub mod authority;
pub mod backend;
pub mod client;
pub mod cluster;
pub mod epochs;
pub mod frames;
pub mod geoip;
pub mod ledger;
pub mod load;
pub mod manifests;
pub mod metrics;
pub mod plane;
pub mod process;
pub mod program;
pub mod raw;
pub mod recorder;
pub mod scale;
pub mod serve;
pub mod shop;
pub mod tls;
pub mod usage;
pub mod vitals;
pub mod websocket;

use anyhow::Context as _;
use std::time::Duration;

/// The longest wait for anything that should come at once: a busy machine with two cores keeps within it by far.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// Waits for `future`, and says what was waited for if it takes longer than [`WAIT_MAX`].
///
/// # Errors
/// When the time is up.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> anyhow::Result<T> {
    tokio::time::timeout(WAIT_MAX, future)
        .await
        .with_context(|| format!("waited too long for {what}"))
}
