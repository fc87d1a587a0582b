//! The request as its upstream sees it: target, headers, limits. Made once; every attempt sends the same.

use crate::answer::{Call, Routed};
use crate::body::Progress;
use crate::metrics::ErrorClass;
use crate::record::Record;
use haldane_routing::{Forward, Timeouts};
use http::header::{HOST, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::rc::Rc;
use tokio::time::Instant;

/// How long the client of a gRPC call waits (gRPC over HTTP2, "Timeout").
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// A request as it leaves, for any attempt.
pub(crate) struct Outgoing {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) length: Option<u64>,
    pub(crate) upgrade: Option<HeaderValue>,
    /// The request's host, for TLS towards the upstream and HTTP/2's `:authority`.
    pub(crate) host: String,
    pub(crate) timeouts: Timeouts,
    pub(crate) whole_by: Option<Instant>,
    /// Whether `whole_by` is what the client asked for: missing it then says nothing about the upstream.
    pub(crate) deadline_is_clients: bool,
    pub(crate) progress: Option<Rc<Progress>>,
}

impl Outgoing {
    /// What went wrong on the client's side while its body was being sent.
    pub(crate) fn body_fault(&self) -> Option<ErrorClass> {
        let progress = self.progress.as_ref()?;
        let too_large = progress.is_too_large().then_some(ErrorClass::BodyTooLarge);
        too_large.or_else(|| progress.has_failed().then_some(ErrorClass::ClientGone))
    }

    /// The same request for a copy of it.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            method: self.method.clone(),
            target: self.target.clone(),
            headers: self.headers.clone(),
            length: self.length,
            upgrade: None,
            host: self.host.clone(),
            timeouts: self.timeouts,
            whole_by: self.whole_by,
            deadline_is_clients: self.deadline_is_clients,
            progress: None,
        }
    }
}

/// Takes the request out of the call and applies what the rule changes in it.
pub(crate) fn prepare(
    call: &mut Call,
    routed: &Routed,
    forward: &Forward,
    record: &Record,
) -> Outgoing {
    let filters = routed.rule.rule().filters();
    let target = target(call, routed);
    let mut headers = std::mem::take(&mut call.parts.headers);
    if call.admitted.te_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    filters.request_headers().apply(&mut headers);
    if let Some(host) = filters.upstream_host() {
        headers.insert(HOST, host.clone());
    }
    let timeouts = *forward.timeouts();
    let begun = Instant::from_std(call.begun);
    let asked = if call.admitted.grpc {
        grpc_timeout(&headers)
    } else {
        None
    };
    Outgoing {
        method: call.parts.method.clone(),
        target,
        length: call.admitted.framing.length(),
        upgrade: call.admitted.upgrade.take(),
        host: call.admitted.host.as_str().to_owned(),
        whole_by: [timeouts.whole, asked]
            .into_iter()
            .flatten()
            .min()
            .map(|whole| begun + whole),
        deadline_is_clients: asked
            .is_some_and(|asked| timeouts.whole.is_none_or(|whole| asked < whole)),
        timeouts,
        progress: record.request.clone(),
        headers,
    }
}

fn target(call: &Call, routed: &Routed) -> String {
    let uri = &call.parts.uri;
    match routed.rewritten(call) {
        None => uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned(),
        Some(path) => match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        },
    }
}

/// At most eight digits and a unit.
fn grpc_timeout(headers: &HeaderMap) -> Option<std::time::Duration> {
    use std::time::Duration;
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[track_caller]
    fn check(written: &'static str, expected: Option<Duration>) {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_static(written));
        assert_eq!(grpc_timeout(&headers), expected, "{written:?}");
    }

    #[test]
    fn grpc_timeouts() {
        check("2S", Some(Duration::from_secs(2)));
        check("100m", Some(Duration::from_millis(100)));
        check("99999999H", Some(Duration::from_secs(99_999_999 * 3_600)));
        for bad in ["", "S", "2", "2s ", "-1S", "999999999S", "1x", "+1S"] {
            check(bad, None);
        }
    }
}
