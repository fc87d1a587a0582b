//! Filters as parsed: what happens to a request before it is passed on, and to its response.
//!
//! Only what can be decided here is: names, values, networks and patterns are valid. Clients are counted, passwords
//! hashed and other services asked elsewhere.

mod auth;
mod cors;
mod headers;
mod rewrite;

pub use auth::ExternalAuth;
pub use cors::Cors;
pub use headers::HeaderEdits;
pub use rewrite::{Piece, Rewrite};

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::path::PathMatch;
use crate::spec::{BasicAuthSpec, FiltersSpec, RateSpec};
use http::uri::Authority;
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;
use std::net::IpAddr;

/// The most networks in one list: they are compared one by one, for each request.
const NETWORKS_MAX: usize = 1_000;

/// The highest rate and the most requests in flight. Nobody limits one client above it, and sums over it stay far from overflow.
const RATE_MAX: u64 = 1_000_000;

/// How many times the rate may come at once, at most.
const BURST_MULTIPLIER_MAX: u64 = 1_000;

/// What happens before and after; the default is nothing.
#[derive(Debug, Default)]
pub struct Filters {
    https_redirect: Option<StatusCode>,
    allow: Box<[IpNet]>,
    deny: Box<[IpNet]>,
    rate: Option<RateSpec>,
    cors: Option<Cors>,
    basic_auth: Option<BasicAuthSpec>,
    external_auth: Option<ExternalAuth>,
    rewrite: Option<Rewrite>,
    upstream_host: Option<HeaderValue>,
    request_headers: HeaderEdits,
    response_headers: HeaderEdits,
    body_bytes_max: Option<u64>,
    buffers_request: bool,
}

impl Filters {
    /// `paths` are those of the rule: a rewrite may only use groups that each of them has.
    pub(crate) fn parse<'a>(
        spec: &FiltersSpec,
        paths: impl Iterator<Item = &'a PathMatch>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let https_redirect = faults.option("https_redirect", spec.https_redirect.as_ref(), status);
        let allow = networks("allow", &spec.allow, faults);
        let deny = networks("deny", &spec.deny, faults);
        let rate = faults.option("rate", spec.rate.as_ref(), rate);
        let cors = faults.option("cors", spec.cors.as_ref(), Cors::parse);
        let basic_auth = faults.option("basic_auth", spec.basic_auth.as_ref(), auth::basic);
        let external = spec.external_auth.as_ref();
        let external_auth = faults.option("external_auth", external, ExternalAuth::parse);
        let rewrite = faults.option("rewrite", spec.rewrite.as_ref(), |spec, faults| {
            Rewrite::parse(spec, paths, faults)
        });
        let upstream_host =
            faults.option("upstream_host", spec.upstream_host.as_deref(), authority);
        let request_headers =
            HeaderEdits::parse_at("request_headers", &spec.request_headers, faults);
        let response_headers =
            HeaderEdits::parse_at("response_headers", &spec.response_headers, faults);
        Some(Self {
            https_redirect: https_redirect?,
            allow: allow?,
            deny: deny?,
            rate: rate?,
            cors: cors?,
            basic_auth: basic_auth?,
            external_auth: external_auth?,
            rewrite: rewrite?,
            upstream_host: upstream_host?,
            request_headers: request_headers?,
            response_headers: response_headers?,
            body_bytes_max: spec.body_bytes_max,
            buffers_request: spec.buffer_request,
        })
    }

    /// The status of the redirect to https of requests that came in clear.
    #[must_use]
    pub fn https_redirect(&self) -> Option<StatusCode> {
        self.https_redirect
    }

    /// Whether a client at this address may come in: in no denied network and, where any are allowed, in one of those.
    #[must_use]
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let within = |networks: &[IpNet]| networks.iter().any(|net| net.contains(&address));
        !within(&self.deny) && (self.allow.is_empty() || within(&self.allow))
    }

    /// The networks that clients must be in; all, where there are none.
    #[must_use]
    pub fn allowed(&self) -> &[IpNet] {
        &self.allow
    }

    /// The networks that clients must not be in.
    #[must_use]
    pub fn denied(&self) -> &[IpNet] {
        &self.deny
    }

    /// Limits per client address.
    #[must_use]
    pub fn rate(&self) -> Option<&RateSpec> {
        self.rate.as_ref()
    }

    /// Cross-origin resource sharing.
    #[must_use]
    pub fn cors(&self) -> Option<&Cors> {
        self.cors.as_ref()
    }

    /// A user name and password. The lines are as written: some may be none, or hold a hash that nobody knows.
    #[must_use]
    pub fn basic_auth(&self) -> Option<&BasicAuthSpec> {
        self.basic_auth.as_ref()
    }

    /// Another service decides.
    #[must_use]
    pub fn external_auth(&self) -> Option<&ExternalAuth> {
        self.external_auth.as_ref()
    }

    /// How the path changes.
    #[must_use]
    pub fn rewrite(&self) -> Option<&Rewrite> {
        self.rewrite.as_ref()
    }

    /// The Host header that the upstream sees: a host, perhaps with a port.
    #[must_use]
    pub fn upstream_host(&self) -> Option<&HeaderValue> {
        self.upstream_host.as_ref()
    }

    /// What changes in the request's headers.
    #[must_use]
    pub fn request_headers(&self) -> &HeaderEdits {
        &self.request_headers
    }

    /// What changes in the response's headers.
    #[must_use]
    pub fn response_headers(&self) -> &HeaderEdits {
        &self.response_headers
    }

    /// The largest request body, in bytes.
    #[must_use]
    pub fn body_bytes_max(&self) -> Option<u64> {
        self.body_bytes_max
    }

    /// Whether the whole request body is read before it is passed on.
    #[must_use]
    pub fn buffers_request(&self) -> bool {
        self.buffers_request
    }
}

fn status(written: &u16, faults: &mut Faults) -> Option<StatusCode> {
    faults.note(parse::redirect_status(*written))
}

fn networks(step: &str, written: &[IpNet], faults: &mut Faults) -> Option<Box<[IpNet]>> {
    let networks = faults.each(step, written, NETWORKS_MAX, |net, _| Some(net.trunc()));
    networks.map(Vec::into_boxed_slice)
}

/// A limit of 0 is no limit.
fn rate(spec: &RateSpec, faults: &mut Faults) -> Option<RateSpec> {
    let limits = [
        ("per_second", spec.per_second, RATE_MAX),
        ("per_minute", spec.per_minute, RATE_MAX),
        ("connections", spec.connections, RATE_MAX),
        (
            "burst_multiplier",
            spec.burst_multiplier,
            BURST_MULTIPLIER_MAX,
        ),
    ];
    let valid = limits.map(|(step, limit, max)| {
        let limit = u64::from(limit.unwrap_or_default());
        faults.check(step, parse::within(limit, 0, max)).is_some()
    });
    let exempt = networks("exempt", &spec.exempt, faults)?;
    valid.iter().all(|valid| *valid).then(|| RateSpec {
        exempt: exempt.into(),
        ..spec.clone()
    })
}

fn authority(written: &str, faults: &mut Faults) -> Option<HeaderValue> {
    let fault = || FaultReason::Host(written.to_owned());
    let authority = parse::text(written).and_then(|text| {
        let authority: Authority = text.parse().map_err(|_| fault())?;
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(fault());
        }
        parse::header_value(text)
    });
    faults.note(authority)
}
