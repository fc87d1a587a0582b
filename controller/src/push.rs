//! Handing tables to proxies: one stream each, over mutual TLS, and what they answer.
//!
//! A [`Publisher`] holds the newest table and what every proxy says of it; [`serve`] lets proxies in. Each stream has one
//! change under way and one place for what comes next, so that a proxy that is slow gets the newest table when it is
//! ready, and nothing grows meanwhile. What the protocol says stands in `docs/push.md`.
//!
//! It knows nothing of Kubernetes, and never sends a table of a term that this process does not lead.

mod connection;
mod ledger;
mod publisher;
mod roster;
mod server;
mod session;
mod tls;

pub(crate) use ledger::Heard;
pub use publisher::{PublishFault, Publisher};
pub use roster::ProxyState;
pub use server::{ServeFault, serve};
pub use tls::{PushTls, PushTlsFault};
