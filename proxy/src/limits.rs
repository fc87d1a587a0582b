//! Bounds on what a peer may hold of a proxy: plain values with the reasons for their defaults, and what the machine says
//! about them (descriptors, memory). Who keeps to them is elsewhere.

pub(crate) mod addresses;
pub(crate) mod descriptors;
pub(crate) mod memory;

use crate::head::HeadLimits;
use std::time::Duration;

/// Bounds on what a peer may hold of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a connection's start, or a request's first byte, to the end of the request head (and of the TLS handshake).
    pub head: Duration,
    /// How much a request head may hold.
    pub heads: HeadLimits,
    /// How slowly a request's body may come in.
    pub pace: Pace,
    /// How long a connection may stay between two requests.
    pub keep_alive: Duration,
    /// How old a connection gets before it ends with its next answer; each a little less, so that clients that came
    /// together do not come back together.
    pub life: Duration,
    /// How long a client may take less than [`PROGRESS_BYTES`] of what we have for it.
    pub send: Duration,
    /// Downstream connections a worker holds; more are closed at once. `None` is [`CONNECTIONS`], or fewer where the
    /// process may not open as many descriptors.
    pub connections: Option<usize>,
    /// Downstream connections a worker holds for one address, or one /64 of IPv6; trusted peers have no such bound.
    pub connections_per_address: Option<u32>,
    /// What a client may do with one HTTP/2 connection.
    pub http2: Http2Limits,
    /// Without a byte in either direction on a WebSocket or other tunnel.
    pub tunnel_idle: Duration,
    /// Idle upstream connections that a worker keeps for one endpoint.
    pub idle_per_endpoint: usize,
    /// How long an upstream connection may stay idle.
    pub upstream_idle: Duration,
    /// Bytes of memory that the process may have; requests are refused before. `None` is what its control group may have.
    pub memory: Option<u64>,
}

/// Connections of a worker where descriptors allow it: about 300 MiB at 30 KiB each.
pub const CONNECTIONS: usize = 10_000;

/// What a client must take while bytes wait for it: less is no progress, so that it cannot hold an answer for ever by
/// taking a byte now and then.
pub const PROGRESS_BYTES: u64 = 16 * 1024;

/// Bounds on one HTTP/2 connection of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Limits {
    /// Streams it may have open.
    pub streams: u32,
    /// Bytes it may send ahead of us on one stream.
    pub stream_window: u32,
    /// Bytes it may send ahead of us on all streams together; at least what the protocol begins with, 65 535.
    pub connection_window: u32,
    /// Requests it may take back within a second before they are answered, or as many as it may have open if those are
    /// more, for whoever gives all of them up.
    pub abandoned: u32,
    /// Streams that it may make us reset in the connection's life.
    pub resets: usize,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            // RFC 9113, section 6.5.2 recommends no less than 100.
            streams: 100,
            // Envoy's advice for the edge: 10 Mbit/s on a stream from 50 ms away.
            stream_window: 64 * 1024,
            // Half of it is what h2 lets small frames that nobody has read yet cost, 256 bytes each, before it ends the
            // connection: a stream's window full of gRPC's smallest messages, of 5 bytes, must not do so. More than 100
            // streams' windows together cannot be used of it.
            connection_window: 8 * 1024 * 1024,
            // Each has cost an upstream something (Rapid Reset, CVE-2023-44487).
            abandoned: 100,
            // Each is a fault of the client (MadeYouReset, CVE-2025-8671).
            resets: 256,
        }
    }
}

/// How slowly a request's body may come in before its answer begins; calls of gRPC may take their time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long a client may let us wait for its body in all.
    pub grace: Duration,
    /// Bytes for which it may let us wait a second longer; 0 is no bound.
    pub bytes_per_second: u64,
}

impl Pace {
    /// How long a client may have let us wait once so many bytes have come; `None` is as long as it likes.
    pub(crate) fn allows(&self, bytes: u64) -> Option<Duration> {
        let more = bytes.checked_div(self.bytes_per_second)?;
        Some(self.grace.saturating_add(Duration::from_secs(more)))
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Long enough for a phone on a bad link, short enough that 2 000 silent peers are gone soon.
            head: Duration::from_secs(10),
            heads: HeadLimits::default(),
            // A body of 1 KiB/s is slower than any link; what is silent for half a minute is no client.
            pace: Pace {
                grace: Duration::from_secs(30),
                bytes_per_second: 1_024,
            },
            // What browsers expect; nginx has 75 s.
            keep_alive: Duration::from_secs(60),
            // As nginx: long enough to cost nothing, short enough that load spreads over new proxies within the hour.
            life: Duration::from_secs(3_600),
            // As nginx's `send_timeout` in spirit, half as long.
            send: Duration::from_secs(30),
            connections: None,
            // Behind a load balancer that hides addresses, all clients have one.
            connections_per_address: None,
            http2: Http2Limits::default(),
            // As long as common load balancers leave a silent WebSocket.
            tunnel_idle: Duration::from_secs(3_600),
            // One for each request that a worker usually has in flight to an endpoint.
            idle_per_endpoint: 256,
            // Shorter than the 60 s after which most servers close: fewer races with their close.
            upstream_idle: Duration::from_secs(30),
            memory: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_buy_time() {
        let pace = Limits::default().pace;
        let seconds = |bytes| pace.allows(bytes).map(|time| time.as_secs());
        assert_eq!(seconds(0), Some(30));
        assert_eq!(seconds(1_023), Some(30));
        assert_eq!(seconds(10 * 1_024), Some(40));
        let patient = Pace {
            bytes_per_second: 0,
            ..pace
        };
        assert_eq!(patient.allows(0), None);
    }
}
