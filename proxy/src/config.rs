//! What a proxy is started with: addresses, trust, limits. Plain values with usable defaults; read once, at start.

use crate::limits::Limits;
use ipnet::IpNet;
use std::net::SocketAddr;
use std::path::PathBuf;

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
