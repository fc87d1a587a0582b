//! TLS on both sides: certificates by name for clients, trust for upstreams.
//!
//! TLS 1.2 and 1.3 only, no early data (a replayed request is worse than a round trip). A
//! certificate is only ever shown for the names it was configured for, and [`Certificates::allows`]
//! tells whether a request may use a connection that was opened for another name.
//!
//! This module reads PEM and makes configurations; it opens no connection, sets no timer and reads
//! no file but the system's trusted roots.

mod certificates;
mod client;
mod server;

pub use self::certificates::{CertificateFault, CertificateFaultReason, Certificates};
pub use self::client::{Alpn, ClientTls, ClientTlsFault, server_name};
pub use self::server::ServerTls;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use std::sync::{Arc, LazyLock};

/// The protocols spoken over TLS, by their ALPN names (RFC 7301).
const ALPN_H2: &[u8] = b"h2";
const ALPN_HTTP1: &[u8] = b"http/1.1";

/// The one set of algorithms, named here so that no dependency's feature can change it.
fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

#[cfg(test)]
mod tests;
