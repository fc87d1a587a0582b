//! The smaller parts of how a request is passed on: mirrors, sticky users, cookies, time limits, retries.

use super::Resolver;
use crate::fault::{FaultReason, Faults};
use crate::index::BackendIndex;
use crate::parse;
use crate::spec::{AffinitySpec, MirrorSpec, RetrySpec, StickySpec, TimeoutsSpec};
use http::HeaderName;
use std::time::Duration;

/// The most mirrors of one rule: each may copy every request.
const MIRRORS_MAX: usize = 8;

/// All requests, in parts of 10 000.
const MIRROR_WHOLE: u64 = 10_000;

/// The most attempts. More would only keep a client waiting for backends that are all down.
const ATTEMPTS_MAX: u64 = 10;

/// A year: what browsers keep a cookie at most (RFC 6265bis section 5.5 has 400 days).
const COOKIE_AGE_S_MAX: u64 = 400 * 24 * 3600;

/// A copy of some requests to another backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    backend: BackendIndex,
    per_10000: u16,
}

impl Mirror {
    pub(super) fn parse_all(
        specs: &[MirrorSpec],
        resolver: &Resolver<'_>,
        faults: &mut Faults,
    ) -> Option<Box<[Self]>> {
        let mirrors = faults.each("mirrors", specs, MIRRORS_MAX, |spec, faults| {
            let part = u64::from(spec.per_10000);
            let part = faults.check("per_10000", parse::within(part, 0, MIRROR_WHOLE));
            let backend =
                faults.within("backend", |faults| resolver.backend(&spec.backend, faults));
            part.zip(backend).map(|(_, (backend, _))| Self {
                backend,
                per_10000: spec.per_10000,
            })
        });
        mirrors.map(Vec::into_boxed_slice)
    }

    /// Where the copies go.
    #[must_use]
    pub fn backend(&self) -> BackendIndex {
        self.backend
    }

    /// How many requests of 10 000 are copied, at most all.
    #[must_use]
    pub fn per_10000(&self) -> u16 {
        self.per_10000
    }
}

/// How a user is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sticky {
    /// A signed ticket in a cookie of this name.
    Cookie(Box<str>),
    /// The hash of a header's value.
    Header(HeaderName),
}

impl Sticky {
    pub(super) fn parse(spec: &StickySpec, faults: &mut Faults) -> Option<Self> {
        faults.note(match spec {
            StickySpec::Cookie(name) => parse::own_cookie_name(name).map(Self::Cookie),
            StickySpec::Header(name) => parse::header_name(name).map(Self::Header),
        })
    }
}

/// Time limits; every one is between a millisecond and a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For one connection attempt.
    pub connect: Duration,
    /// From the whole request sent to the response head.
    pub response_head: Duration,
    /// Without a byte in either direction once a body moves.
    pub idle: Duration,
    /// From the request head to the end of the response; `None` is no limit.
    pub whole: Option<Duration>,
}

impl Timeouts {
    pub(super) fn parse(spec: &TimeoutsSpec, faults: &mut Faults) -> Option<Self> {
        let connect = faults.check("connect_ms", parse::timeout(spec.connect_ms));
        let head = faults.check("response_head_ms", parse::timeout(spec.response_head_ms));
        let idle = faults.check("idle_ms", parse::timeout(spec.idle_ms));
        let whole = faults.option("whole_ms", spec.whole_ms.as_ref(), |whole, faults| {
            faults.note(parse::timeout(*whole))
        });
        Some(Self {
            connect: connect?,
            response_head: head?,
            idle: idle?,
            whole: whole?,
        })
    }
}

/// The same with every field checked; what is absent stays absent.
pub(super) fn affinity(spec: &AffinitySpec, faults: &mut Faults) -> Option<AffinitySpec> {
    let age = spec.max_age_s.unwrap_or_default();
    let valid = [
        faults.check("cookie", parse::own_cookie_name(&spec.cookie).map(drop)),
        faults.check("path", cookie_path(&spec.path)),
        faults.check(
            "domain",
            spec.domain.as_deref().map_or(Ok(()), cookie_domain),
        ),
        faults.check(
            "same_site",
            spec.same_site.as_deref().map_or(Ok(()), same_site),
        ),
        faults.check(
            "max_age_s",
            parse::within(age, 0, COOKIE_AGE_S_MAX).map(drop),
        ),
    ];
    let path = if spec.path.is_empty() {
        "/"
    } else {
        &spec.path
    };
    valid.iter().all(Option::is_some).then(|| AffinitySpec {
        path: path.to_owned(),
        ..spec.clone()
    })
}

/// RFC 6265 section 4.1.1: anything but control characters and `;`.
fn cookie_path(path: &str) -> Result<(), FaultReason> {
    if path.contains(';') || !(path.is_empty() || path.starts_with('/')) {
        return Err(FaultReason::Path(path.to_owned()));
    }
    parse::header_value(path).map(drop)
}

fn cookie_domain(domain: &str) -> Result<(), FaultReason> {
    parse::host(domain.trim_start_matches('.')).map(drop)
}

fn same_site(written: &str) -> Result<(), FaultReason> {
    match written {
        "Strict" | "Lax" | "None" => Ok(()),
        _ => Err(FaultReason::SameSite(written.to_owned())),
    }
}

pub(super) fn retry(spec: RetrySpec, faults: &mut Faults) -> Option<RetrySpec> {
    let attempts = parse::within(u64::from(spec.attempts_max), 1, ATTEMPTS_MAX);
    let attempts = faults.check("attempts_max", attempts);
    let budget = parse::within(u64::from(spec.budget_percent), 0, 100);
    let budget = faults.check("budget_percent", budget);
    attempts.and(budget).map(|_| spec)
}
