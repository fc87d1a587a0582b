//! Which origins may read answers (Fetch standard, section 3.3), and the header values that say so.

use crate::fault::{FaultReason, Faults};
use crate::parse;
use crate::spec::CorsSpec;
use http::HeaderValue;

/// The most origins, methods or headers of one rule: origins are compared one by one.
const LISTED_MAX: usize = 256;

/// Cross-origin resource sharing; lists are kept as the header values they become.
#[derive(Clone, Debug)]
pub struct Cors {
    origins: Box<[Origin]>,
    methods: Option<HeaderValue>,
    headers: Option<HeaderValue>,
    expose: Option<HeaderValue>,
    credentials: bool,
    max_age: HeaderValue,
}

/// Whose scripts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Any,
    Exact(Box<str>),
    /// One label between the two, such as `https://` and `.example.com:8443`.
    OneLabel(Box<str>, Box<str>),
}

impl Cors {
    pub(crate) fn parse(spec: &CorsSpec, faults: &mut Faults) -> Option<Self> {
        let origins = faults.each("origins", &spec.origins, LISTED_MAX, |origin, faults| {
            faults.note(Origin::parse(origin))
        });
        let methods = list("methods", &spec.methods, faults, |m| {
            parse::method(m).map(drop)
        });
        let name = |name: &str| parse::header_name(name).map(drop);
        let headers = list("headers", &spec.headers, faults, name);
        let expose = list("expose", &spec.expose, faults, name);
        Some(Self {
            origins: origins?.into(),
            methods: methods?,
            headers: headers?,
            expose: expose?,
            credentials: spec.credentials,
            max_age: HeaderValue::from(spec.max_age_s),
        })
    }

    /// Whether scripts of this origin, as a browser writes it, may read answers.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed.matches(origin))
    }

    /// Whether scripts of every origin may: `*` is among them.
    #[must_use]
    pub fn allows_any(&self) -> bool {
        self.origins.contains(&Origin::Any)
    }

    /// The value of `Access-Control-Allow-Methods`.
    #[must_use]
    pub fn methods(&self) -> Option<&HeaderValue> {
        self.methods.as_ref()
    }

    /// The value of `Access-Control-Allow-Headers`.
    #[must_use]
    pub fn headers(&self) -> Option<&HeaderValue> {
        self.headers.as_ref()
    }

    /// The value of `Access-Control-Expose-Headers`.
    #[must_use]
    pub fn expose(&self) -> Option<&HeaderValue> {
        self.expose.as_ref()
    }

    /// Whether cookies and credentials may be sent.
    #[must_use]
    pub fn credentials(&self) -> bool {
        self.credentials
    }

    /// The value of `Access-Control-Max-Age`, in seconds.
    #[must_use]
    pub fn max_age(&self) -> &HeaderValue {
        &self.max_age
    }
}

/// A list as one header value; absent where it is empty.
fn list(
    step: &str,
    items: &[String],
    faults: &mut Faults,
    valid: impl Fn(&str) -> Result<(), FaultReason>,
) -> Option<Option<HeaderValue>> {
    faults.each(step, items, LISTED_MAX, |item, faults| {
        faults.note(valid(item))
    })?;
    if items.is_empty() {
        return Some(None);
    }
    faults
        .check(step, parse::header_value(&items.join(", ")))
        .map(Some)
}

impl Origin {
    fn parse(written: &str) -> Result<Self, FaultReason> {
        if written == "*" {
            return Ok(Self::Any);
        }
        let fault = || FaultReason::Origin(written.to_owned());
        let origin = written.to_ascii_lowercase();
        let (scheme, host) = origin.split_once("://").ok_or_else(fault)?;
        let name = host.strip_prefix("*.").unwrap_or(host);
        if !is_scheme(scheme) || !is_host_and_port(name) {
            return Err(fault());
        }
        Ok(match host.strip_prefix('*') {
            Some(suffix) => Self::OneLabel(format!("{scheme}://").into(), suffix.into()),
            None => Self::Exact(origin.into()),
        })
    }

    fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(exact) => exact.eq_ignore_ascii_case(origin),
            Self::OneLabel(scheme, suffix) => {
                let origin = origin.to_ascii_lowercase();
                let label = origin
                    .strip_prefix(&**scheme)
                    .and_then(|host| host.strip_suffix(&**suffix));
                label.is_some_and(|label| !label.is_empty() && !label.contains(['.', ':', '/']))
            }
        }
    }
}

/// RFC 3986 section 3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = text.split_once(':').unwrap_or((text, "1"));
    parse::host(host).is_ok() && port.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, origin: &str, allowed: bool) {
        let parsed = Origin::parse(written).expect("the pattern is an origin");
        assert_eq!(parsed.matches(origin), allowed, "{written} {origin}");
    }

    #[test]
    fn origins() {
        check("*", "https://evil.example", true);
        check("https://a.example", "https://a.example", true);
        check("https://A.example", "https://a.example", true);
        check("https://a.example", "http://a.example", false);
        check("https://a.example", "https://a.example:8443", false);
        check("https://*.a.example", "https://x.a.example", true);
        check("https://*.a.example", "https://x.y.a.example", false);
        check("https://*.a.example", "https://a.example", false);
        check("https://*.a.example", "https://.a.example", false);
        check("https://*.a.example", "https://evil/.a.example", false);
        check("https://*.a.example:8443", "https://x.a.example:8443", true);
        check("https://*.a.example:8443", "https://x.a.example", false);
        check("http://127.0.0.1:3000", "http://127.0.0.1:3000", true);
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for written in [
            "",
            "null",
            "a.example",
            "https://",
            "https://a.example/",
            "https://a.*.example",
            "https://*",
            "https://a:b",
        ] {
            assert_eq!(
                Origin::parse(written),
                Err(FaultReason::Origin(written.to_owned()))
            );
        }
    }
}
