//! A real Prometheus scrapes the proxy and is asked what tools ask it.
//!
//! Where there is no `prometheus`, the tests say how to get it and pass.

mod flagger;
mod server;
