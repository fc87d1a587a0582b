//! Cross-origin resource sharing (Fetch standard, section 3.3): answers preflights, marks responses.
//!
//! What a rule allows is all that is said here. Where it does not allow an origin, nothing is added, and what the
//! upstream itself allows passes.

use haldane_routing::filters::Cors;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

const ANY: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("Origin");

/// What the response says of the request's origin. Taken from the request, which is gone by the time of the response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// `*`, or the origin where the rule allows it.
    allowed: Option<HeaderValue>,
}

impl Mark {
    /// Looks at the request's origin. Of two nobody knows which is meant, so none is allowed.
    pub fn new(cors: &Cors, request: &HeaderMap) -> Self {
        if cors.allows_any() {
            return Self { allowed: Some(ANY) };
        }
        let origin = only(request, &ORIGIN);
        let allowed =
            origin.filter(|origin| origin.to_str().is_ok_and(|origin| cors.allows(origin)));
        Self {
            allowed: allowed.cloned(),
        }
    }

    /// Writes what scripts may do with the response. Where the answer hangs on the origin, caches are told so also when
    /// it is no.
    pub fn apply(&self, cors: &Cors, response: &mut HeaderMap) {
        if self.allowed != Some(ANY) {
            vary_by_origin(response);
        }
        let Some(origin) = &self.allowed else {
            return;
        };
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        if cors.credentials() {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        put(response, ACCESS_CONTROL_EXPOSE_HEADERS, cors.expose());
    }
}

/// The headers of the 204 that answers a preflight; `None` if the request is none. An origin that is not allowed gets an
/// answer without permission, never the upstream's: a preflight carries no credentials and would pass no other filter.
pub fn preflight(cors: &Cors, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
    if *method != Method::OPTIONS || !request.contains_key(ORIGIN) {
        return None;
    }
    request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
    let mark = Mark::new(cors, request);
    let mut response = HeaderMap::new();
    mark.apply(cors, &mut response);
    if mark.allowed.is_some() {
        response.remove(ACCESS_CONTROL_EXPOSE_HEADERS);
        put(&mut response, ACCESS_CONTROL_ALLOW_METHODS, cors.methods());
        put(&mut response, ACCESS_CONTROL_ALLOW_HEADERS, cors.headers());
        put(&mut response, ACCESS_CONTROL_MAX_AGE, Some(cors.max_age()));
    }
    Some(response)
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: Option<&HeaderValue>) {
    if let Some(value) = value {
        headers.insert(name, value.clone());
    }
}

fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut lines = headers.get_all(name).iter();
    lines.next().filter(|_| lines.next().is_none())
}

/// Adds `Origin` to `Vary` unless it is there (RFC 9110 section 12.5.5).
fn vary_by_origin(headers: &mut HeaderMap) {
    let names = |value: &HeaderValue| {
        let mut names = value
            .as_bytes()
            .split(|byte| *byte == b',')
            .map(<[u8]>::trim_ascii);
        names.any(|name| name == b"*" || name.eq_ignore_ascii_case(b"origin"))
    };
    if !headers.get_all(VARY).iter().any(names) {
        headers.append(VARY, VARY_ORIGIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filters::built;
    use haldane_routing::Rule;
    use haldane_routing::spec::{CorsSpec, FiltersSpec};
    use std::sync::Arc;

    /// Allows these origins.
    fn rule(origins: &[&str], credentials: bool) -> Arc<Rule> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let cors = CorsSpec {
            origins: words(origins),
            methods: words(&["GET", "PUT"]),
            headers: words(&["X-A", "X-B"]),
            expose: words(&["X-C"]),
            credentials,
            max_age_s: 600,
        };
        built::filtered(FiltersSpec {
            cors: Some(cors),
            ..FiltersSpec::default()
        })
    }

    /// Headers from lines `name: value`.
    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        lines
    }

    type Lines = &'static [&'static str];

    const A: Lines = &["https://a.example", "https://*.b.example"];

    #[test]
    fn what_a_response_says() {
        #[rustfmt::skip]
        let cases: &[(Lines, bool, Lines, Lines)] = &[
            (A, true, &["origin: https://a.example"], &[
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://a.example",
                "access-control-expose-headers: X-C",
                "vary: Origin",
            ]),
            (A, false, &["origin: https://x.b.example"], &[
                "access-control-allow-origin: https://x.b.example",
                "access-control-expose-headers: X-C",
                "vary: Origin",
            ]),
            (A, true, &["origin: https://x.y.b.example"], &["vary: Origin"]),
            (A, true, &["origin: https://a.example.evil.example"], &["vary: Origin"]),
            (A, true, &["origin: null"], &["vary: Origin"]),
            (A, true, &["origin: "], &["vary: Origin"]),
            (A, true, &["origin: https://a.example\u{e9}"], &["vary: Origin"]),
            (A, true, &["origin: https://a.example", "origin: https://a.example"], &["vary: Origin"]),
            (A, true, &["origin: https://a.example, https://evil.example"], &["vary: Origin"]),
            (A, true, &[], &["vary: Origin"]),
            (&["*"], false, &[], &["access-control-allow-origin: *", "access-control-expose-headers: X-C"]),
            (&["https://a.example", "*"], false, &["origin: https://a.example"], &[
                "access-control-allow-origin: *",
                "access-control-expose-headers: X-C",
            ]),
        ];
        for (origins, credentials, request, expected) in cases {
            let rule = rule(origins, *credentials);
            let cors = rule.filters().cors().unwrap();
            let mut response = HeaderMap::new();
            Mark::new(cors, &headers(request)).apply(cors, &mut response);
            assert_eq!(lines(&response), *expected, "{request:?}");
        }
    }

    #[test]
    fn what_the_upstream_said_before() {
        #[rustfmt::skip]
        let cases: &[(&str, Lines, Lines)] = &[
            ("https://a.example", &["access-control-allow-origin: *", "vary: Accept"], &[
                "access-control-allow-origin: https://a.example",
                "access-control-expose-headers: X-C",
                "vary: Accept",
                "vary: Origin",
            ]),
            ("https://evil.example", &["access-control-allow-origin: *", "vary: accept, ORIGIN"], &[
                "access-control-allow-origin: *",
                "vary: accept, ORIGIN",
            ]),
            ("https://evil.example", &["vary: *"], &["vary: *"]),
        ];
        for (origin, upstream, expected) in cases {
            let rule = rule(A, false);
            let cors = rule.filters().cors().unwrap();
            let mut response = headers(upstream);
            Mark::new(cors, &headers(&[&format!("origin: {origin}")])).apply(cors, &mut response);
            assert_eq!(lines(&response), *expected, "{origin} {upstream:?}");
        }
    }

    #[test]
    fn preflights() {
        const ASKS: &str = "access-control-request-method: PUT";
        const FROM_A: &str = "origin: https://a.example";
        const GRANTED: Lines = &[
            "access-control-allow-credentials: true",
            "access-control-allow-headers: X-A, X-B",
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-origin: https://a.example",
            "access-control-max-age: 600",
            "vary: Origin",
        ];
        #[rustfmt::skip]
        let cases: &[(Method, Lines, Option<Lines>)] = &[
            (Method::OPTIONS, &[FROM_A, ASKS], Some(GRANTED)),
            (Method::OPTIONS, &["origin: https://evil.example", ASKS], Some(&["vary: Origin"])),
            (Method::OPTIONS, &[FROM_A, FROM_A, ASKS], Some(&["vary: Origin"])),
            (Method::OPTIONS, &[FROM_A], None),
            (Method::OPTIONS, &[ASKS], None),
            (Method::GET, &[FROM_A, ASKS], None),
        ];
        for (method, request, expected) in cases {
            let rule = rule(A, true);
            let response = preflight(rule.filters().cors().unwrap(), method, &headers(request));
            let expected =
                expected.map(|lines| lines.iter().map(|line| (*line).to_owned()).collect());
            assert_eq!(
                response.as_ref().map(lines),
                expected,
                "{method} {request:?}"
            );
        }
    }
}
