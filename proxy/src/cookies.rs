//! The cookies we set: the ticket of a sticky user, and the key that ties a client to an endpoint.

use crate::affinity::Affinity;
use crate::answer::Call;
use haldane_routing::spec::AffinitySpec;
use haldane_routing::{Choice, Forward, Sticky};
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use std::fmt::Write as _;

/// How long a browser keeps a ticket: longer than any release lasts. A ticket is a place on a line, not a version, so an
/// old one does no harm.
const TICKET_SECONDS: u32 = 30 * 24 * 3_600;

/// `Set-Cookie` lines for one answer; usually none.
#[derive(Debug, Default)]
pub(crate) struct Cookies(Vec<HeaderValue>);

impl Cookies {
    pub(crate) fn of(call: &Call, forward: &Forward, choice: &Choice, affinity: Affinity) -> Self {
        let ticket = match (&choice.set_ticket, forward.sticky()) {
            (Some(ticket), Some(Sticky::Cookie(name))) => {
                ticket_line(name, ticket, call.told.origin().https)
            }
            _ => None,
        };
        let key = match (affinity, forward.affinity()) {
            (Affinity::New { key, .. }, Some(spec)) => {
                key_line(spec, &key, call.told.origin().https)
            }
            _ => None,
        };
        Self(ticket.into_iter().chain(key).collect())
    }

    pub(crate) fn set(self, headers: &mut HeaderMap) {
        for line in self.0 {
            headers.append(SET_COOKIE, line);
        }
    }
}

fn ticket_line(name: &str, ticket: &str, https: bool) -> Option<HeaderValue> {
    let secure = if https { "; Secure" } else { "" };
    let line = format!(
        "{name}={ticket}; Path=/; Max-Age={TICKET_SECONDS}; HttpOnly; SameSite=Lax{secure}"
    );
    HeaderValue::try_from(line).ok()
}

fn key_line(spec: &AffinitySpec, key: &str, https: bool) -> Option<HeaderValue> {
    let path = if spec.path.is_empty() {
        "/"
    } else {
        &spec.path
    };
    let mut line = format!("{}={key}; Path={path}; HttpOnly", spec.cookie);
    let mut attribute = |name: &str, value: &dyn std::fmt::Display| {
        // Writing into a String does not fail.
        let _ = write!(line, "; {name}={value}");
    };
    if let Some(seconds) = spec.max_age_s {
        attribute("Max-Age", &seconds);
    }
    if let Some(domain) = &spec.domain {
        attribute("Domain", domain);
    }
    if let Some(same_site) = &spec.same_site {
        attribute("SameSite", same_site);
    }
    if spec.secure.unwrap_or(https) {
        line.push_str("; Secure");
    }
    HeaderValue::try_from(line).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: AffinitySpec, https: bool, line: &str) {
        let spec = AffinitySpec {
            cookie: "route".to_owned(),
            ..spec
        };
        assert_eq!(key_line(&spec, "k", https).expect("a header value"), line);
    }

    #[test]
    fn what_the_annotations_say_stands_in_the_cookie() {
        check(AffinitySpec::default(), false, "route=k; Path=/; HttpOnly");
        check(
            AffinitySpec::default(),
            true,
            "route=k; Path=/; HttpOnly; Secure",
        );
        let all = AffinitySpec {
            path: "/app".to_owned(),
            domain: Some("example.com".to_owned()),
            same_site: Some("Strict".to_owned()),
            max_age_s: Some(60),
            secure: Some(false),
            ..AffinitySpec::default()
        };
        check(
            all,
            true,
            "route=k; Path=/app; HttpOnly; Max-Age=60; Domain=example.com; SameSite=Strict",
        );
    }

    #[test]
    fn a_value_that_cannot_stand_in_a_header_sets_nothing() {
        let spec = AffinitySpec {
            path: "/\r\nx: y".to_owned(),
            ..AffinitySpec::default()
        };
        assert!(key_line(&spec, "k", false).is_none());
    }
}
