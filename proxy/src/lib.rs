//! Haldane's data plane: listeners, the request path, and the connections to backends.

pub mod access_log;
pub mod admin;
pub mod country;
pub mod filters;
pub mod forwarded;
pub mod head;
pub mod metrics;
pub mod proxy_protocol;
pub mod tls;
pub mod upstream;
