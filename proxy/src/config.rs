//! What a proxy is started with: addresses, trust, limits. Plain values with usable defaults; read once, at start.

use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Everything a proxy is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where HTTP in clear (HTTP/1.1, and HTTP/2 with prior knowledge) is served.
    pub http: Option<SocketAddr>,
    /// Where HTTPS is served (HTTP/2 and HTTP/1.1 by ALPN).
    pub https: Option<SocketAddr>,
    /// Where metrics, probes and explanations are served; loopback unless somebody decides otherwise.
    pub admin: Option<SocketAddr>,
    /// Threads, each with a runtime and listeners of its own; at least 1.
    pub workers: usize,
    /// Peers whose forwarding headers are believed.
    pub trusted: Vec<IpNet>,
    /// Whether upstreams get RFC 7239's `Forwarded` beside the `X-Forwarded-` headers.
    pub writes_forwarded: bool,
    /// Whether every connection starts with a PROXY protocol header (version 1 or 2).
    pub proxy_protocol: bool,
    /// The header that names the client's country, believed from trusted peers only.
    pub country_header: Option<http::HeaderName>,
    /// A GeoIP country database (`.mmdb`).
    pub geoip: Option<PathBuf>,
    /// Where the access log goes.
    pub access_log: AccessLogTarget,
    /// Whether requests are also counted under ingress-nginx's names. Only who scrapes pays for it.
    pub nginx_names: bool,
    /// The key that signs sticky tickets; random for each process where absent.
    pub ticket_key: Option<[u8; 32]>,
    /// Whether endpoints on loopback addresses are reached (never those of the proxy itself).
    pub allow_loopback_endpoints: bool,
    /// The port that redirects to https name; left out of the URL when it is 443. 0 is the one that `https` is bound to.
    pub https_redirect_port: u16,
    /// Bounds on what peers may hold.
    pub limits: Limits,
}

/// Where the access log goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: None,
            https: None,
            admin: None,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            trusted: Vec::new(),
            writes_forwarded: false,
            proxy_protocol: false,
            country_header: None,
            geoip: None,
            access_log: AccessLogTarget::Off,
            nginx_names: true,
            ticket_key: None,
            allow_loopback_endpoints: true,
            https_redirect_port: 443,
            limits: Limits::default(),
        }
    }
}

/// Bounds on what a peer may hold of us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From a connection's start, or a request's first byte, to the end of the request head (and of the TLS handshake).
    pub head: Duration,
    /// How long a connection may stay between two requests.
    pub keep_alive: Duration,
    /// How long a client may take no byte of what we have for it.
    pub send: Duration,
    /// Downstream connections a worker holds; more are closed at once.
    pub connections: usize,
    /// Streams a peer may have open on one HTTP/2 connection.
    pub streams: u32,
    /// Without a byte in either direction on a WebSocket or other tunnel.
    pub tunnel_idle: Duration,
    /// Idle upstream connections that a worker keeps for one endpoint.
    pub idle_per_endpoint: usize,
    /// How long an upstream connection may stay idle.
    pub upstream_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // Long enough for a phone on a bad link, short enough that 2 000 silent peers are gone soon.
            head: Duration::from_secs(10),
            // What browsers expect; nginx has 75 s.
            keep_alive: Duration::from_secs(60),
            // As nginx's `send_timeout` in spirit, half as long.
            send: Duration::from_secs(30),
            // About 300 MiB at 30 KiB each.
            connections: 10_000,
            // RFC 9113, section 6.5.2 recommends no less than 100.
            streams: 100,
            // As long as common load balancers leave a silent WebSocket.
            tunnel_idle: Duration::from_secs(3_600),
            // One for each request that a worker usually has in flight to an endpoint.
            idle_per_endpoint: 256,
            // Shorter than the 60 s after which most servers close: fewer races with their close.
            upstream_idle: Duration::from_secs(30),
        }
    }
}
