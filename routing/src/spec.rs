//! A route table as it is written: plain data, before anything is checked.
//!
//! Whoever translates configuration (the controller, a test, a file) fills these structs in;
//! [`crate::Table::build`] is the only way from here to a table that serves requests.
//! Nothing here is checked, and nothing here is used on the request path.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// All that a proxy needs to know: rules, backends and certificates of one generation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableSpec {
    /// The rules, in any order: precedence comes from what they match, never from their place here.
    pub rules: Vec<RuleSpec>,
    /// The groups of endpoints that rules name.
    pub backends: Vec<BackendSpec>,
    /// The certificates that listeners choose from by SNI.
    pub certificates: Vec<CertificateSpec>,
}

/// What to do with the requests that one of `matches` describes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSpec {
    /// Unique and stable over updates, such as `shop/web shop.example.com/cart`. A split keeps its position under it.
    pub id: String,
    /// The object it came from: decides ties, labels metrics, is named by `explain`.
    pub origin: OriginSpec,
    /// Alternatives: the rule applies to a request that any of them matches.
    pub matches: Vec<MatchSpec>,
    /// What is done.
    pub action: ActionSpec,
    /// What happens to the request before, and to the response after.
    #[serde(default)]
    pub filters: FiltersSpec,
}

/// Where a rule was written down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginSpec {
    /// The object's namespace.
    pub namespace: String,
    /// The object's name (for a canary: the main Ingress).
    pub name: String,
    /// The Service behind the rule, empty where there is none.
    pub service: String,
    /// When the object was created, in seconds since 1970; older wins a tie.
    pub created: i64,
}

/// Every condition must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MatchSpec {
    /// Which hosts.
    pub host: HostSpec,
    /// Which paths.
    pub path: PathSpec,
    /// Everything else (method, headers, cookies, query, address, country).
    pub conditions: Vec<ConditionSpec>,
}

/// A host pattern. Names are compared without case, port and trailing dot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostSpec {
    /// Every host.
    #[default]
    Any,
    /// This name.
    Exact(String),
    /// One label before the suffix, as Ingress has it: `*.example.com` is written `OneLabel("example.com")`.
    OneLabel(String),
    /// One or more labels before the suffix, as Gateway API has it.
    ManyLabels(String),
}

/// A path pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathSpec {
    /// This path, byte for byte.
    Exact(String),
    /// This path and all below it, element by element: `/a` matches `/a`, `/a/` and `/a/b`, not `/ab`.
    Prefix(String),
    /// A regular expression, anchored at the start of the path.
    Regex {
        /// The expression.
        pattern: String,
        /// Whether case is ignored.
        ignore_case: bool,
    },
}

impl Default for PathSpec {
    fn default() -> Self {
        Self::Prefix("/".to_owned())
    }
}

/// One condition on a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConditionSpec {
    /// A header's value; several lines of one name are joined with `, `.
    Header(String, TestSpec),
    /// A cookie's value.
    Cookie(String, TestSpec),
    /// A query parameter's value, percent-decoded.
    Query(String, TestSpec),
    /// The method is one of these.
    Method(Vec<String>),
    /// The client's address is in one of these networks.
    SourceIp(Vec<IpNet>),
    /// The client's country is one of these (ISO 3166-1 alpha-2).
    Country(Vec<String>),
}

/// What a value is held against.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestSpec {
    /// Equal byte for byte.
    Equals(String),
    /// The regular expression is found somewhere in the value.
    Matches(String),
    /// Equal to one of these.
    In(Vec<String>),
    /// There, with whatever value.
    Present,
    /// Not there.
    Absent,
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionSpec {
    /// Pass the request on to a version.
    Forward(Box<ForwardSpec>),
    /// Answer with a redirect.
    Redirect(RedirectSpec),
    /// Answer with a status and a text of our own.
    Respond {
        /// The status code, 200 to 599.
        status: u16,
        /// The body, as `text/plain`.
        body: String,
    },
}

/// Which version gets a request, and how it is passed on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardSpec {
    /// The versions and their shares. The first is the stable one: sticky users leave and return to it.
    pub versions: Vec<VersionSpec>,
    /// Forced routing, in order: the first that holds decides.
    pub forced: Vec<ForcedSpec>,
    /// How users are kept on a version.
    pub sticky: Option<StickySpec>,
    /// What happens when the chosen version has no endpoint.
    pub on_empty: OnEmpty,
    /// Copies of requests to other versions.
    pub mirrors: Vec<MirrorSpec>,
    /// How an endpoint is chosen inside a version.
    pub balance: BalanceSpec,
    /// A cookie that keeps a client on one endpoint.
    pub affinity: Option<AffinitySpec>,
    /// Time limits.
    pub timeouts: TimeoutsSpec,
    /// Second tries.
    pub retry: RetrySpec,
}

/// A version's name, its share and its endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionSpec {
    /// Such as `1.14` or `canary`; unique inside the rule.
    pub name: String,
    /// Its share is this divided by the sum; 0 is legal for all but one.
    pub weight: u64,
    /// The name of a [`BackendSpec`].
    pub backend: String,
    /// The canary Ingress's upstream as ingress-nginx calls it in metrics, such as `shop-web-canary-80`; empty where
    /// none brought this version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub canary: String,
}

/// Requests that must go to one version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForcedSpec {
    /// The version's name.
    pub version: String,
    /// Alternatives, each a list of conditions that must all hold.
    pub any_of: Vec<Vec<ConditionSpec>>,
}

/// How a user is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StickySpec {
    /// A signed ticket in a cookie of this name.
    Cookie(String),
    /// The hash of a request header's value; requests without it are split.
    Header(String),
}

/// What happens when the chosen version has no endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnEmpty {
    /// The other versions take its share, in proportion.
    #[default]
    Failover,
    /// The request is answered with 503.
    Hold,
}

/// A copy of some requests to a version; its answers are thrown away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorSpec {
    /// The name of a [`BackendSpec`].
    pub backend: String,
    /// How many requests of 10 000 are copied.
    pub per_10000: u16,
}

/// How an endpoint is chosen inside a version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceSpec {
    /// The one with fewer requests in flight of two drawn at random.
    #[default]
    LeastLoaded,
    /// One after the other.
    RoundRobin,
    /// The same one for the same key, moving as few as possible when endpoints change.
    ConsistentHash(Vec<HashKeySpec>),
}

/// A part of the key of [`BalanceSpec::ConsistentHash`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKeySpec {
    /// The client's address.
    SourceIp,
    /// The host.
    Host,
    /// Path and query.
    RequestUri,
    /// The path.
    Path,
    /// A header's value.
    Header(String),
    /// A cookie's value.
    Cookie(String),
    /// A query parameter's value.
    Query(String),
    /// A fixed text.
    Literal(String),
}

/// A cookie that keeps a client on one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AffinitySpec {
    /// The cookie's name.
    pub cookie: String,
    /// Its `Path`; `/` where empty.
    pub path: String,
    /// Its `Domain`.
    pub domain: Option<String>,
    /// Its `SameSite`.
    pub same_site: Option<String>,
    /// Its `Max-Age` in seconds; a session cookie where absent.
    pub max_age_s: Option<u64>,
    /// Whether it is always `Secure`; otherwise only on https.
    pub secure: Option<bool>,
}

/// Time limits of a forwarded request, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutsSpec {
    /// For one connection attempt.
    pub connect_ms: u64,
    /// From the whole request sent to the response head.
    pub response_head_ms: u64,
    /// Without a byte in either direction once a body moves.
    pub idle_ms: u64,
    /// From the request head to the end of the response; `None` is no limit.
    pub whole_ms: Option<u64>,
}

impl Default for TimeoutsSpec {
    /// 1 s to connect (others are tried then), 60 s as ingress-nginx for the rest, no limit on the whole.
    fn default() -> Self {
        Self {
            connect_ms: 1_000,
            response_head_ms: 60_000,
            idle_ms: 60_000,
            whole_ms: None,
        }
    }
}

/// Second tries of what is provably safe to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySpec {
    /// Attempts in all; 1 is no retry.
    pub attempts_max: u8,
    /// Retries may be at most this share of requests, in per cent, over the last seconds.
    pub budget_percent: u8,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self {
            attempts_max: 3,
            budget_percent: 20,
        }
    }
}

/// A redirect. Parts that are not given stay as they were in the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedirectSpec {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// A whole URL; when given, nothing else is used.
    pub url: Option<String>,
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// The host.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The path (the query is kept).
    pub path: Option<String>,
}

/// What happens to a request before it is passed on, and to its response.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FiltersSpec {
    /// The status of the redirect to https of requests that came in clear; `None` is no redirect.
    pub https_redirect: Option<u16>,
    /// Only clients in these networks (all, where empty); others get 403.
    pub allow: Vec<IpNet>,
    /// No clients of these networks; they get 403.
    pub deny: Vec<IpNet>,
    /// Limits per client address.
    pub rate: Option<RateSpec>,
    /// Cross-origin resource sharing.
    pub cors: Option<CorsSpec>,
    /// A user name and password.
    pub basic_auth: Option<BasicAuthSpec>,
    /// Another service decides.
    pub external_auth: Option<ExternalAuthSpec>,
    /// How the path changes.
    pub rewrite: Option<RewriteSpec>,
    /// The Host header that the upstream sees.
    pub upstream_host: Option<String>,
    /// What changes in the request's headers.
    pub request_headers: HeaderEditsSpec,
    /// What changes in the response's headers.
    pub response_headers: HeaderEditsSpec,
    /// The largest request body, in bytes; above it 413. `None` is no limit.
    pub body_bytes_max: Option<u64>,
    /// Whether the whole request body is read before it is passed on (bounded by `body_bytes_max`).
    pub buffer_request: bool,
}

/// Limits per client address; above them 503 (as ingress-nginx has it).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateSpec {
    /// Requests a second.
    pub per_second: Option<u32>,
    /// Requests a minute.
    pub per_minute: Option<u32>,
    /// How many times the rate may come at once.
    pub burst_multiplier: Option<u32>,
    /// Requests in flight at once.
    pub connections: Option<u32>,
    /// Networks that are not limited.
    pub exempt: Vec<IpNet>,
}

/// Cross-origin resource sharing (Fetch standard, section 3.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CorsSpec {
    /// `*`, origins, or origins with one wildcard label such as `https://*.example.com`.
    pub origins: Vec<String>,
    /// The methods allowed.
    pub methods: Vec<String>,
    /// The request headers allowed.
    pub headers: Vec<String>,
    /// The response headers a script may read.
    pub expose: Vec<String>,
    /// Whether cookies and credentials may be sent.
    pub credentials: bool,
    /// How long a preflight answer may be kept, in seconds.
    pub max_age_s: u64,
}

/// HTTP Basic authentication (RFC 7617).
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuthSpec {
    /// What the client is told.
    pub realm: String,
    /// Lines of an htpasswd file: `user:hash`.
    pub users: Vec<String>,
}

impl std::fmt::Debug for BasicAuthSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "BasicAuthSpec({:?}, {} users)",
            self.realm,
            self.users.len()
        )
    }
}

/// A subrequest that decides whether a request may pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExternalAuthSpec {
    /// Where to ask, `http` or `https`.
    pub url: String,
    /// The method asked with; `GET` where absent.
    pub method: Option<String>,
    /// Where a client that is refused with 401 is sent to sign in; `{url}` in it is replaced by the original URL.
    pub sign_in: Option<String>,
    /// Headers of its answer that are copied to the request.
    pub response_headers: Vec<String>,
}

/// How the path changes; the query is kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RewriteSpec {
    /// The whole path becomes this, with `$1` to `$9` from the path's regular expression.
    Path(String),
    /// The matched prefix becomes this.
    Prefix(String),
}

/// Changes to headers, in this order: remove, set, add.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeaderEditsSpec {
    /// Names.
    pub remove: Vec<String>,
    /// Names and values that replace what is there.
    pub set: Vec<(String, String)>,
    /// Names and values that stand beside what is there.
    pub add: Vec<(String, String)>,
}

/// A group of endpoints that serve one version of one Service port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendSpec {
    /// Unique and stable, such as `shop/web:80 1.14`.
    pub name: String,
    /// What its endpoints speak.
    #[serde(default)]
    pub protocol: Protocol,
    /// Where they are.
    #[serde(default)]
    pub endpoints: Vec<EndpointSpec>,
    /// How they are reached by TLS, where the protocol has it.
    #[serde(default)]
    pub tls: UpstreamTlsSpec,
}

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1 in clear.
    #[default]
    Http,
    /// HTTP/1.1 over TLS.
    Https,
    /// HTTP/2 in clear, with prior knowledge (also what `GRPC` means).
    H2c,
    /// HTTP/2 over TLS (also what `GRPCS` means).
    H2,
}

/// One address behind a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSpec {
    /// Where it listens.
    pub address: Address,
    /// Whether it takes new requests.
    #[serde(default)]
    pub state: EndpointState,
}

/// Where an endpoint listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Address {
    /// An address and port.
    Socket(SocketAddr),
    /// A name that is looked up at each connection (ExternalName Services).
    Name(String, u16),
}

/// Whether an endpoint takes new requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// Yes.
    #[default]
    Ready,
    /// Only when no endpoint of the version is ready: it is terminating but still serves (KEP-1669).
    Terminating,
}

/// How endpoints are reached by TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamTlsSpec {
    /// The name asked for (SNI) and verified; the request's host where absent.
    pub server_name: Option<String>,
    /// Whether the certificate is verified, against `ca_pem` or, where that is absent, the system's roots.
    pub verify: bool,
    /// The authorities trusted, as PEM.
    pub ca_pem: Option<String>,
}

/// A certificate and its private key.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSpec {
    /// Such as `shop/web-tls`; named in errors.
    pub name: String,
    /// The hosts it is used for (exact names, or `*.suffix` for one label); where empty, it answers clients that ask for no known name.
    pub hosts: Vec<String>,
    /// The chain, as PEM.
    pub chain_pem: String,
    /// The key, as PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for CertificateSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CertificateSpec({:?} for {:?})", self.name, self.hosts)
    }
}
